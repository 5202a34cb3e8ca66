//! The rule for dropping history: by age, by count and by bytes, for the hub and for each topic.

use std::time::Duration;

use crate::event::Timestamp;
use crate::pattern::Selector;
use crate::topic::TopicName;

/// How much history is kept. What is beyond any of the three is dropped, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Older events are dropped.
    pub age_max: Duration,
    /// More events are dropped.
    pub events_max: u64,
    /// More bytes are dropped; an event counts its frame and what it costs to hold.
    pub bytes_max: u64,
}

impl Retention {
    /// No bound of its own: for topics that are bounded by the hub-wide rule alone.
    pub const UNBOUNDED: Self = Self {
        age_max: Duration::MAX,
        events_max: u64::MAX,
        bytes_max: u64::MAX,
    };

    /// Whether, of so many events and bytes, the oldest has to go. Bytes never cost the last event:
    /// one that is larger than the bound would otherwise be acknowledged and never seen.
    #[must_use]
    pub fn exceeds(&self, count: u64, bytes: u64, oldest: Timestamp, now: Timestamp) -> bool {
        oldest.after(self.age_max) < now
            || count > self.events_max.max(1)
            || (bytes > self.bytes_max && count > 1)
    }
}

/// The hub-wide rule and those of single topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRules {
    /// Over all topics together.
    pub hub: Retention,
    /// For each topic alone, unless a rule in `topics` selects it.
    pub topic: Retention,
    /// Rules for some topics; the first that selects a topic is the one that counts.
    pub topics: Vec<(Selector, Retention)>,
}

impl RetentionRules {
    /// The rule of one topic. Of the hub's own there is one event at most, so that they take no
    /// room from others.
    #[must_use]
    pub fn of(&self, topic: &TopicName) -> Retention {
        if topic.is_own() {
            return Retention {
                events_max: 1,
                ..Retention::UNBOUNDED
            };
        }
        self.topics
            .iter()
            .find(|(selector, _)| selector.matches(topic))
            .map_or(self.topic, |(_, retention)| *retention)
    }
}

impl Default for RetentionRules {
    /// A day, a million events, 256 MiB: enough to come back after a night, and a laptop keeps it
    /// in memory. A single topic is bounded by the hub alone.
    fn default() -> Self {
        Self {
            hub: Retention {
                age_max: Duration::from_secs(24 * 60 * 60),
                events_max: 1_000_000,
                bytes_max: 256 << 20,
            },
            topic: Retention::UNBOUNDED,
            topics: Vec::new(),
        }
    }
}
