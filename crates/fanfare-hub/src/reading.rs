//! Taking events out of a log within a budget: what every log does alike, wherever its events lie.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::event::Event;
use crate::limits::{SCAN_EVENTS_MAX, SCAN_EVENTS_MIN};
use crate::log::ReadBudget;
use crate::position::Seq;
use crate::subscription::Selection;

/// What is left of a budget.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    budget: ReadBudget,
    is_first: bool,
}

impl Room {
    /// All of a budget.
    #[must_use]
    pub fn new(budget: ReadBudget) -> Self {
        Self {
            budget,
            is_first: true,
        }
    }

    /// Takes a frame of so many bytes into account, unless the budget is spent. The first one
    /// always fits.
    pub fn takes(&mut self, bytes: usize) -> bool {
        if !self.is_first && (self.budget.events == 0 || self.budget.bytes < bytes) {
            return false;
        }
        self.is_first = false;
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes);
        self.budget.events = self.budget.events.saturating_sub(1);
        true
    }
}

/// The events that were read so far, and whether there is room for more.
pub struct Taken {
    /// The events, in seq order.
    pub events: Vec<Arc<Event>>,
    room: Room,
}

impl Taken {
    /// Nothing yet, of so much.
    #[must_use]
    pub fn new(budget: ReadBudget) -> Self {
        Self {
            events: Vec::new(),
            room: Room::new(budget),
        }
    }

    /// Takes the event unless the budget is spent.
    pub fn take(&mut self, event: &Arc<Event>) -> bool {
        let is_taken = self.room.takes(event.frame.len());
        if is_taken {
            self.events.push(Arc::clone(event));
        }
        is_taken
    }

    /// Takes events in order, as many as fit. Answers where the budget ended the read, if it did.
    pub fn take_all<'a>(
        &mut self,
        mut events: impl Iterator<Item = &'a Arc<Event>>,
    ) -> Option<Seq> {
        let is_cut = events.any(|event| !self.take(event));
        self.stopped_at(is_cut)
    }

    /// The same from several sources, each in order, merged by seq.
    pub fn merge<'a, S>(&mut self, sources: impl Iterator<Item = S>) -> Option<Seq>
    where
        S: Iterator<Item = &'a Arc<Event>>,
    {
        let mut sources: Vec<S> = sources.collect();
        let mut heap = BinaryHeap::with_capacity(sources.len());
        let mut heads: Vec<Option<&Arc<Event>>> = Vec::with_capacity(sources.len());
        for (index, source) in sources.iter_mut().enumerate() {
            let head = source.next();
            heap.extend(head.map(|event| Reverse((event.seq, index))));
            heads.push(head);
        }
        while let Some(Reverse((_, index))) = heap.pop() {
            let Some(event) = heads[index] else { continue };
            if !self.take(event) {
                return self.stopped_at(true);
            }
            heads[index] = sources[index].next();
            heap.extend(heads[index].map(|event| Reverse((event.seq, index))));
        }
        None
    }

    /// The place of the last event taken, when the budget ended the read there.
    #[must_use]
    pub fn stopped_at(&self, is_cut: bool) -> Option<Seq> {
        self.events.last().filter(|_| is_cut).map(|event| event.seq)
    }
}

/// How many events one turn may look at: each is compared to each pattern.
#[must_use]
pub fn looks_of_a_turn(selection: &Selection) -> usize {
    (SCAN_EVENTS_MAX / selection.patterns.len().max(1)).max(SCAN_EVENTS_MIN)
}
