//! Work that is due at fixed times, shared out among threads; each piece is timed from when it was
//! due, so that a stall counts for everything that it held up.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::stats::Latencies;

/// When the pieces of one worker are due.
#[derive(Clone, Copy)]
pub struct Pace {
    /// When everything begins.
    pub begin: Instant,
    /// How long it goes on.
    pub span: Duration,
    /// Pieces in a second, all workers together.
    pub per_second: u64,
    /// How many workers take turns.
    pub workers: u64,
}

impl Pace {
    /// Does every piece of one worker and answers how long after its time each was done. The work
    /// gets the number of the piece and its time, as nanoseconds since the beginning.
    pub fn work(
        self,
        worker: u64,
        mut piece: impl FnMut(u64, u64) -> Result<()>,
    ) -> Result<Vec<u64>> {
        let mut waits_ns = Vec::new();
        let mut number = worker;
        loop {
            let due_ns = number * 1_000_000_000 / self.per_second;
            let due = Duration::from_nanos(due_ns);
            if due >= self.span {
                return Ok(waits_ns);
            }
            let rest = due.saturating_sub(self.begin.elapsed());
            if !rest.is_zero() {
                thread::sleep(rest);
            }
            piece(number, due_ns)?;
            waits_ns.push(since_ns(self.begin)?.saturating_sub(due_ns));
            number += self.workers;
        }
    }
}

/// Nanoseconds since then.
pub fn since_ns(begin: Instant) -> Result<u64> {
    Ok(u64::try_from(begin.elapsed().as_nanos())?)
}

/// Gathers what several threads measured.
pub fn join(threads: Vec<ScopedJoinHandle<'_, Result<Vec<u64>>>>) -> Result<Latencies> {
    let mut all = Vec::new();
    for thread in threads {
        let measured = thread
            .join()
            .map_err(|_panic| anyhow!("a thread panicked"))?;
        all.append(&mut measured?);
    }
    Ok(Latencies::of(all))
}
