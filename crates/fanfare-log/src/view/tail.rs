//! The youngest events, in memory, in order: what live readers read.

use std::collections::VecDeque;
use std::sync::Arc;

use fanfare_hub::{Event, Seq};

/// The youngest events. Dense: the place of an event follows from its seq.
pub(crate) struct Tail {
    /// The seq of the first slot; the next seq when there is none.
    first: Seq,
    /// An event that was dropped leaves its slot empty.
    events: VecDeque<Option<(u32, Arc<Event>)>>,
    /// What the events cost.
    bytes: u64,
    bytes_max: u64,
}

impl Tail {
    /// A tail that begins with this seq.
    pub(crate) fn new(first: Seq, bytes_max: u64) -> Self {
        Self {
            first,
            events: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// How many bytes it may hold.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Everything from this seq on lies in memory.
    pub(crate) fn first(&self) -> Seq {
        self.first
    }

    /// Takes in the next event, with the number of its topic.
    pub(crate) fn push(&mut self, topic: u32, event: Arc<Event>) {
        debug_assert_eq!(event.seq.0, self.first.0 + self.events.len() as u64);
        self.bytes += event.cost_bytes();
        self.events.push_back(Some((topic, event)));
    }

    /// Takes out the oldest event as long as there is too much.
    pub(crate) fn evict(&mut self) -> Option<(u32, Arc<Event>)> {
        // The newest one stays, however large it is.
        while self.events.len() > 1 {
            let is_empty = self.events.front().is_some_and(Option::is_none);
            if !is_empty && self.bytes <= self.bytes_max {
                return None;
            }
            self.first = self.first.next();
            if let Some(evicted) = self.events.pop_front().flatten() {
                self.bytes -= evicted.1.cost_bytes();
                return Some(evicted);
            }
        }
        None
    }

    /// Empties the slot of an event that was dropped.
    pub(crate) fn forget(&mut self, seq: Seq) {
        let slot = seq.0.checked_sub(self.first.0);
        let slot = slot.and_then(|slot| self.events.get_mut(usize::try_from(slot).ok()?));
        if let Some((_, event)) = slot.and_then(Option::take) {
            self.bytes -= event.cost_bytes();
        }
    }

    /// The events after a place, with their seqs.
    pub(crate) fn after(&self, after: Seq) -> impl Iterator<Item = (Seq, Option<&Arc<Event>>)> {
        let start = after.next().0.saturating_sub(self.first.0);
        let start =
            usize::try_from(start).map_or(self.events.len(), |start| start.min(self.events.len()));
        let first = self.first.0 + start as u64;
        let seqs = (first..).map(Seq);
        let events = self.events.range(start..);
        seqs.zip(events.map(|slot| slot.as_ref().map(|(_, event)| event)))
    }
}
