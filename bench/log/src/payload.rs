//! The events that are appended: 512 bytes of text that does not compress, on a thousand topics.

use std::time::{Duration, SystemTime};

use crate::peers::Value;

/// Bytes of an event's data.
pub const EVENT_BYTES: usize = 512;
/// Topics that take turns. More than any cache line or lucky branch remembers, fewer than would
/// make the test one of topic creation.
pub const TOPICS: usize = 1_000;
/// Texts that take turns; half a megabyte, so that no store can fold them into one.
const TEXTS: usize = 1_024;

/// A sequence of numbers that looks random and is the same in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (SplitMix64: a counter and a mixer, no state to warm up).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// The next number below `bound`; the bias of a remainder is far below what is measured.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Text of this many bytes without line ends.
    pub fn text(&mut self, bytes: usize) -> String {
        const LETTERS: &[u8; 64] =
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
        (0..bytes)
            .map(|_| char::from(LETTERS[(self.next() % 64) as usize]))
            .collect()
    }
}

/// Mixes all bits of a number into each other.
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The name of a topic by its number.
pub fn topic_name(number: u64) -> String {
    format!("bench/topic-{number:06}")
}

/// Values for the stores: topic, time and text, which is what Fanfare keeps of an event.
pub struct Payloads {
    pub texts: Vec<String>,
    pub topics: Vec<String>,
    time_ms: u64,
}

impl Payloads {
    pub fn new() -> Self {
        let mut random = Random::new(1);
        Self {
            texts: (0..TEXTS).map(|_| random.text(EVENT_BYTES)).collect(),
            topics: (0..TOPICS as u64).map(topic_name).collect(),
            time_ms: now_ms(),
        }
    }

    /// The text of an event.
    pub fn text(&self, number: u64) -> &str {
        &self.texts[number as usize % TEXTS]
    }

    /// The value of an event.
    pub fn value(&self, number: u64) -> Value {
        let place = number as usize % TOPICS;
        let topic = &self.topics[place];
        let mut value = Vec::with_capacity(8 + topic.len() + 1 + EVENT_BYTES);
        value.extend_from_slice(&self.time_ms.to_le_bytes());
        value.extend_from_slice(topic.as_bytes());
        value.push(b'\n');
        value.extend_from_slice(self.text(number).as_bytes());
        Value {
            topic: place as u32,
            bytes: value,
        }
    }
}

/// The wall clock, in milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_millis() as u64
}
