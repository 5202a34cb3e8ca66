//! Retention: drops what is beyond the rules, after publishers have their answers. What comes next
//! is found on disk, in small steps, and no lock is held meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use fanfare_hub::{Retention, Seq, Timestamp, TopicName};

use super::show::Shower;
use crate::keeper::Chore;
use crate::options::TRIM_EVENTS_MAX;
use crate::segment::Segment;
use crate::view::{Candidate, View};

/// The oldest events of the hub, as far as they were looked at.
#[derive(Default)]
pub(super) struct Walk {
    next: VecDeque<Candidate>,
}

impl Shower {
    /// Applies retention to what became visible, and by age.
    pub(super) fn retain(&mut self) {
        let mut bounded = std::mem::take(&mut self.bounded);
        bounded.sort_unstable();
        bounded.dedup();
        for id in bounded.drain(..) {
            self.trim_topic(id);
        }
        self.bounded = bounded;
        if std::mem::take(&mut self.is_tick) {
            self.trim_aged();
        }
        while self.trim_hub() {}
        if self.shared.view().dead_segments() > 0 {
            self.shared.suggest(Chore::Recycle);
        }
    }

    /// Drops what is too old for the rule of its topic.
    fn trim_aged(&mut self) {
        loop {
            let rung = self.shared.view_mut().ring(self.now);
            let Some(id) = rung else { return };
            self.trim_topic(id);
        }
    }

    /// Drops the oldest events of the hub, so many that readers get in between; `false` once there
    /// is nothing to drop.
    fn trim_hub(&mut self) -> bool {
        if self.walk.next.is_empty() {
            let floor = self.shared.view().floor;
            self.walk.next = self
                .shared
                .shelf()
                .candidates(floor, 4 * TRIM_EVENTS_MAX)
                .into();
        }
        // Nothing is left, or the index that would tell cannot be read: then not in a loop.
        if self.walk.next.is_empty() {
            return false;
        }
        let mut view = self.shared.view_mut();
        for _ in 0..TRIM_EVENTS_MAX {
            let Some(&oldest) = self.walk.next.front() else {
                return true;
            };
            let is_kept = view
                .topics
                .by_id(oldest.topic)
                .is_some_and(|topic| topic.events > 0 && topic.floor.through < oldest.seq);
            if is_kept && !view.exceeds(oldest.time, self.now) {
                return false;
            }
            view.drop_oldest(oldest);
            self.walk.next.pop_front();
        }
        true
    }

    /// Drops what a topic has beyond its own rule.
    fn trim_topic(&mut self, id: u32) {
        loop {
            let (rule, events, bytes, after) = {
                let view = self.shared.view();
                let Some(topic) = view.topics.by_id(id) else {
                    return;
                };
                if topic.events == 0 {
                    return;
                }
                (
                    topic.retention,
                    topic.events,
                    topic.bytes,
                    topic.floor.through,
                )
            };
            let is_aged = rule.age_max != Duration::MAX;
            if !is_aged && !rule.exceeds(events, bytes, Timestamp(u64::MAX), Timestamp(0)) {
                return;
            }
            let Some(oldest) = self.oldest_of(id, after) else {
                return;
            };
            let mut view = self.shared.view_mut();
            if !rule.exceeds(events, bytes, oldest.time, self.now) {
                return view.set_alarm(id, oldest.time);
            }
            view.drop_event(oldest);
        }
    }

    /// The oldest event of a topic; from memory when all of it lies there.
    fn oldest_of(&self, id: u32, after: Seq) -> Option<Candidate> {
        let recent = {
            let view = self.shared.view();
            let topic = view.topics.by_id(id)?;
            let is_all = topic.recent.len() as u64 == topic.events;
            is_all.then(|| topic.recent.front().cloned()).flatten()
        };
        if let Some(event) = recent {
            return Some(Candidate {
                seq: event.seq,
                topic: id,
                len: u32::try_from(event.frame.len()).unwrap_or(u32::MAX),
                time: event.time,
            });
        }
        self.shared.shelf().oldest_of(id, after)
    }

    /// Drops a topic with its end. The view is locked by the caller, which makes other things
    /// visible with it.
    pub(super) fn forget(&self, view: &mut View, segment: &Segment, topic: &TopicName) -> u64 {
        let Some(id) = view.topics.id(topic) else {
            return 0;
        };
        let Some(known) = view.topics.by_id(id) else {
            return 0;
        };
        let shelf = self.shared.shelf_of(view);
        let in_segments = shelf.counts_of(id, known.floor.through);
        segment.index_mut().forget(id, known.newest);
        view.forget(id, &in_segments)
    }
}

/// Whether a topic has a rule of its own.
pub(super) fn is_bounded(retention: &Retention) -> bool {
    *retention != Retention::UNBOUNDED
}
