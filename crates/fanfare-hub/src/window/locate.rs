//! Finding where a subscription starts, and whether what it asks for is all there.

use std::collections::BinaryHeap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use super::{Topic, Window};
use crate::event::{Event, Timestamp};
use crate::log::Located;
use crate::position::{Epoch, EventId, Seq};
use crate::reading::looks_of_a_turn;
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
        self.oldest_after(selection, Seq::ZERO)
    }

    fn oldest_after(&self, selection: &Selection, after: Seq) -> Option<Seq> {
        let first = |topics: &[&Topic]| {
            let heads = topics.iter().filter_map(|topic| topic.after(after).next());
            heads.map(|event| event.seq).min()
        };
        if let Some(topics) = self.few_topics(selection) {
            return first(&topics);
        }
        // Where many topics match, one of them is mostly met soon.
        let nearest = self.order.range((Excluded(after), Unbounded));
        let mut found = nearest
            .take(looks_of_a_turn(selection))
            .filter(|(_, event)| selection.matches(&event.topic));
        match found.next() {
            Some((&seq, _)) => Some(seq),
            None => first(&self.all_topics(selection)),
        }
    }

    fn before_oldest(&self, selection: &Selection) -> Seq {
        self.oldest(selection).map_or(self.last, Seq::previous)
    }

    /// The place before the last `count` events of the selection.
    fn before_last(&self, selection: &Selection, count: u64) -> Seq {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let start = if let Some(topics) = self.few_topics(selection) {
            nth_newest(&topics, count)
        } else {
            let newest = self.order.values().rev().take(looks_of_a_turn(selection));
            let mut found = newest.filter(|event| selection.matches(&event.topic));
            match found.nth(count - 1) {
                Some(event) => Some(event.seq),
                None => nth_newest(&self.all_topics(selection), count),
            }
        };
        start.map_or(self.last, Seq::previous)
    }

    /// The place before the first event after which none is older than `since`. A step of the clock
    /// costs events, never order.
    fn before_time(&self, selection: &Selection, since: Timestamp) -> Seq {
        let first = self.oldest_after(selection, self.last_before(since));
        first.map_or(self.last, Seq::previous)
    }

    /// The last event of the hub that is older than `since`.
    fn last_before(&self, since: Timestamp) -> Seq {
        let is_old = |event: &Arc<Event>| event.time < since;
        // Since the clock was last set back, times rise with the seqs.
        let mut rising = self.order.range(self.clock_set_back..);
        let (mut old, mut young) = match rising.next() {
            Some((&first, event)) if is_old(event) => (first, self.last.next()),
            _ => {
                let mut earlier = self.order.range(..self.clock_set_back).rev();
                let found = earlier.find(|(_, event)| is_old(event));
                return found.map_or(Seq::ZERO, |(&seq, _)| seq);
            }
        };
        // `old` is the seq of an old event, and from `young` on there is none.
        while old.next() < young {
            let middle = Seq(old.0 + (young.0 - old.0) / 2);
            match self.order.range(middle..young).next() {
                Some((&seq, event)) if is_old(event) => old = seq,
                _ => young = middle,
            }
        }
        old
    }

    /// Whether nothing of the selection lies after the place.
    fn is_read(&self, selection: &Selection, after: Seq) -> bool {
        selection.topics.iter().all(|name| {
            let newest = self.topics.get(name).and_then(|topic| topic.events.back());
            newest.is_none_or(|event| event.seq <= after)
        })
    }
}

/// The event that has `count - 1` younger ones in these topics, or else the oldest of them.
fn nth_newest(topics: &[&Topic], count: usize) -> Option<Seq> {
    let mut newest: BinaryHeap<(Seq, usize, usize)> = BinaryHeap::with_capacity(topics.len());
    let entry = |topic: usize, length: usize| {
        let index = length.checked_sub(1)?;
        Some((topics[topic].events[index].seq, topic, index))
    };
    newest.extend((0..topics.len()).filter_map(|topic| entry(topic, topics[topic].events.len())));
    let mut nth = None;
    for _ in 0..count {
        let Some((seq, topic, index)) = newest.pop() else {
            break;
        };
        nth = Some(seq);
        newest.extend(entry(topic, index));
    }
    nth
}
