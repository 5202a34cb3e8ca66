//! How long to wait before the next try: full jitter under a cap, above what the hub advised.
//! Pure: the time and the dice are arguments.

use std::time::{Duration, Instant};

use crate::loss::Loss;

/// The longest wait that a hub's advice can cause; longer advice is cut, lest a typo in a server's
/// configuration parks its clients for good.
pub(crate) const ADVICE_MAX: Duration = Duration::from_secs(60 * 60);

/// How a client tries again after something that may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The span of the first random wait; each further one doubles it. 500 ms: a restarted hub is
    /// back by then.
    pub first: Duration,
    /// The cap of that span. 30 s: a herd of clients spreads over half a minute, and nobody waits
    /// longer than a person would before looking.
    pub cap: Duration,
    /// How long a stream must have been open for the doubling to start anew. 10 s: a stream that is
    /// cut on sight must not reset it.
    pub healthy_after: Duration,
    /// Tries after the first one; `None` never gives up. Counted anew after a healthy stream.
    pub retries_max: Option<u32>,
    /// What an address means where nobody answers.
    pub unreachable: Unreachable,
}

/// What to make of an address where nobody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// The hub is being restarted: try again.
    Retry,
    /// The address is wrong or the hub was never started: say so at once.
    GiveUp,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            healthy_after: Duration::from_secs(10),
            retries_max: None,
            unreachable: Unreachable::Retry,
        }
    }
}

impl RetryPolicy {
    /// The default policy with a bound on the tries after the first one.
    #[must_use]
    pub fn at_most(retries_max: u32) -> Self {
        Self {
            retries_max: Some(retries_max),
            ..Self::default()
        }
    }
}

/// The wait before each try.
///
/// Invariants: a wait is never shorter than the hub's advice, and never longer than
/// [`ADVICE_MAX`] plus the policy's cap.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: RetryPolicy,
    /// Failures in a row, without a healthy stream between them.
    failures: u32,
    /// The last `retry:` of the stream, a floor for every wait.
    advised: Duration,
    /// When the stream opened that is open now.
    opened_at: Option<Instant>,
}

impl Backoff {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            failures: 0,
            advised: Duration::ZERO,
            opened_at: None,
        }
    }

    /// Notes that a stream is open.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.opened_at = Some(now);
    }

    /// Notes the stream's `retry:`.
    pub(crate) fn advise(&mut self, wait: Duration) {
        self.advised = wait.min(ADVICE_MAX);
    }

    /// Notes a failure. Answers the wait, or `None` when the tries are used up.
    ///
    /// The loss's own advice is the floor of this wait alone; `dice` is uniform in `0.0..1.0`.
    pub(crate) fn failed(&mut self, now: Instant, loss: &Loss, dice: f64) -> Option<Duration> {
        let opened_at = self.opened_at.take();
        if opened_at
            .is_some_and(|at| now.saturating_duration_since(at) >= self.policy.healthy_after)
        {
            self.failures = 0;
        }
        let doublings = self.failures;
        self.failures = self.failures.saturating_add(1);
        let is_used_up = self
            .policy
            .retries_max
            .is_some_and(|max| self.failures > max);
        let is_nowhere = matches!(loss, Loss::Unreachable { .. });
        if is_used_up || is_nowhere && self.policy.unreachable == Unreachable::GiveUp {
            return None;
        }
        let span = self
            .policy
            .first
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(self.policy.cap);
        let floor = loss
            .retry_after()
            .unwrap_or_default()
            .max(self.advised)
            .min(ADVICE_MAX);
        Some(floor + span.mul_f64(dice.clamp(0.0, 1.0)))
    }
}

