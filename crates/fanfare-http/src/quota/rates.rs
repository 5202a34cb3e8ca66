//! How fast each may go.
//!
//! The generic cell rate algorithm (ITU-T I.371): of each it is known only when what it took will
//! have been worth its time. It may be a second ahead, and whoever takes more in one piece waits
//! for as long as that is worth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fanfare_hub::limits::RATED_MAX;

/// How far ahead one may be: what may come at once.
const AHEAD_MAX: Duration = Duration::from_secs(1);
/// How long one can have to wait for what it took, however much that was.
const DEBT_MAX: Duration = Duration::from_secs(60);

/// Who took how much lately.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<u64, Instant>>);

impl Rates {
    /// Takes so many at this rate.
    ///
    /// # Errors
    /// How long to wait before anything more may be taken.
    pub(crate) fn take(
        &self,
        key: u64,
        number: u64,
        per_s: u64,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = taken.contains_key(&key);
        if !is_known && taken.len() >= RATED_MAX {
            taken.retain(|_, worth| *worth > now);
            if taken.len() >= RATED_MAX {
                return Err(AHEAD_MAX);
            }
        }
        let worth = taken.entry(key).or_insert(now);
        let ahead = worth.saturating_duration_since(now);
        let cost = Duration::from_nanos(number.saturating_mul(1_000_000_000) / per_s.max(1));
        // Who took nothing lately may take whatever it has in one piece.
        let may_be_ahead = AHEAD_MAX.saturating_sub(cost);
        if ahead > may_be_ahead {
            return Err(ahead - may_be_ahead);
        }
        *worth = now + ahead + cost.min(DEBT_MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_ahead_and_then_at_the_rate() {
        let (rates, start) = (Rates::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(rates.take(1, 1, 10, start), Ok(()));
        }
        assert!(rates.take(1, 1, 10, start).is_err());
        assert_eq!(rates.take(2, 1, 10, start), Ok(()));
        let later = start + Duration::from_millis(101);
        assert_eq!(rates.take(1, 1, 10, later), Ok(()));
        assert!(rates.take(1, 1, 10, later).is_err());
    }

    #[test]
    fn much_at_once_is_waited_for() {
        let (rates, start) = (Rates::default(), Instant::now());
        assert_eq!(rates.take(1, 50, 10, start), Ok(()));
        let wait = rates.take(1, 1, 10, start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(4_100));
        let later = start + wait;
        assert_eq!(rates.take(1, 1, 10, later), Ok(()));
        assert!(rates.take(1, u64::MAX, 10, later).is_err());
        assert_eq!(rates.take(1, u64::MAX, 10, later + AHEAD_MAX), Ok(()));
    }

    #[test]
    fn who_took_nothing_for_long_makes_room() {
        let (rates, start) = (Rates::default(), Instant::now());
        for key in 0..RATED_MAX as u64 {
            rates.take(key, 1, 10, start).unwrap();
        }
        assert!(rates.take(u64::MAX, 1, 10, start).is_err());
        let later = start + AHEAD_MAX;
        assert_eq!(rates.take(u64::MAX, 1, 10, later), Ok(()));
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}
