//! Which cores a thread runs on.

use std::fmt;

use anyhow::Result;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of a server or of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// Any that this thread may run on.
    All,
    /// This one.
    One(usize),
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all cores"),
            Self::One(core) => write!(f, "core {core}"),
        }
    }
}

/// Does something while this thread runs on the given cores only.
///
/// # Errors
///
/// There is no such core, or it may not be used.
pub fn on<T>(cores: Cores, run: impl FnOnce() -> T) -> Result<T> {
    let Cores::One(core) = cores else {
        return Ok(run());
    };
    let before = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one)?;
    let done = run();
    sched_setaffinity(None, &before)?;
    Ok(done)
}
