//! The clock of the comparison.

use rustix::time::{ClockId, clock_gettime};

/// A moment of the CPU time that this thread has used.
///
/// Not the wall clock, so that a round in which the scheduler gave the core to somebody else counts
/// like any other.
pub struct CpuTime(f64);

impl CpuTime {
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Self(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }

    pub fn elapsed_seconds(&self) -> f64 {
        Self::now().0 - self.0
    }
}
