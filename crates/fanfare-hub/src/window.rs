//! Events in memory: in order, with an index by topic, and with the floors that retention left.
//!
//! Invariants:
//! - `order` and the topics hold the same events;
//! - `bytes` is the sum of what the events cost;
//! - a floor never falls, and every event that was dropped lies at or below the floor of its topic.

mod locate;
mod read;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Event, Kind, Timestamp};
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
    /// What all events cost.
    bytes: u64,
    /// How many events were dropped so far. Cursors compare it to learn whether to look closer.
    trims: u64,
    /// The newest event that was ever dropped. No cursor beyond it can have lost anything.
    trimmed_max: Seq,
    /// Stands for all topics that are gone entirely: a reader may be told of a gap that is none,
    /// never the reverse.
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
}

/// Below here something is missing.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    /// The newest event that was dropped.
    through: Seq,
    /// The count of trims when that happened.
    at: u64,
}

impl Floor {
    /// Each part by itself: of two topics, the one that was dropped later may have the older
    /// events.
    fn raise(&mut self, other: Self) {
        self.through = self.through.max(other.through);
        self.at = self.at.max(other.at);
    }

    /// Whether something after `after` was dropped later than the given count of trims.
    fn is_above(self, after: Seq, trims_seen: u64) -> bool {
        self.through > after && self.at > trims_seen
    }
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
            bytes: 0,
            trims: 0,
            trimmed_max: Seq::ZERO,
            forgotten: Floor::default(),
        }
    }

    /// The newest event ever pushed.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.last
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
        self.bytes += event.cost_bytes();
        if !self.topics.contains_key(&event.topic) {
            self.open_topic(event.topic.clone());
        }
        if let Some(topic) = self.topics.get_mut(&event.topic) {
            topic.bytes += event.cost_bytes();
            if event.kind == Kind::End {
                topic.ended = Some(event.seq);
            }
            topic.events.push_back(Arc::clone(&event));
        }
        let (name, now) = (event.topic.clone(), event.time);
        self.order.insert(event.seq, event);
        self.trim_topic(&name, now);
        self.trim_hub(now);
    }

    /// Applies retention by age.
    pub fn trim(&mut self, now: Timestamp) {
        self.trim_hub(now);
        let is_aged = |retention: &Retention| retention.age_max != Duration::MAX;
        if is_aged(&self.rules.topic) || self.rules.topics.iter().any(|(_, rule)| is_aged(rule)) {
            let names: Vec<_> = self.names.iter().cloned().collect();
            for name in names {
                self.trim_topic(&name, now);
            }
        }
    }

    /// Drops a topic, its events and its end. Answers how many events were dropped.
    pub fn forget(&mut self, name: &TopicName) -> u64 {
        let mut dropped = 0;
        if let Some(topic) = self.topics.get_mut(name) {
            topic.ended = None;
        }
        while self.drop_oldest_of(name) {
            dropped += 1;
        }
        self.close_topic_if_empty(name);
        dropped
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

    fn open_topic(&mut self, name: TopicName) {
        self.names.insert(name.clone());
        let topic = Topic {
            events: VecDeque::new(),
            bytes: 0,
            retention: self.rules.of(&name),
            // A topic of this name may have been forgotten, and with it what a reader still misses.
            floor: self.forgotten,
            ended: None,
        };
        self.topics.insert(name, topic);
    }

    fn close_topic_if_empty(&mut self, name: &TopicName) {
        let Some(topic) = self.topics.get(name) else {
            return;
        };
        if topic.events.is_empty() && topic.ended.is_none() {
            self.forgotten.raise(topic.floor);
            self.topics.remove(name);
            self.names.remove(name);
        }
    }

    fn trim_topic(&mut self, name: &TopicName, now: Timestamp) {
        while let Some(topic) = self.topics.get(name) {
            let count = topic.events.len() as u64;
            let oldest = topic.events.front();
            if !exceeds(&topic.retention, count, topic.bytes, oldest, now) {
                break;
            }
            self.drop_oldest_of(name);
        }
        self.close_topic_if_empty(name);
    }

    fn trim_hub(&mut self, now: Timestamp) {
        while let Some((_, oldest)) = self.order.first_key_value() {
            let count = self.order.len() as u64;
            if !exceeds(&self.rules.hub, count, self.bytes, Some(oldest), now) {
                break;
            }
            // The oldest of the hub is the oldest of its topic, whose events are in order too.
            let name = oldest.topic.clone();
            self.drop_oldest_of(&name);
            self.close_topic_if_empty(&name);
        }
    }

    /// Drops the oldest event of a topic; `false` when there is none.
    fn drop_oldest_of(&mut self, name: &TopicName) -> bool {
        let Some(topic) = self.topics.get_mut(name) else {
            return false;
        };
        let Some(event) = topic.events.pop_front() else {
            return false;
        };
        self.trims += 1;
        topic.bytes -= event.cost_bytes();
        topic.floor.raise(Floor {
            through: event.seq,
            at: self.trims,
        });
        self.bytes -= event.cost_bytes();
        self.trimmed_max = self.trimmed_max.max(event.seq);
        let removed = self.order.remove(&event.seq);
        debug_assert!(
            removed.is_some(),
            "order and the topics hold the same events"
        );
        true
    }
}

/// Whether the oldest event has to go. Bytes never cost the last event: one that is larger than the
/// bound would otherwise be acknowledged and never seen.
fn exceeds(
    retention: &Retention,
    count: u64,
    bytes: u64,
    oldest: Option<&Arc<Event>>,
    now: Timestamp,
) -> bool {
    let Some(oldest) = oldest else {
        return false;
    };
    oldest.time < now.before(retention.age_max)
        || count > retention.events_max.max(1)
        || (bytes > retention.bytes_max && count > 1)
}
