//! What readers may see: the visible events of the log, their topics and what is missing. The
//! writer changes it once per group of batches, when they are durable; readers look at it.
//!
//! Invariants:
//! - everything in it is durable to the stated level;
//! - every event younger than the tail's first lies in memory, unless it was dropped;
//! - a topic's events younger than its `evicted` lie in memory;
//! - a floor never falls, and every event that was dropped lies at or below the floor of its topic.

mod read;
mod tail;
mod trim;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fanfare_hub::drops::{Drops, Floor};
use fanfare_hub::event::Kind;
use fanfare_hub::limits::CLOCK_DISORDER_MAX;
use fanfare_hub::{Event, RetentionRules, Selection, Seq, Timestamp, TopicName};

use self::tail::Tail;
pub(crate) use self::trim::{Candidate, cost_bytes};
use crate::segment::Segment;
use crate::topics::{Topic, Topics};

/// The visible state of the log.
pub(crate) struct View {
    rules: RetentionRules,
    pub(crate) topics: Topics,
    tail: Tail,
    /// All segments, oldest first; the last one is being written.
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    /// Events kept in each segment, by its first seq.
    live: BTreeMap<Seq, u64>,
    /// The newest visible event.
    pub(crate) last: Seq,
    /// The time of that event.
    last_time: Timestamp,
    /// Events kept.
    pub(crate) events: u64,
    /// What they count against retention by bytes.
    pub(crate) bytes: u64,
    /// What was dropped so far.
    pub(crate) drops: Drops,
    /// The newest event that was ever dropped. No cursor beyond it can have lost anything.
    trimmed_max: Seq,
    /// Every event up to here was dropped.
    pub(crate) floor: Seq,
    /// When topics with a bound of age are looked at.
    alarms: BTreeSet<(Timestamp, u32)>,
    /// Where events were lost to damage, oldest first.
    pub(crate) holes: Arc<Vec<Hole>>,
}

/// Seqs whose events were lost to damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    /// The first one lost.
    pub(crate) from: Seq,
    /// The last one lost.
    pub(crate) through: Seq,
}

impl View {
    /// A view of nothing.
    pub(crate) fn new(rules: RetentionRules, tail_bytes_max: u64) -> Self {
        Self {
            rules,
            topics: Topics::default(),
            tail: Tail::new(Seq::ZERO.next(), tail_bytes_max),
            segments: Arc::default(),
            live: BTreeMap::new(),
            last: Seq::ZERO,
            last_time: Timestamp::default(),
            events: 0,
            bytes: 0,
            drops: Drops::default(),
            trimmed_max: Seq::ZERO,
            floor: Seq::ZERO,
            alarms: BTreeSet::new(),
            holes: Arc::default(),
        }
    }

    /// When an event counts as accepted that was handed in at `time`: publishers look at the clock
    /// before they stand in line, so that their times are in disorder by a little; only a clock
    /// that was set back makes an event older than the one before it.
    pub(crate) fn accepted(last_time: Timestamp, time: Timestamp) -> Timestamp {
        if last_time.before(CLOCK_DISORDER_MAX) <= time {
            time.max(last_time)
        } else {
            time
        }
    }

    /// The time of the newest event.
    pub(crate) fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// Whether the topic was ended.
    pub(crate) fn is_ended(&self, name: &TopicName) -> bool {
        let topic = self.topics.by_name(name);
        topic.is_some_and(|topic| topic.ended.is_some())
    }

    /// Takes in the next event of the topic with that number.
    ///
    /// # Panics
    /// When the event is not the next one: seqs are dense.
    pub(crate) fn push(&mut self, id: u32, event: Arc<Event>) -> Option<&Topic> {
        assert_eq!(event.seq, self.last.next(), "seqs are dense");
        self.last = event.seq;
        self.last_time = event.time;
        let cost = event.cost_bytes();
        self.events += 1;
        self.bytes += cost;
        if let Some(mut live) = self.live.last_entry() {
            *live.get_mut() += 1;
        }
        if let Some(topic) = self.open_topic(id, &event.topic) {
            topic.events += 1;
            topic.bytes += cost;
            topic.newest = event.seq;
            if event.kind == Kind::End {
                topic.ended = Some(event.seq);
            }
            topic.recent.push_back(Arc::clone(&event));
        }
        self.tail.push(id, event);
        while let Some((topic, evicted)) = self.tail.evict() {
            self.forget_recent(topic, &evicted);
        }
        self.topics.by_id(id)
    }

