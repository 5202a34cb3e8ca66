//! Finding where a subscription starts, and whether what it asks for is all there.

use std::sync::Arc;

use super::Window;
use crate::event::{Event, Timestamp};
use crate::log::Located;
use crate::position::{Epoch, EventId, Seq};
use crate::subscription::{Gap, GapReason, Resume, Selection, Start};

impl Window {
    /// Finds where a subscription starts.
    #[must_use]
    pub fn locate(
        &self,
        selection: &Selection,
        start: &Start,
        epoch: Epoch,
        now: Timestamp,
    ) -> Located {
        let (after, gap) = match start {
            Start::Tail => (self.last, None),
            Start::All | Start::Resume(Resume::Earliest) => (self.before_oldest(selection), None),
            Start::Last(0) => (self.last, None),
            Start::Last(count) => (self.before_last(selection, *count), None),
            Start::Since(span) => (self.before_time(selection, now.before(*span)), None),
            Start::Resume(resume) => self.resume(selection, resume, epoch),
        };
        Located {
            after,
            gap,
            trims_seen: self.drops.count(),
            is_over: self.is_over(selection) && self.is_read(selection, after),
        }
    }

    fn resume(&self, selection: &Selection, resume: &Resume, epoch: Epoch) -> (Seq, Option<Gap>) {
        let (reason, asked) = match resume {
            Resume::After(id) if id.epoch != epoch => (GapReason::Epoch, id.to_string()),
            Resume::After(id) if id.seq > self.last => (GapReason::Future, id.to_string()),
            Resume::After(id) if self.is_trimmed(selection, id.seq, 0) => {
                (GapReason::Trimmed, id.to_string())
            }
            Resume::After(id) => return (id.seq, None),
            Resume::Earliest => return (self.before_oldest(selection), None),
            Resume::Unknown(text) => (GapReason::Unknown, text.clone()),
            Resume::Malformed(text) => (GapReason::Malformed, text.clone()),
        };
        let oldest = self.before_oldest(selection);
        // What the client has seen already is not sent again: only after a trim is its position
        // one of ours.
        let after = match resume {
            Resume::After(id) if reason == GapReason::Trimmed => oldest.max(id.seq),
            _ => oldest,
        };
        (
            after,
            Some(self.gap(selection, reason, asked, after, epoch)),
        )
    }

    /// The gap of a cursor that goes on after the given place.
    fn gap(
        &self,
        selection: &Selection,
        reason: GapReason,
        asked: String,
        after: Seq,
        epoch: Epoch,
    ) -> Gap {
        let oldest = self.oldest(selection).unwrap_or(self.last);
        Gap {
            reason,
            asked,
            oldest: EventId { epoch, seq: oldest },
            resumes_after: EventId { epoch, seq: after },
        }
    }

    /// The oldest event of the selection.
    pub(super) fn oldest(&self, selection: &Selection) -> Option<Seq> {
        if let Some(topics) = self.few_topics(selection) {
            let heads = topics.iter().filter_map(|topic| topic.events.front());
            return heads.map(|event| event.seq).min();
        }
        // So many topics match that one of them is met soon.
        let mut events = self.order.values();
        events
            .find(|event| selection.matches(&event.topic))
            .map(|event| event.seq)
    }

    fn before_oldest(&self, selection: &Selection) -> Seq {
        self.oldest(selection).map_or(self.last, Seq::previous)
    }

    /// The place before the last `count` events of the selection.
    fn before_last(&self, selection: &Selection, count: u64) -> Seq {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let start = if let Some(topics) = self.few_topics(selection) {
            let tails = topics
                .iter()
                .flat_map(|topic| topic.events.iter().rev().take(count));
            let mut seqs: Vec<Seq> = tails.map(|event| event.seq).collect();
            seqs.sort_unstable();
            seqs.iter().rev().take(count).next_back().copied()
        } else {
            let newest = self.newest_first(selection);
            newest.take(count).last().map(|event| event.seq)
        };
        start.map_or(self.last, Seq::previous)
    }

    /// The place before the first event that is no older than `since`. Times are looked at from the
    /// tail backwards, so that a step of the clock costs events, never order.
    fn before_time(&self, selection: &Selection, since: Timestamp) -> Seq {
        let is_young = |event: &&Arc<Event>| event.time >= since;
        let start = if let Some(topics) = self.few_topics(selection) {
            let starts = topics.iter().filter_map(|topic| {
                let young = topic.events.iter().rev().take_while(is_young);
                young.last().map(|event| event.seq)
            });
            starts.min()
        } else {
            let newest = self.newest_first(selection);
            newest.take_while(is_young).last().map(|event| event.seq)
        };
        start.map_or(self.last, Seq::previous)
    }

    fn newest_first<'a>(
        &'a self,
        selection: &'a Selection,
    ) -> impl Iterator<Item = &'a Arc<Event>> {
        let events = self.order.values().rev();
        events.filter(|event| selection.matches(&event.topic))
    }

    /// Whether nothing of the selection lies after the place.
    fn is_read(&self, selection: &Selection, after: Seq) -> bool {
        selection.topics.iter().all(|name| {
            let newest = self.topics.get(name).and_then(|topic| topic.events.back());
            newest.is_none_or(|event| event.seq <= after)
        })
    }
}
