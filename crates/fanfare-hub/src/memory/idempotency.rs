//! Which requests were stored already: idempotency keys of a bounded window of time and number.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::event::Timestamp;
use crate::limits::Limits;
use crate::log::IdempotencyKey;
use crate::position::Seq;
use crate::topic::TopicName;

/// The keys that are remembered, oldest first out.
pub(super) struct IdempotencyIndex {
    entries: HashMap<Place, Entry>,
    /// The same places in the order in which they came.
    arrivals: VecDeque<(Timestamp, Place)>,
    window: Duration,
    keys_max: usize,
}

/// A key is unique within its topic and its body.
type Place = (TopicName, String, u64);

struct Entry {
    fingerprint: [u8; 32],
    seq: Seq,
    count: u64,
    time: Timestamp,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was not used within the window.
    Never,
    /// The same request was stored: this was its last event, and so many it had.
    Stored {
        /// The last event of the request.
        seq: Seq,
        /// How many events it had.
        count: u64,
    },
    /// It was used for a request with another fingerprint.
    ForAnotherRequest,
}

impl IdempotencyIndex {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            entries: HashMap::new(),
            arrivals: VecDeque::new(),
            window: limits.idempotency_window,
            keys_max: limits.idempotency_keys_max,
        }
    }

    pub(super) fn find(&self, topic: &TopicName, key: &IdempotencyKey, now: Timestamp) -> Known {
        let place = (topic.clone(), key.key.clone(), key.part);
        match self.entries.get(&place) {
            Some(entry) if entry.time < now.before(self.window) => Known::Never,
            Some(entry) if entry.fingerprint != key.fingerprint => Known::ForAnotherRequest,
            Some(&Entry { seq, count, .. }) => Known::Stored { seq, count },
            None => Known::Never,
        }
    }

    pub(super) fn remember(
        &mut self,
        topic: TopicName,
        key: IdempotencyKey,
        time: Timestamp,
        seq: Seq,
        count: u64,
    ) {
        self.evict(time);
        let place = (topic, key.key, key.part);
        self.arrivals.push_back((time, place.clone()));
        let fingerprint = key.fingerprint;
        self.entries.insert(
            place,
            Entry {
                fingerprint,
                seq,
                count,
                time,
            },
        );
    }

    /// Makes room for one more and drops what lies outside the window.
    fn evict(&mut self, now: Timestamp) {
        while let Some((time, place)) = self.arrivals.front() {
            if *time >= now.before(self.window) && self.arrivals.len() < self.keys_max {
                break;
            }
            // A key that expired and was used again has a younger entry, which stays.
            if self
                .entries
                .get(place)
                .is_some_and(|entry| entry.time == *time)
            {
                self.entries.remove(place);
            }
            self.arrivals.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_remembered_for_its_window_and_its_number() {
        let limits = Limits {
            idempotency_window: Duration::from_millis(100),
            idempotency_keys_max: 2,
            ..Limits::default()
        };
        let mut index = IdempotencyIndex::new(&limits);
        let topic = TopicName::parse("a").unwrap();
        let key = |key: &str, print| IdempotencyKey {
            key: key.to_owned(),
            part: 0,
            fingerprint: [print; 32],
        };
        index.remember(topic.clone(), key("x", 1), Timestamp(1_000), Seq(7), 1);
        let stored = Known::Stored {
            seq: Seq(7),
            count: 1,
        };
        assert_eq!(index.find(&topic, &key("x", 1), Timestamp(1_100)), stored);
        assert_eq!(
            index.find(&topic, &key("x", 2), Timestamp(1_100)),
            Known::ForAnotherRequest
        );
        assert_eq!(
            index.find(&topic, &key("x", 1), Timestamp(1_101)),
            Known::Never
        );

        index.remember(topic.clone(), key("y", 1), Timestamp(1_001), Seq(8), 1);
        index.remember(topic.clone(), key("z", 1), Timestamp(1_002), Seq(9), 1);
        assert_eq!(
            index.find(&topic, &key("x", 1), Timestamp(1_003)),
            Known::Never
        );
        assert!(matches!(
            index.find(&topic, &key("z", 1), Timestamp(1_003)),
            Known::Stored { .. }
        ));
    }
}
