//! Which requests were stored already: idempotency keys of a bounded window of time and number.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::event::Timestamp;
use crate::limits::{CLOCK_DISORDER_MAX, Limits};
use crate::log::IdempotencyKey;
use crate::position::Seq;
use crate::topic::TopicName;

/// What a key is known by: a digest of topic, key and part, because keys may be long and there are
/// many. At 128 bits nobody finds two that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// The id of a key, which is unique within its topic and its body.
    #[must_use]
    pub fn of(topic: &TopicName, key: &IdempotencyKey) -> Self {
        let mut digest = Sha256::new();
        // With its length in front, no field can end where another one begins.
        digest.update((topic.as_str().len() as u64).to_le_bytes());
        digest.update(topic.as_str());
        digest.update(key.part.to_le_bytes());
        digest.update(&key.key);
        let mut id = [0; 16];
        id.copy_from_slice(&digest.finalize()[..16]);
        Self(id)
    }

    /// The id that was written down as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes to write down.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// One key and what was stored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// What the key is known by.
    pub id: KeyId,
    /// Digest of the request.
    pub fingerprint: [u8; 32],
    /// The last event that was stored.
    pub seq: Seq,
    /// How many events the publisher handed in.
    pub count: u64,
    /// When that was.
    pub time: Timestamp,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
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

/// The keys that are remembered, oldest first out.
///
/// Invariant: no row is younger than one that came after it, but for the disorder of publishers who
/// looked at the clock before they stood in line.
pub struct IdempotencyIndex {
    rows: VecDeque<KeyRow>,
    /// Where a key stands in `rows`, counted from the first row there ever was.
    places: HashMap<KeyId, u64>,
    /// How many rows went out at the front.
    gone: u64,
    window: Duration,
    keys_max: usize,
}

impl IdempotencyIndex {
    /// An index of nothing.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            rows: VecDeque::new(),
            places: HashMap::new(),
            gone: 0,
            window: limits.idempotency_window,
            keys_max: limits.idempotency_keys_max.max(1),
        }
    }

    /// What is known of a key.
    #[must_use]
    pub fn find(&self, id: &KeyId, fingerprint: &[u8; 32], now: Timestamp) -> Known {
        let place = self.places.get(id).map(|place| place - self.gone);
        let place = place.and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| self.rows.get(place)) {
            Some(row) if row.time < now.before(self.window) => Known::Never,
            Some(row) if row.fingerprint != *fingerprint => Known::ForAnotherRequest,
            Some(row) => Known::Stored {
                seq: row.seq,
                count: row.count,
            },
            None => Known::Never,
        }
    }

    /// Remembers a key, and forgets the oldest ones beyond the number. Those beyond the window stay
    /// until then and are not found: a clock that jumps ahead and back costs no key.
    pub fn remember(&mut self, row: KeyRow) {
        self.follow_clock(row.time);
        while self.rows.len() >= self.keys_max {
            self.forget_oldest();
        }
        self.places
            .insert(row.id, self.gone + self.rows.len() as u64);
        self.rows.push_back(row);
    }

    /// The keys, oldest first. One that was used again after its window is there twice.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &KeyRow> {
        self.rows.iter()
    }

    /// When the clock was set back, what came before counts as stored now at the latest: a key of a
    /// time that never was would be remembered until that time comes. Looks at all rows, which a
    /// clock that is set back is rare enough for.
    fn follow_clock(&mut self, now: Timestamp) {
        let is_ahead = |row: &KeyRow| row.time.before(CLOCK_DISORDER_MAX) > now;
        if self.rows.back().is_some_and(is_ahead) {
            for row in &mut self.rows {
                row.time = row.time.min(now);
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(row) = self.rows.pop_front() {
            // A key that expired and was used again has a younger place, which stays.
            if self.places.get(&row.id) == Some(&self.gone) {
                self.places.remove(&row.id);
            }
            self.gone += 1;
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
        let row = |key: u8, time, seq| KeyRow {
            id: KeyId::from_bytes([key; 16]),
            fingerprint: [1; 32],
            seq: Seq(seq),
            count: 1,
            time: Timestamp(time),
        };
        let find = |index: &IdempotencyIndex, key: u8, print, now| {
            index.find(&KeyId::from_bytes([key; 16]), &[print; 32], Timestamp(now))
        };
        index.remember(row(1, 1_000, 7));
        let stored = Known::Stored {
            seq: Seq(7),
            count: 1,
        };
        assert_eq!(find(&index, 1, 1, 1_100), stored);
        assert_eq!(find(&index, 1, 2, 1_100), Known::ForAnotherRequest);
        assert_eq!(find(&index, 1, 1, 1_101), Known::Never);

        index.remember(row(2, 1_001, 8));
        index.remember(row(3, 1_002, 9));
        assert_eq!(find(&index, 1, 1, 1_003), Known::Never);
        assert!(matches!(find(&index, 2, 1, 1_003), Known::Stored { .. }));
        assert!(matches!(find(&index, 3, 1, 1_003), Known::Stored { .. }));
        assert_eq!(index.rows().count(), 2);
    }

    #[test]
    fn a_clock_that_steps_forgets_no_key_and_keeps_none_for_ever() {
        const HOUR_MS: u64 = 60 * 60 * 1_000;
        const YEAR_MS: u64 = 365 * 24 * HOUR_MS;
        let now = 50 * YEAR_MS;
        for step in [now + 10 * YEAR_MS, now + HOUR_MS, now - HOUR_MS] {
            let mut index = IdempotencyIndex::new(&Limits::default());
            for (key, time) in [(1, now), (2, step), (3, now)] {
                index.remember(KeyRow {
                    id: KeyId::from_bytes([key; 16]),
                    fingerprint: [1; 32],
                    seq: Seq(u64::from(key)),
                    count: 1,
                    time: Timestamp(time),
                });
            }
            for key in 1..=3 {
                let find = |time| {
                    let id = KeyId::from_bytes([key; 16]);
                    index.find(&id, &[1; 32], Timestamp(time))
                };
                let soon = find(now + 1);
                assert!(matches!(soon, Known::Stored { .. }), "{step} {key}");
                assert_eq!(find(now + 26 * HOUR_MS), Known::Never, "{step} {key}");
            }
        }
    }

    #[test]
    fn topic_key_and_part_make_a_key() {
        let topic = |name| TopicName::parse(name).unwrap();
        let key = |key: &str, part| IdempotencyKey {
            key: key.to_owned(),
            part,
            fingerprint: [0; 32],
        };
        let ids = [
            KeyId::of(&topic("a"), &key("bc", 0)),
            KeyId::of(&topic("ab"), &key("c", 0)),
            KeyId::of(&topic("a"), &key("bc", 1)),
            KeyId::of(&topic("a"), &key("b", 0)),
        ];
        for (place, id) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(id));
        }
    }
}
