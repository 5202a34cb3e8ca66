//! The clock of one load: nanoseconds since it began.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Counts from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// When it was made.
    start: Instant,
    /// The same moment as others tell it, in nanoseconds since 1970.
    start_unix_ns: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            start: Instant::now(),
            start_unix_ns: nanoseconds(unix.unwrap_or_default()),
        }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    /// What a moment of this clock is to everybody else.
    pub(crate) fn unix_ns(&self, at_ns: u64) -> u64 {
        self.start_unix_ns + at_ns
    }
}

/// 2^64 nanoseconds are 584 years.
pub(crate) fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
