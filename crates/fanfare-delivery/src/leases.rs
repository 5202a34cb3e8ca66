//! Streams that hang on a credential: which of them end when. Those that do not cost nothing here.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fanfare_hub::{Lease, Timestamp};

use crate::table::Token;

/// How often leases are looked at: an expired stream ends within a second, and the clock that
/// decides it may be set.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// The leases of one shard.
#[derive(Default)]
pub(crate) struct Leases {
    of: HashMap<u64, Lease>,
    by_end: BTreeSet<(Timestamp, u64)>,
    /// As of which decisions of the operator's all of them are known to be good.
    generation: u64,
    looked: Option<Instant>,
}

impl Leases {
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Keeps in mind what a stream hangs on.
    pub(crate) fn add(&mut self, token: Token, lease: Lease) {
        self.by_end.insert((lease.expires, token.to_u64()));
        self.of.insert(token.to_u64(), lease);
    }

    /// The stream is gone.
    pub(crate) fn remove(&mut self, token: Token) {
        if let Some(lease) = self.of.remove(&token.to_u64()) {
            self.by_end.remove(&(lease.expires, token.to_u64()));
        }
    }

    /// Whether it is time to look; it counts as done.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.looked.is_none_or(|looked| now - looked >= LOOK);
        if is_due {
            self.looked = Some(now);
        }
        is_due && !self.is_empty()
    }

    /// Streams whose lease may have ended: those whose time is over, or all when the operator
    /// decided anew.
    pub(crate) fn suspects(&mut self, now: Timestamp, generation: u64) -> Vec<(Token, Lease)> {
        let lease = |number: u64| {
            let lease = self.of.get(&number)?;
            Some((Token::from_u64(number), lease.clone()))
        };
        if std::mem::replace(&mut self.generation, generation) != generation {
            return self.of.keys().filter_map(|number| lease(*number)).collect();
        }
        let ended = self.by_end.range(..=(now, u64::MAX));
        ended.filter_map(|(_, number)| lease(*number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn streams_come_up_when_their_time_is_over_or_anything_was_decided() {
        let mut leases = Leases::default();
        let mut table = Table::new();
        let [soon, later] = [(); 2].map(|()| table.insert(|_| ()));
        for (token, expires) in [(soon, 1_000), (later, 5_000)] {
            let lease = Lease {
                expires: Timestamp(expires),
                credential: Default::default(),
            };
            leases.add(token, lease);
        }
        let mut suspects = |now, generation| {
            let mut found: Vec<_> = leases
                .suspects(Timestamp(now), generation)
                .into_iter()
                .map(|(token, _)| token.slot)
                .collect();
            found.sort_unstable();
            found
        };
        assert_eq!(suspects(999, 0), []);
        assert_eq!(suspects(1_000, 0), [soon.slot]);
        assert_eq!(suspects(0, 1), [soon.slot, later.slot]);
        assert_eq!(suspects(0, 1), []);
        leases.remove(soon);
        assert!(leases.suspects(Timestamp(1_000), 1).is_empty());
        leases.remove(later);
        assert!(leases.is_empty());
    }

    #[test]
    fn leases_are_looked_at_a_few_times_a_second() {
        let mut leases = Leases::default();
        let token = Table::new().insert(|_| ());
        leases.add(
            token,
            Lease {
                expires: Timestamp(0),
                credential: Default::default(),
            },
        );
        let now = Instant::now();
        assert!(leases.is_due(now));
        assert!(!leases.is_due(now + LOOK / 2));
        assert!(leases.is_due(now + LOOK));
    }
}
