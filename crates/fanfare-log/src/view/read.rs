//! Reading from memory: from one topic, by merging several, or forward through all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use fanfare_hub::limits::{SCAN_EVENTS_MAX, SCAN_EVENTS_MIN};
use fanfare_hub::log::{ReadBudget, ReadRequest, Slice};
use fanfare_hub::{Event, Selection, Seq};

use super::View;
use crate::topics::Topic;

/// What was read so far, and whether there is room for more.
struct Taken {
    events: Vec<Arc<Event>>,
    budget: ReadBudget,
}

impl Taken {
    /// Takes the event unless the budget is spent. The first event is always taken.
    fn take(&mut self, event: &Arc<Event>) -> bool {
        let bytes = event.frame.len();
        if !self.events.is_empty() && (self.budget.events == 0 || self.budget.bytes < bytes) {
            return false;
        }
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes);
        self.budget.events = self.budget.events.saturating_sub(1);
        self.events.push(Arc::clone(event));
        true
    }

    /// The place of the last event taken, when the budget ended the read there.
    fn stopped_at(&self, is_cut: bool) -> Option<Seq> {
        self.events.last().filter(|_| is_cut).map(|event| event.seq)
    }
}

impl View {
    /// Reads what lies after a cursor; `None` when something of it may lie on disk alone, or when
    /// something was lost, which takes a look at the disk to tell.
    pub(crate) fn read(&self, request: &ReadRequest) -> Option<Slice> {
        let (selection, after) = (&*request.selection, request.after);
        if self.is_trimmed(selection, after, request.trims_seen) {
            return None;
        }
        let mut taken = Taken {
            events: Vec::new(),
            budget: request.budget,
        };
        let is_near = self.last.0.saturating_sub(after.0) <= looks_of_a_turn(selection) as u64;
        let stopped_at = match selection.single() {
            Some(name) => match self.topics.by_name(name) {
                Some(topic) if topic.evicted > after => return None,
                Some(topic) => topic.read(after, &mut taken),
                None => self.is_known(after).then_some(None)?,
            },
            None if is_near && self.is_in_memory(after) => {
                self.read_forward(selection, after, &mut taken)
            }
            None => match self.topics.few(selection) {
                Some(topics) if topics.iter().all(|topic| topic.evicted <= after) => {
                    self.is_known(after).then_some(())?;
                    read_merged(&topics, after, &mut taken)
                }
                _ if self.is_in_memory(after) => self.read_forward(selection, after, &mut taken),
                _ => return None,
            },
        };
        let has_more = stopped_at.is_some();
        Some(Slice {
            events: taken.events,
            after: stopped_at.unwrap_or_else(|| self.last.max(after)),
            trims_seen: self.drops.count(),
            missing: None,
            has_more,
            is_over: !has_more && self.is_over(selection),
        })
    }

    fn is_in_memory(&self, after: Seq) -> bool {
        after.next() >= self.tail.first()
    }

    /// Whether nothing after the place was lost in a hole, in which events of topics may have been
    /// that nobody knows of.
    fn is_known(&self, after: Seq) -> bool {
        self.holes.last().is_none_or(|hole| hole.through <= after)
    }

    /// Looks at every event after the place, as many as one turn may.
    fn read_forward(&self, selection: &Selection, after: Seq, taken: &mut Taken) -> Option<Seq> {
        let seen_max = looks_of_a_turn(selection);
        for (seen, (seq, event)) in self.tail.after(after).enumerate() {
            let event = event.filter(|event| selection.matches(&event.topic));
            if event.is_some_and(|event| !taken.take(event)) {
                return taken.stopped_at(true);
            }
            if seen + 1 == seen_max && seq < self.last {
                return Some(seq);
            }
        }
        None
    }
}

impl Topic {
    fn read(&self, after: Seq, taken: &mut Taken) -> Option<Seq> {
        let is_cut = self.recent_after(after).any(|event| !taken.take(event));
        taken.stopped_at(is_cut)
    }
}

fn read_merged(topics: &[&Topic], after: Seq, taken: &mut Taken) -> Option<Seq> {
    let sources = topics.iter().map(|topic| topic.recent_after(after));
    let mut sources: Vec<_> = sources.collect();
    let mut heap = BinaryHeap::with_capacity(sources.len());
    let mut heads: Vec<Option<&Arc<Event>>> = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter_mut().enumerate() {
        let head = source.next();
        heap.extend(head.map(|event| Reverse((event.seq, index))));
        heads.push(head);
    }
    while let Some(Reverse((_, index))) = heap.pop() {
        let Some(event) = heads[index] else { continue };
        if !taken.take(event) {
            return taken.stopped_at(true);
        }
        heads[index] = sources[index].next();
        heap.extend(heads[index].map(|event| Reverse((event.seq, index))));
    }
    None
}

/// How many events one turn may look at: each is compared to each pattern.
pub(crate) fn looks_of_a_turn(selection: &Selection) -> usize {
    (SCAN_EVENTS_MAX / selection.patterns.len().max(1)).max(SCAN_EVENTS_MIN)
}
