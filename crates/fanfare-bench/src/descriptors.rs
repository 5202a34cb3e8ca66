//! Open files: each connection is one, and systems allow a process few of them at first.

use std::error::Error;
use std::fmt;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a process has open besides its connections, with some to spare.
const OTHERS: u64 = 32;

/// A process may not have as many files open as it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFew {
    /// How many it needs.
    pub needed: u64,
    /// How many it may have.
    pub allowed: u64,
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, allowed } = self;
        write!(
            f,
            "{needed} open files are needed, and this process may have {allowed}"
        )
    }
}

impl Error for TooFew {}

/// Raises the limit of open files to what so many connections need, as far as the system lets
/// every process do that.
///
/// # Errors
///
/// [`TooFew`] when that is not far enough.
pub fn reserve(connections: u64) -> Result<()> {
    let needed = connections + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if is_enough(limit.current) {
        return Ok(());
    }
    if let Some(allowed) = limit.maximum.filter(|limit| *limit < needed) {
        return Err(TooFew { needed, allowed }.into());
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    let raised = setrlimit(Resource::Nofile, raised);
    raised.with_context(|| {
        format!("the system has no {needed} open files for a process (fs.nr_open)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_process_may_have_is_said_with_its_limit() {
        let allowed = getrlimit(Resource::Nofile).maximum;
        let result = reserve(u64::MAX - OTHERS);
        match allowed {
            Some(allowed) => {
                let needed = u64::MAX;
                let error = result.unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&TooFew { needed, allowed }));
            }
            None => assert!(reserve(1).is_ok()),
        }
    }
}
