//! Dropping events from the view: who is next, and what that changes. Which events come next on
//! disk is for the caller to find out.

use std::sync::Arc;
use std::time::Duration;

use fanfare_hub::drops::Floor;
use fanfare_hub::{Event, Seq, Timestamp, TopicName};

use super::View;
use crate::segment::Segment;

/// An event that may have to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) seq: Seq,
    /// The number of its topic.
    pub(crate) topic: u32,
    /// Bytes of its frame.
    pub(crate) len: u32,
    pub(crate) time: Timestamp,
}

/// What an event counts against retention by bytes.
pub(crate) fn cost_bytes(frame_len: u32) -> u64 {
    u64::from(frame_len) + Event::OVERHEAD_BYTES
}

impl View {
    /// Whether the hub keeps more than it may, given its oldest event.
    pub(crate) fn exceeds(&self, oldest: Timestamp, now: Timestamp) -> bool {
        self.events > 0 && self.rules.hub.exceeds(self.events, self.bytes, oldest, now)
    }

    /// Drops the oldest event of the hub, unless it was dropped before with its topic.
    pub(crate) fn drop_oldest(&mut self, oldest: Candidate) {
        self.floor = self.floor.max(oldest.seq);
        self.drop_event(oldest);
    }

    /// Drops the oldest event of its topic, unless it was dropped before.
    pub(crate) fn drop_event(&mut self, event: Candidate) {
        let Some(topic) = self.topics.by_id_mut(event.topic) else {
            return;
        };
        if event.seq <= topic.floor.through || topic.events == 0 {
            return;
        }
        let cost = cost_bytes(event.len);
        topic.events -= 1;
        topic.bytes -= cost;
        self.events -= 1;
        self.bytes -= cost;
        self.drops.push(event.seq, topic.name.clone(), self.last);
        topic.floor.raise(Floor {
            through: event.seq,
            at: self.drops.count(),
        });
        while let Some(front) = topic.recent.front().filter(|front| front.seq <= event.seq) {
            self.tail.forget(front.seq);
            topic.recent.pop_front();
        }
        self.trimmed_max = self.trimmed_max.max(event.seq);
        if let Some((_, live)) = self.live.range_mut(..=event.seq).next_back() {
            *live -= 1;
        }
        self.close_if_empty(event.topic);
    }

    /// Drops all events of a topic and its end. `in_segments` are the events that each segment
    /// holds of it. Answers how many events were dropped.
    pub(crate) fn forget(&mut self, id: u32, in_segments: &[(Seq, u64)]) -> u64 {
        let Some(topic) = self.topics.by_id_mut(id) else {
            return 0;
        };
        let (dropped, bytes) = (topic.events, topic.bytes);
        for event in topic.recent.drain(..) {
            self.tail.forget(event.seq);
        }
        if let Some(end) = topic.ended.take() {
            self.topics.retired.remove(&end);
        }
        let Some(topic) = self.topics.by_id_mut(id) else {
            return 0;
        };
        topic.events = 0;
        topic.bytes = 0;
        if dropped > 0 {
            self.drops.push(topic.newest, topic.name.clone(), self.last);
            topic.floor.raise(Floor {
                through: topic.newest,
                at: self.drops.count(),
            });
            self.trimmed_max = self.trimmed_max.max(topic.newest);
        }
        self.events -= dropped;
        self.bytes -= bytes;
        for (base, events) in in_segments {
            if let Some(live) = self.live.get_mut(base) {
                *live = live.saturating_sub(*events);
            }
        }
        self.close_if_empty(id);
        dropped
    }

    /// A topic without an event ceases to exist, unless it was ended.
    pub(crate) fn close_if_empty(&mut self, id: u32) {
        let Some(topic) = self.topics.by_id(id) else {
            return;
        };
        if topic.events > 0 {
            return;
        }
        if let Some(end) = topic.ended {
            self.topics.retired.insert(end, id);
            return;
        }
        if let Some(topic) = self.topics.close(id)
            && let Some(alarm) = topic.alarm
        {
            self.alarms.remove(&(alarm, id));
        }
    }

