//! How many of something each has open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what each has open. A cheap handle. Whoever has nothing open takes no memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<Mutex<HashMap<u64, usize>>>);

/// One that is open.
#[derive(Debug)]
pub(crate) struct Slot {
    counts: Counts,
    key: u64,
}

impl Counts {
    /// Counts one more, unless that is more than there may be.
    pub(crate) fn open(&self, key: u64, max: usize) -> Option<Slot> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = counts.entry(key).or_default();
        if *open >= max {
            return None;
        }
        *open += 1;
        Some(Slot {
            counts: self.clone(),
            key,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let counts = &self.counts.0;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = counts.get_mut(&self.key) {
            *open -= 1;
            if *open == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_makes_room_and_leaves_nothing_behind() {
        let counts = Counts::default();
        let first = counts.open(1, 2).unwrap();
        let second = counts.open(1, 2).unwrap();
        assert!(counts.open(1, 2).is_none());
        assert!(counts.open(2, 2).is_some());
        drop(first);
        let third = counts.open(1, 2).unwrap();
        drop((second, third));
        assert!(counts.0.lock().unwrap().is_empty());
    }
}
