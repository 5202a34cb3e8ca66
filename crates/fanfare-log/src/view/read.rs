//! Reading from memory: from one topic, by merging several, or forward through all.

use fanfare_hub::log::{Feed, FeedLoss, ReadBudget, ReadRequest, Slice};
use fanfare_hub::reading::{Taken, looks_of_a_turn};
use fanfare_hub::{Selection, Seq};

use super::View;

impl View {
    /// Reads what lies after a cursor; `None` when something of it may lie on disk alone, or when
    /// something was lost, which takes a look at the disk to tell.
    pub(crate) fn read(&self, request: &ReadRequest) -> Option<Slice> {
        let (selection, after) = (&*request.selection, request.after);
        if self.is_trimmed(selection, after, request.trims_seen) {
            return None;
        }
        let mut taken = Taken::new(request.budget);
        let is_near = self.last.0.saturating_sub(after.0) <= looks_of_a_turn(selection) as u64;
        let stopped_at = match selection.single() {
            Some(name) => match self.topics.by_name(name) {
                Some(topic) if topic.evicted > after => return None,
                Some(topic) => taken.take_all(topic.recent_after(after)),
                None => self.is_known(after).then_some(None)?,
            },
            None if is_near && self.is_in_memory(after) => {
                self.read_forward(selection, after, &mut taken)
            }
            None => match self.topics.few(selection) {
                Some(topics) if topics.iter().all(|topic| topic.evicted <= after) => {
                    self.is_known(after).then_some(())?;
                    taken.merge(topics.iter().map(|topic| topic.recent_after(after)))
                }
                _ if self.is_in_memory(after) => self.read_forward(selection, after, &mut taken),
                _ => return None,
            },
        };
        let has_more = stopped_at.is_some();
        Some(Slice {
            events: taken.events.into(),
            after: stopped_at.unwrap_or_else(|| self.last.max(after)),
            trims_seen: self.drops.count(),
            missing: None,
            has_more,
            is_over: !has_more && self.is_over(selection),
        })
    }

    /// Reads on from a place through all topics, as far as memory goes.
    pub(crate) fn feed(&self, after: Seq, trims_seen: u64, budget: ReadBudget) -> Feed {
        let mut feed = Feed {
            events: Vec::new(),
            after: self.last.max(after),
            trims_seen: self.drops.count(),
            lost: FeedLoss::Anything,
            has_more: false,
        };
        if !self.is_in_memory(after) {
            return feed;
        }
        if self.drops.count() == trims_seen || self.trimmed_max <= after {
            feed.lost = FeedLoss::Nothing;
        } else {
            feed.lost = self.drops.lost_since(after, trims_seen);
        }
        let mut taken = Taken::new(budget);
        let events = self.tail.after(after).filter_map(|(_, event)| event);
        if let Some(stopped_at) = taken.take_all(events) {
            (feed.after, feed.has_more) = (stopped_at, true);
        }
        feed.events = taken.events;
        feed
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