    /// The topic that ended longest ago, of those that have no event left.
    pub(crate) fn oldest_retired(&self) -> Option<&TopicName> {
        let (_, id) = self.topics.retired.first_key_value()?;
        Some(&self.topics.by_id(*id)?.name)
    }

    /// Sets the alarm of a topic to the time of its oldest event, unless it rings before anyway.
    pub(crate) fn set_alarm(&mut self, id: u32, oldest: Timestamp) {
        let Some(topic) = self.topics.by_id_mut(id) else {
            return;
        };
        if topic.retention.age_max == Duration::MAX {
            return;
        }
        let due = oldest.after(topic.retention.age_max);
        if topic.alarm.is_none_or(|alarm| due < alarm) {
            if let Some(alarm) = topic.alarm.replace(due) {
                self.alarms.remove(&(alarm, id));
            }
            self.alarms.insert((due, id));
        }
    }

    /// The next topic whose oldest event is older than it may be, if its alarm tells the truth.
    pub(crate) fn ring(&mut self, now: Timestamp) -> Option<u32> {
        let (due, id) = *self.alarms.first()?;
        if due >= now {
            return None;
        }
        self.alarms.pop_first();
        if let Some(topic) = self.topics.by_id_mut(id) {
            topic.alarm = None;
        }
        Some(id)
    }

    /// How many of the oldest segments hold nothing that is kept.
    pub(crate) fn dead_segments(&self) -> usize {
        let sealed = self.segments.len().saturating_sub(1);
        let segments = self.segments.iter().take(sealed);
        let dead = segments.take_while(|segment| self.live.get(&segment.base) == Some(&0));
        dead.count()
    }

    /// How many events of the segment with that first seq are kept.
    pub(crate) fn live_of(&self, base: Seq) -> u64 {
        self.live.get(&base).copied().unwrap_or_default()
    }

    /// Puts one segment in the place of several neighbours, whose seqs it stands for.
    pub(crate) fn replace_segments(&mut self, run: &[Arc<Segment>], compacted: Arc<Segment>) {
        let live = run
            .iter()
            .filter_map(|segment| self.live.remove(&segment.base));
        let live: u64 = live.sum();
        self.live.insert(compacted.base, live);
        let segments = Arc::make_mut(&mut self.segments);
        let place = segments.partition_point(|segment| segment.base < compacted.base);
        segments.splice(place..place + run.len(), [compacted]);
    }

    /// Takes the oldest segments out, which hold nothing that is kept.
    pub(crate) fn remove_segments(&mut self, count: usize) -> Vec<Arc<Segment>> {
        let removed: Vec<_> = Arc::make_mut(&mut self.segments).drain(..count).collect();
        for segment in &removed {
            self.live.remove(&segment.base);
        }
        let Some(first) = self.segments.first() else {
            return removed;
        };
        let gone = first.base.previous();
        self.floor = self.floor.max(gone);
        self.topics.release(gone);
        self.bury_holes(gone);
        removed
    }

    /// What was lost in a hole is told by the floors once the segments around it are gone: any
    /// topic may have lost something there.
    fn bury_holes(&mut self, gone: Seq) {
        let buried = self.holes.iter().filter(|hole| hole.through <= gone);
        let Some(through) = buried.map(|hole| hole.through).max() else {
            return;
        };
        self.drops.push_unknown(through, self.last);
        let lost = Floor {
            through,
            at: self.drops.count(),
        };
        self.topics.forgotten.raise(lost);
        self.topics.raise_floors(lost);
        self.trimmed_max = self.trimmed_max.max(through);
        Arc::make_mut(&mut self.holes).retain(|hole| hole.through > gone);
    }
}
