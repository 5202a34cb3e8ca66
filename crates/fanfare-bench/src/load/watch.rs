//! How far a load is, told every now and then to somebody who waits for it.

use std::fmt;
use std::time::Duration;

use super::Load;
use crate::clock::nanoseconds;

/// Somebody who wants to know how far a load is.
pub type Watch = Box<dyn FnMut(&Progress)>;

/// A person sees a number change so often; to the load it is nothing.
const EVERY: Duration = Duration::from_millis(200);

/// How far a load is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since the load began.
    pub elapsed: Duration,
    /// Subscribers that the server has accepted.
    pub subscribers: usize,
    /// Events that subscribers received, each time.
    pub deliveries: u64,
    /// Events that the server acknowledged.
    pub events: u64,
    /// Whether what happens now is counted.
    pub is_counted: bool,
}

/// Who is told, and when next.
pub(super) struct Watcher {
    watch: Option<Watch>,
    /// Never, when nobody watches.
    pub(super) due_ns: u64,
}

impl Default for Watcher {
    fn default() -> Self {
        Self {
            watch: None,
            due_ns: u64::MAX,
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut watcher = f.debug_struct("Watcher");
        watcher
            .field("due_ns", &self.due_ns)
            .finish_non_exhaustive()
    }
}

impl Load {
    /// Has somebody told from now on.
    pub(crate) fn watch(&mut self, watch: Option<Watch>) {
        self.watcher.due_ns = watch.as_ref().map_or(u64::MAX, |_| self.now_ns());
        self.watcher.watch = watch;
    }

    /// Tells how far it is, when that is due.
    pub(super) fn tell(&mut self, now_ns: u64) {
        if now_ns < self.watcher.due_ns {
            return;
        }
        self.watcher.due_ns = now_ns + nanoseconds(EVERY);
        let progress = Progress {
            elapsed: Duration::from_nanos(now_ns),
            subscribers: self.open,
            deliveries: self.tally.deliveries,
            events: self.stored,
            is_counted: self.window.contains(&now_ns),
        };
        if let Some(watch) = &mut self.watcher.watch {
            watch(&progress);
        }
    }
}
