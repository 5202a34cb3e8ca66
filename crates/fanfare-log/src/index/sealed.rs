//! The index of a sealed segment as it stays in memory: what narrows a search to one block, and
//! what verifies that.

use fanfare_hub::{Seq, Timestamp};

use super::layout::{self, Fixed, Lens, Row, TRAILER_BYTES, Trailer};
use super::{Damaged, Entry, Place, Summary, TopicRow, TopicRows};
use crate::bytes::Reader;
use crate::record;
use crate::storage::StoredFile;

/// Entries for which one fence is kept in memory: 12 KB of them are read to find one.
pub(super) const ENTRIES_A_FENCE: usize = 512;
/// Rows of the directory for which one fence is kept: 5 KB are read to find one.
pub(super) const ROWS_A_FENCE: usize = 256;
/// The index of a sealed segment. Invariant: what it says of a topic it says in full or not at all.
#[derive(Debug)]
pub(crate) struct SealedIndex {
    /// Where it begins in the file.
    pub(super) at: u64,
    /// Where its checksums start from.
    pub(super) salt: u32,
    /// The checksum of each page: what was verified at the start may be damaged by the time it is
    /// read again, and the events of one topic must never be taken for those of another.
    pub(super) checks: Vec<u32>,
    pub(super) lens: Lens,
    /// The number of the last event.
    last: Option<u32>,
    /// One for every [`ENTRIES_A_FENCE`] entries.
    pub(super) fences: Vec<Fence>,
    /// The first topic of every [`ROWS_A_FENCE`] rows.
    pub(super) topics: Vec<u32>,
    members: Members,
}

/// What a run of entries begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fence {
    pub(super) number: u32,
    /// The smallest time of the run.
    pub(super) oldest: Timestamp,
}

/// Which topics there are, so that most segments are not even asked for a rare one.
#[derive(Debug)]
enum Members {
    /// A bit for every topic from the first one on.
    Bits(u32, Vec<u64>),
    /// The topics, sorted.
    Sorted(Vec<u32>),
}

impl Members {
    /// The smaller of both.
    fn of(rows: &[TopicRow]) -> Self {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Self::Sorted(Vec::new());
        };
        let words = (last.topic.saturating_sub(first.topic) / 64 + 1) as usize;
        if words * 8 > rows.len() * 4 {
            return Self::Sorted(rows.iter().map(|row| row.topic).collect());
        }
        let mut bits = vec![0_u64; words];
        for row in rows {
            let bit = row.topic.saturating_sub(first.topic);
            if let Some(word) = bits.get_mut((bit / 64) as usize) {
                *word |= 1 << (bit % 64);
            }
        }
        Self::Bits(first.topic, bits)
    }

    fn has(&self, topic: u32) -> bool {
        match self {
            Self::Bits(first, bits) => topic.checked_sub(*first).is_some_and(|bit| {
                let word = bits.get((bit / 64) as usize);
                word.is_some_and(|word| word >> (bit % 64) & 1 == 1)
            }),
            Self::Sorted(topics) => topics.binary_search(&topic).is_ok(),
        }
    }
}

impl SealedIndex {
    /// Whether a page looks like the end of an index, whatever else is wrong with it.
    pub(crate) fn begins_trailer(page: &[u8]) -> bool {
        page.starts_with(layout::MAGIC)
    }

    /// Reads the index of the segment that begins with `base`, all of it, and verifies it.
    pub(crate) fn load(
        file: &dyn StoredFile,
        capacity: u64,
        base: Seq,
    ) -> Result<(Self, Summary), Damaged> {
        let mut page = vec![0; in_memory(TRAILER_BYTES)];
        let trailer_at = capacity.checked_sub(TRAILER_BYTES).ok_or(Damaged)?;
        read(file, &mut page, trailer_at)?;
        let trailer = Trailer::parse(&page, base, record::salt(base)).ok_or(Damaged)?;
        let len = trailer.lens.total();
        let end = trailer.footing.at.checked_add(len as u64).ok_or(Damaged)?;
        if end > trailer_at {
            return Err(Damaged);
        }
        let mut bytes = vec![0; len];
        read(file, &mut bytes, trailer.footing.at)?;
        Self::of(&trailer, &bytes).ok_or(Damaged)
    }

    /// The index that was just encoded.
    pub(crate) fn of_encoded(bytes: &[u8], page: &[u8], base: Seq) -> Result<Self, Damaged> {
        let trailer = Trailer::parse(page, base, record::salt(base)).ok_or(Damaged)?;
        Ok(Self::of(&trailer, bytes).ok_or(Damaged)?.0)
    }

