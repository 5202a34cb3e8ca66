//! How much of publish bodies the hub holds, over all connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the bytes of bodies that are held. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bodies(Arc<AtomicUsize>);

/// A body that grows, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    bodies: Bodies,
    bytes: usize,
}

impl Bodies {
    /// A body of which nothing has come.
    pub(crate) fn hold(&self) -> Held {
        Held {
            bodies: self.clone(),
            bytes: 0,
        }
    }
}

impl Held {
    /// Holds so many bytes from now on; `false` when all bodies together have more than they may.
    /// Bytes are counted when they come and not when they are announced: announcing costs nobody
    /// anything.
    #[must_use]
    pub(crate) fn set(&mut self, bytes: usize, max: usize) -> bool {
        let taken = &self.bodies.0;
        let others = match bytes.checked_sub(self.bytes) {
            Some(more) => taken.fetch_add(more, Ordering::Relaxed) - self.bytes,
            None => taken.fetch_sub(self.bytes - bytes, Ordering::Relaxed) - self.bytes,
        };
        let is_growing = bytes > self.bytes;
        self.bytes = bytes;
        !is_growing || others.saturating_add(bytes) <= max
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bodies.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_makes_room() {
        let bodies = Bodies::default();
        let mut first = bodies.hold();
        assert!(first.set(60, 100));
        let mut second = bodies.hold();
        assert!(!second.set(60, 100));
        assert!(second.set(40, 100));
        assert!(!first.set(61, 100));
        drop(second);
        assert!(first.set(100, 100));
        drop(first);
        assert_eq!(bodies.0.load(Ordering::Relaxed), 0);
    }
}
