//! How a log is kept: what the operator chooses, and every bound with its default and its reason.

use std::time::Duration;

use fanfare_hub::{Durability, Limits, RetentionRules};

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// What an acknowledged event survives. [`Durability::Memory`] keeps no files and is no level
    /// of this log; it is taken for [`Durability::Written`].
    pub durability: Durability,
    /// How much history is kept.
    pub retention: RetentionRules,
    /// The bounds of the hub; those of topics and idempotency keys count here.
    pub limits: Limits,
    /// Bytes of one segment file. 64 MiB: a few hundred files for a large log, seconds of a busy
    /// hub, and what is trimmed leaves the disk in steps that nobody notices.
    pub segment_bytes: u64,
    /// Bytes of the youngest events that are held in memory, for readers that are live or nearly
    /// so. Ten seconds of a hub that takes in 3 MB/s.
    pub tail_bytes: u64,
    /// Bytes of the cache that all readers of older events share. As much as 32 subscribers read
    /// who each replay a megabyte at different places.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Disk,
            retention: RetentionRules::default(),
            limits: Limits::default(),
            segment_bytes: 64 << 20,
            tail_bytes: 32 << 20,
            cache_bytes: 32 << 20,
        }
    }
}

/// Bytes of events that may wait for the writer. A second or two of a disk that is at its limit;
/// beyond it publishers are refused instead of the hub's memory growing.
pub(crate) const QUEUE_BYTES_MAX: u64 = 256 << 20;
/// Bytes that are written and synced in one go. Larger groups gain nothing measurable, and the
/// first of a group waits for the last.
pub(crate) const GROUP_BYTES_MAX: usize = 4 << 20;
/// Bytes of one batch as a record. Places within a segment are numbers of 32 bits; half of that
/// leaves room for its index.
pub(crate) const BATCH_BYTES_MAX: u64 = 1 << 31;
/// Smaller segments than asked for are made when the disk has no room: each time a quarter, down to
/// this.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 1 << 20;
/// How often the mark is renewed while events come in. It only bounds how much a start after a
/// crash has to take on trust.
pub(crate) const MARK_INTERVAL: Duration = Duration::from_millis(500);
/// How long to wait after a full disk refused a segment before asking again: creating one costs
/// writes, and somebody who frees space does not notice a quarter of a second.
pub(crate) const FULL_RETRY: Duration = Duration::from_millis(250);
/// Threads that read what is not in memory. They wait for a disk, which does four reads in little
/// more time than one; they are not for computing.
pub(crate) const READERS: usize = 4;
/// Events dropped under one lock, so that readers and publishers get in between: 0.2 ms.
pub(crate) const TRIM_EVENTS_MAX: usize = 1_024;
/// Segments are compacted when no more than one part in so many is kept: what is copied is then a
/// small part of what the disk gets back.
pub(crate) const COMPACT_SHARE: u64 = 4;
/// A memo is written when the segments that become free are so many times larger than it: what it
/// costs stays a small part of what is written anyway.
pub(crate) const MEMO_SHARE: u64 = 4;
/// Questions that may wait for those threads. A subscriber has one at a time; when more wait, the
/// disk is the limit, and the next one waits where it stands.
pub(crate) const READS_MAX: usize = 65_536;
/// Segments of which one slice takes events: what a subscriber of a quiet topic has waiting is then
/// never more than a few dozen reads.
pub(crate) const FETCH_SEGMENTS_MAX: usize = 8;
/// A slice that has events looks into no further segment once it has taken so long: more than eight
/// segments take when the system has them in memory, and as much as two reads of a disk. A
/// subscriber of a quiet topic gets its first event before the disk is asked for the others.
pub(crate) const FETCH_TIME_MAX: Duration = Duration::from_micros(200);
