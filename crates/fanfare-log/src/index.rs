//! Where the events of one segment lie: in memory while the segment is written to, and in its own
//! file once it is sealed.
//!
//! - [`ActiveIndex`]: grows with every event;
//! - [`SealedIndex`]: lies on disk, of which a few KB stay in memory;
//! - [`Lookup`]: reads it there;
//! - `layout`: what it looks like there.
//!
//! Events are known by number, which is their seq less the first one of the segment. Numbers rise,
//! but need not be dense: what was damaged or left out has none.

mod active;
mod layout;
mod lookup;
mod rows;
mod sealed;
#[cfg(test)]
mod tests;

use fanfare_hub::idempotency::KeyRow;
use fanfare_hub::{Seq, Timestamp, TopicName};

pub(crate) use self::active::ActiveIndex;
pub(crate) use self::layout::{ENTRY_BYTES, Footing, KEY_BYTES, TOPIC_BYTES, TRAILER_BYTES};
pub(crate) use self::lookup::Lookup;
pub(crate) use self::rows::TopicRows;
pub(crate) use self::sealed::SealedIndex;
use crate::view::Hole;

/// One event, in the order of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its seq less the first one of the segment.
    pub(crate) number: u32,
    /// Where its header lies in the file.
    pub(crate) offset: u32,
    /// Bytes of its frame.
    pub(crate) len: u32,
    /// The number of its topic.
    pub(crate) topic: u32,
    /// When it was accepted.
    pub(crate) time: Timestamp,
}

impl Entry {
    /// What a reader needs of it.
    pub(crate) fn place(&self) -> Place {
        Place {
            number: self.number,
            offset: self.offset,
            len: self.len,
        }
    }
}

/// Where an event lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its seq less the first one of the segment.
    pub(crate) number: u32,
    /// Where its header lies in the file.
    pub(crate) offset: u32,
    /// Bytes of its frame.
    pub(crate) len: u32,
}

/// What a segment holds of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicRow {
    /// The number of the topic.
    pub(crate) topic: u32,
    /// How many events.
    pub(crate) count: u32,
    /// Bytes of their frames.
    pub(crate) bytes: u64,
    /// The number of the first one.
    pub(crate) first: u32,
    /// The number of the last one.
    pub(crate) last: u32,
}

/// What a sealed index says, for a start to be consumed once.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// What it holds of each topic, by the topics' numbers.
    pub(crate) topics: TopicRows,
    /// The names of topics that were first used in this segment.
    pub(crate) names: Vec<(u32, TopicName)>,
    /// The idempotency keys of its records, in order.
    pub(crate) keys: Vec<KeyRow>,
    /// Topics that were ended, and where.
    pub(crate) ends: Vec<(u32, Seq)>,
    /// Topics that were forgotten, and through which seq.
    pub(crate) forgets: Vec<(u32, Seq)>,
    /// The number of its last event.
    pub(crate) last: Option<u32>,
    /// When the last event was accepted.
    pub(crate) last_time: Option<Timestamp>,
    /// First and last number of each run of events that are missing before the last one.
    pub(crate) missing: Vec<(u32, u32)>,
}

impl Summary {
    /// Events that are missing before the last one, of a segment that is meant to be dense.
    pub(crate) fn holes(&self, base: Seq) -> Vec<Hole> {
        let seq = |number: u32| Seq(base.0.saturating_add(u64::from(number)));
        let holes = self.missing.iter().map(|&(from, through)| Hole {
            from: seq(from),
            through: seq(through),
        });
        holes.collect()
    }
}

/// A part of an index cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a part of the index of a segment cannot be read")]
pub(crate) struct Unreadable;

/// There is no index, or it is not the one that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the segment has no index, or a damaged one")]
pub(crate) struct Damaged;