    /// The topic of that number, which begins to exist now if it did not.
    pub(crate) fn open_topic(&mut self, id: u32, name: &TopicName) -> Option<&mut Topic> {
        let (rules, holes) = (&self.rules, &self.holes);
        self.topics.open(id, name, || {
            // What was lost in a hole may have been of this topic.
            let evicted = holes.last().map_or(Seq::ZERO, |hole| hole.through);
            (rules.of(name), evicted)
        })
    }

    /// The event left memory.
    fn forget_recent(&mut self, id: u32, event: &Event) {
        let Some(topic) = self.topics.by_id_mut(id) else {
            return;
        };
        topic.evicted = event.seq;
        let front = topic.recent.pop_front();
        debug_assert!(front.is_some_and(|front| front.seq == event.seq));
        if topic.recent.capacity() > 64 && topic.recent.len() < topic.recent.capacity() / 4 {
            topic.recent.shrink_to(topic.recent.capacity() / 2);
        }
    }

    /// Counts events that were found on disk in the segment added last.
    pub(crate) fn count_restored(&mut self, events: u64, bytes: u64) {
        self.events += events;
        self.bytes += bytes;
        if let Some(mut live) = self.live.last_entry() {
            *live.get_mut() += events;
        }
    }

    /// Completes a view whose topics and segments were found on disk: where it begins, its newest
    /// event with its time, and what was lost.
    pub(crate) fn restored(&mut self, floor: Seq, last: (Seq, Timestamp), holes: Vec<Hole>) {
        self.floor = floor;
        (self.last, self.last_time) = last;
        self.tail = Tail::new(self.last.next(), self.tail.bytes_max());
        let lost = holes.last().map_or(Seq::ZERO, |hole| hole.through);
        self.holes = Arc::new(holes);
        self.trimmed_max = self.topics.forgotten.through.max(floor);
        let ids: Vec<u32> = self.topics.iter().map(|topic| topic.id).collect();
        for id in ids {
            if let Some(topic) = self.topics.by_id_mut(id) {
                topic.evicted = topic.evicted.max(lost);
                self.trimmed_max = self.trimmed_max.max(topic.floor.through);
            }
            self.close_if_empty(id);
        }
        if self.trimmed_max > Seq::ZERO {
            // What was dropped before is known by the floors alone.
            self.drops = Drops::after(1);
        }
    }

    /// Adds a segment, which from now on is the one that is written to.
    pub(crate) fn add_segment(&mut self, segment: Arc<Segment>) {
        self.live.entry(segment.base).or_default();
        Arc::make_mut(&mut self.segments).push(segment);
    }

    /// The place of the youngest event that may lie on disk alone.
    pub(crate) fn on_disk_through(&self) -> Seq {
        self.tail.first().previous()
    }

    /// Whether all topics of the selection were ended, so that nothing can ever follow.
    pub(crate) fn is_over(&self, selection: &Selection) -> bool {
        selection.patterns.is_empty() && selection.topics.iter().all(|name| self.is_ended(name))
    }

    /// Whether something of the selection after `after` was dropped later than the given count.
    pub(crate) fn is_trimmed(&self, selection: &Selection, after: Seq, trims_seen: u64) -> bool {
        if self.drops.count() == trims_seen || self.trimmed_max <= after {
            return false;
        }
        let is_above = |floor: Floor| floor.is_above(after, trims_seen);
        let is_named_lost = selection.topics.iter().any(|name| {
            let topic = self.topics.by_name(name);
            is_above(topic.map_or(self.topics.forgotten, |topic| topic.floor))
        });
        if selection.patterns.is_empty() && !is_named_lost {
            return false;
        }
        if let Some(is_lost) = self.drops.has_lost(selection, after, trims_seen) {
            return is_lost;
        }
        let mut patterns = selection.patterns.iter();
        is_named_lost
            || (!selection.patterns.is_empty() && is_above(self.topics.forgotten))
            || patterns.any(|pattern| {
                let mut topics = self.topics.of(pattern);
                topics.any(|topic| is_above(topic.floor))
            })
    }
}
