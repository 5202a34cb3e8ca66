//! What each round does, decided by the seed alone.

use std::time::Duration;

use super::machine::DriveCache;

/// One round: how the drive behaves, and when its power goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) cache: DriveCache,
    /// From the first request until the cut.
    pub(super) load: Duration,
    /// A cut before the round, so long after the start of the hub: recovery is interrupted too.
    pub(super) stumble: Option<Duration>,
}

/// A load as short as this has hardly begun; the longest fills several segments.
const LOAD_MS: std::ops::Range<u64> = 300..1_500;

/// A start takes about as long on an emulated processor; some of these come after it.
const STUMBLE_MS: u64 = 800;

/// Each sixth round stumbles: often enough to count, and a stumble costs a boot.
const STUMBLE_EVERY: u64 = 6;

/// The rounds of a run.
pub(super) struct Plan(fastrand::Rng);

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(super) fn next_round(&mut self) -> Round {
        let cache = match self.0.u64(..3) {
            0 => DriveCache::WrittenThrough,
            _ => DriveCache::Volatile,
        };
        let load = Duration::from_millis(self.0.u64(LOAD_MS));
        // Drawn even if it is not used, so that the rounds after this one do not depend on it.
        let stumble = Duration::from_millis(self.0.u64(..STUMBLE_MS));
        let is_stumble = self.0.u64(..STUMBLE_EVERY) == 0;
        Round {
            cache,
            load,
            stumble: is_stumble.then_some(stumble),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_rounds() {
        let rounds = |seed| {
            let mut plan = Plan::new(seed);
            (0..100).map(|_| plan.next_round()).collect::<Vec<_>>()
        };
        assert_eq!(rounds(7), rounds(7));
        assert_ne!(rounds(7), rounds(8));
    }

    #[test]
    fn a_run_meets_both_kinds_of_drive_and_some_stumbles() {
        let mut plan = Plan::new(1);
        let rounds: Vec<_> = (0..100).map(|_| plan.next_round()).collect();
        let volatile = rounds
            .iter()
            .filter(|round| round.cache == DriveCache::Volatile);
        let stumbles = rounds.iter().filter(|round| round.stumble.is_some());
        assert!((50..85).contains(&volatile.count()));
        assert!((5..35).contains(&stumbles.count()));
    }
}