    fn of(trailer: &Trailer, bytes: &[u8]) -> Option<(Self, Summary)> {
        let (lens, salt) = (trailer.lens, trailer.footing.salt);
        let checks = layout::page_checks(bytes, salt);
        if layout::check_of(&checks, salt) != trailer.crc {
            return None;
        }
        let mut fields = Reader(bytes);
        let entries = fields.take(lens.directory())?;
        let rows = fields.take(lens.postings() - lens.directory())?;
        let postings = fields.take(lens.names() - lens.postings())?;
        let topics = topics(rows, postings)?;
        let is_sorted = topics.is_sorted_by_key(|row| row.topic);
        let mut summary = Summary {
            topics: is_sorted.then(|| TopicRows::pack(&topics))?,
            ..Summary::default()
        };
        let fences = fences(entries, &mut summary);
        // No more than there are bytes for, whatever was counted.
        summary
            .names
            .reserve_exact(lens.names.min(lens.names_bytes));
        for _ in 0..lens.names {
            summary.names.push(layout::parse_name(&mut fields)?);
        }
        summary.keys = take_all(&mut fields, lens.keys)?;
        summary.ends = take_all(&mut fields, lens.ends)?;
        summary.forgets = take_all(&mut fields, lens.forgets)?;
        let index = Self {
            at: trailer.footing.at,
            salt,
            checks,
            lens,
            last: summary.last,
            fences,
            topics: topics
                .iter()
                .step_by(ROWS_A_FENCE)
                .map(|row| row.topic)
                .collect(),
            members: Members::of(&topics),
        };
        Some((index, summary))
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> Option<u32> {
        self.last
    }

    /// Whether it has an event of the topic.
    pub(crate) fn has(&self, topic: u32) -> bool {
        self.members.has(topic)
    }

    /// Bytes that stay in memory.
    #[cfg(test)]
    pub(crate) fn memory_bytes(&self) -> usize {
        let members = match &self.members {
            Members::Bits(_, bits) => bits.capacity() * 8,
            Members::Sorted(topics) => topics.capacity() * 4,
        };
        let numbers = self.checks.capacity() + self.topics.capacity();
        self.fences.capacity() * size_of::<Fence>() + numbers * 4 + members
    }
}

fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn read(file: &dyn StoredFile, buf: &mut [u8], at: u64) -> Result<(), Damaged> {
    file.read_at(buf, at).map_err(|error| {
        tracing::warn!(%error, "the index of a segment cannot be read");
        Damaged
    })
}

fn take_all<T: Fixed>(fields: &mut Reader<'_>, count: usize) -> Option<Vec<T>> {
    let bytes = fields.take(count.checked_mul(T::BYTES)?)?;
    Some(layout::parse_all(bytes).collect())
}

/// What the directory says, with the numbers of first and last events.
fn topics(rows: &[u8], postings: &[u8]) -> Option<Vec<TopicRow>> {
    let number = |posting: u32| {
        let at = (posting as usize).checked_mul(Place::BYTES)?;
        Reader(postings.get(at..)?).u32()
    };
    let rows = layout::parse_all::<Row>(rows).map(|row| {
        Some(TopicRow {
            topic: row.topic,
            count: row.count,
            bytes: row.bytes,
            first: number(row.first)?,
            last: number(row.first.checked_add(row.count)?.checked_sub(1)?)?,
        })
    });
    rows.collect()
}

/// One fence for each run of entries. Notes in the summary what is missing among them, and the
/// last one.
fn fences(entries: &[u8], summary: &mut Summary) -> Vec<Fence> {
    let mut fences = Vec::with_capacity(entries.len() / (ENTRIES_A_FENCE * Entry::BYTES) + 1);
    let mut next = 0_u32;
    for run in entries.chunks(ENTRIES_A_FENCE * Entry::BYTES) {
        let mut fence = None;
        for entry in layout::parse_all::<Entry>(run) {
            let fence = fence.get_or_insert(Fence {
                number: entry.number,
                oldest: entry.time,
            });
            fence.oldest = fence.oldest.min(entry.time);
            if entry.number > next {
                summary.missing.push((next, entry.number - 1));
            }
            next = entry.number.saturating_add(1);
            summary.last = Some(entry.number);
            summary.last_time = Some(entry.time);
        }
        fences.extend(fence);
    }
    fences
}