/// A die for [`Backoff::failed`]: uniform in `0.0..1.0`.
pub(crate) fn dice() -> f64 {
    // Without randomness clients still wait, only less spread: half the span is the mean.
    getrandom::u32().map_or(0.5, |roll| f64::from(roll) / (f64::from(u32::MAX) + 1.0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::problem::Problem;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn refused(retry_after: Duration) -> Loss {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut problem = Problem::read(status, &HeaderMap::new(), b"", std::time::UNIX_EPOCH);
        problem.retry_after = Some(retry_after);
        Loss::Refused(problem)
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let now = Instant::now();
        let mut backoff = Backoff::new(RetryPolicy::default());
        let waits: Vec<_> = (0..9)
            .map(|_| backoff.failed(now, &Loss::Ended, 1.0).unwrap())
            .collect();
        let want = [
            500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
        ]
        .map(ms);
        assert_eq!(waits, want);
        assert_eq!(
            Backoff::new(RetryPolicy::default()).failed(now, &Loss::Ended, 0.0),
            Some(ms(0))
        );
    }

    #[test]
    fn doubling_for_ever_does_not_overflow() {
        let mut backoff = Backoff {
            failures: u32::MAX - 1,
            ..Backoff::new(RetryPolicy::default())
        };
        for _ in 0..3 {
            assert_eq!(
                backoff.failed(Instant::now(), &Loss::Ended, 1.0),
                Some(ms(30_000))
            );
        }
    }

    #[test]
    fn advice_is_a_floor_that_jitter_stretches() {
        let now = Instant::now();
        let mut backoff = Backoff::new(RetryPolicy::default());
        backoff.advise(ms(2_000));
        for (loss, dice, want) in [
            (Loss::Ended, 0.0, 2_000),
            (refused(ms(5_000)), 0.5, 5_500),
            (refused(ms(1_000)), 0.5, 3_000),
            (refused(ms(u64::MAX)), 0.0, 3_600_000),
        ] {
            assert_eq!(backoff.failed(now, &loss, dice), Some(ms(want)), "{loss}");
        }
    }

    #[test]
    fn only_a_healthy_stream_starts_the_doubling_anew() {
        let start = Instant::now();
        for (open_for, want) in [(ms(9_999), 4_000), (ms(10_000), 500)] {
            let mut backoff = Backoff::new(RetryPolicy::default());
            for _ in 0..3 {
                backoff.failed(start, &Loss::Ended, 1.0);
            }
            backoff.opened(start);
            assert_eq!(
                backoff.failed(start + open_for, &Loss::Ended, 1.0),
                Some(ms(want))
            );
        }
    }

    #[test]
    fn a_bounded_policy_gives_up_and_counts_anew_after_a_healthy_stream() {
        let now = Instant::now();
        let mut backoff = Backoff::new(RetryPolicy::at_most(2));
        let mut gives_up = |opened: bool| {
            if opened {
                backoff.opened(now);
            }
            backoff
                .failed(now + ms(60_000), &Loss::Ended, 0.0)
                .is_none()
        };
        assert_eq!(
            [false, false, false].map(&mut gives_up),
            [false, false, true]
        );
        assert_eq!(
            [true, false, false].map(&mut gives_up),
            [false, false, true]
        );
    }

    #[test]
    fn the_policy_says_what_an_empty_address_means() {
        let cause = Arc::new(std::io::ErrorKind::ConnectionRefused.into());
        let nowhere = Loss::Unreachable {
            address: "http://h".into(),
            cause,
        };
        for (unreachable, gives_up) in [(Unreachable::Retry, false), (Unreachable::GiveUp, true)] {
            let mut backoff = Backoff::new(RetryPolicy {
                unreachable,
                ..RetryPolicy::default()
            });
            assert_eq!(
                backoff.failed(Instant::now(), &nowhere, 0.0).is_none(),
                gives_up
            );
            assert!(backoff.failed(Instant::now(), &Loss::Ended, 0.0).is_some());
        }
    }

    #[test]
    fn dice_stay_in_range() {
        assert!(
            (0..1_000)
                .map(|_| dice())
                .all(|roll| (0.0..1.0).contains(&roll))
        );
    }
}
