//! Events in memory: in order, with an index by topic, and with the floors that retention left.
//!
//! Invariants:
//! - `order` and the topics hold the same events;
//! - `bytes` is the sum of what the events cost;
//! - a floor never falls, and every event that was dropped lies at or below the floor of its topic.

mod locate;
mod read;
mod retain;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use self::retain::Alarms;
use crate::drops::{Drops, Floor};
use crate::event::{Event, Kind, Timestamp};
use crate::limits::CLOCK_DISORDER_MAX;
use crate::log::TopicStatus;
use crate::position::Seq;
use crate::retention::{Retention, RetentionRules};
use crate::topic::TopicName;

/// Events in memory, bounded by retention.
#[derive(Debug)]
pub struct Window {
    rules: RetentionRules,
    /// Every event, by its place.
    order: BTreeMap<Seq, Arc<Event>>,
    /// The same events, by topic.
    topics: HashMap<TopicName, Topic>,
    /// The names of `topics`, sorted, so that a pattern finds its topics by their common prefix.
    names: BTreeSet<TopicName>,
    /// The newest event ever pushed.
    last: Seq,
    /// The time of that event.
    last_time: Timestamp,
    /// The last event that was older than the one before it: the clock had been set back.
    clock_set_back: Seq,
    /// Ended topics that have no event left, by the place of their end.
    retired: BTreeMap<Seq, TopicName>,
    /// What all events cost.
    bytes: u64,
    /// What was dropped so far. Cursors compare the count to learn whether to look closer.
    drops: Drops,
    /// When topics with a bound of age are looked at.
    alarms: Alarms,
    /// The newest event that was ever dropped. No cursor beyond it can have lost anything.
    trimmed_max: Seq,
    /// Stands for all topics that are gone entirely: a reader that is farther behind than drops are
    /// remembered may be told of a gap that is none, never the reverse.
    forgotten: Floor,
}

/// The events of one topic.
#[derive(Debug)]
struct Topic {
    events: VecDeque<Arc<Event>>,
    bytes: u64,
    retention: Retention,
    floor: Floor,
    /// The mark of its end, which outlives the event that carried it.
    ended: Option<Seq>,
    /// Its place among the window's alarms: not later than the oldest event comes of age.
    alarm: Option<Timestamp>,
}

impl Window {
    /// An empty window.
    #[must_use]
    pub fn new(rules: RetentionRules) -> Self {
        Self {
            rules,
            order: BTreeMap::new(),
            topics: HashMap::new(),
            names: BTreeSet::new(),
            last: Seq::ZERO,
            last_time: Timestamp::default(),
            clock_set_back: Seq::ZERO,
            retired: BTreeMap::new(),
            bytes: 0,
            drops: Drops::default(),
            alarms: Alarms::default(),
            trimmed_max: Seq::ZERO,
            forgotten: Floor::default(),
        }
    }

    /// The newest event ever pushed.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.last
    }

    /// When an event counts as accepted that was handed in at `time`. Publishers look at the clock
    /// before they stand in line, so that their times are in disorder by a little; only a clock
    /// that was set back makes an event older than the one before it.
    #[must_use]
    pub fn accepted(&self, time: Timestamp) -> Timestamp {
        if self.last_time.before(CLOCK_DISORDER_MAX) <= time {
            time.max(self.last_time)
        } else {
            time
        }
    }

    /// How many topics there are.
    #[must_use]
    pub fn topics_len(&self) -> usize {
        self.topics.len()
    }

    /// Whether the topic has events, or had some and was ended.
    #[must_use]
    pub fn has_topic(&self, name: &TopicName) -> bool {
        self.topics.contains_key(name)
    }

    /// Whether the topic was ended.
    #[must_use]
    pub fn is_ended(&self, name: &TopicName) -> bool {
        self.topics
            .get(name)
            .is_some_and(|topic| topic.ended.is_some())
    }

    /// Takes in the next event and applies retention to it.
    ///
    /// # Panics
    /// When the event is not the next one: seqs are dense.
    pub fn push(&mut self, event: Arc<Event>) {
        assert_eq!(event.seq, self.last.next(), "seqs are dense");
        self.last = event.seq;
        if event.time < self.last_time {
            self.clock_set_back = event.seq;
        }
        self.last_time = event.time;
        self.bytes += event.cost_bytes();
        let (name, now) = (event.topic.clone(), event.time);
        let mut is_bounded = true;
        if let Some(topic) = self.open_topic(&name) {
            topic.bytes += event.cost_bytes();
            if event.kind == Kind::End {
                topic.ended = Some(event.seq);
            }
            topic.events.push_back(Arc::clone(&event));
            is_bounded = topic.retention != Retention::UNBOUNDED;
        }
        self.order.insert(event.seq, event);
        if is_bounded {
            self.set_alarm(&name);
            self.trim_topic(&name, now);
        }
        self.trim_hub(now);
    }

    /// What is known of a topic.
    #[must_use]
    pub fn topic(&self, name: &TopicName) -> Option<TopicStatus> {
        let topic = self.topics.get(name)?;
        Some(TopicStatus {
            topic: name.clone(),
            oldest: topic.events.front().map(|event| event.seq),
            newest: topic.events.back().map(|event| event.seq),
            events: topic.events.len() as u64,
            bytes: topic.bytes,
            is_ended: topic.ended.is_some(),
        })
    }

    /// Topics in the order of their names, after the given one.
    #[must_use]
    pub fn topics(&self, after: Option<&TopicName>, limit: usize) -> Vec<TopicStatus> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(Unbounded, Excluded);
        self.names
            .range::<TopicName, _>((start, Unbounded))
            .take(limit)
            .filter_map(|name| self.topic(name))
            .collect()
    }

    /// The topic, which begins to exist now if it did not.
    fn open_topic(&mut self, name: &TopicName) -> Option<&mut Topic> {
        if !self.topics.contains_key(name) {
            self.names.insert(name.clone());
            let topic = Topic {
                events: VecDeque::new(),
                bytes: 0,
                retention: self.rules.of(name),
                // A topic of this name may have been forgotten, and with it what a reader misses.
                floor: self.forgotten,
                ended: None,
                alarm: None,
            };
            self.topics.insert(name.clone(), topic);
        }
        self.topics.get_mut(name)
    }
}
