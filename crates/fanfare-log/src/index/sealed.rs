//! The index of a sealed segment, read through the cache. Only what narrows a search to one block
//! stays in memory.

use fanfare_hub::{Seq, Timestamp};

use super::layout::{self, Fixed, Lens, Row, TRAILER_BYTES, Trailer};
use super::{Damaged, Entry, Place, Summary, TopicRow, Unreadable};
use crate::bytes::Reader;
use crate::cache::{Cache, Source};
use crate::record;
use crate::storage::StoredFile;

/// Entries for which one fence is kept in memory: 12 KB of them are read to find one.
const ENTRIES_A_FENCE: usize = 512;
/// Rows of the directory for which one fence is kept: 5 KB are read to find one.
const ROWS_A_FENCE: usize = 256;
/// Entries or postings that are read in one go where many are wanted: as much as one read of the
/// disk gives.
const STEP: usize = 8_192;

/// The index of a sealed segment. Invariant: what it says of a topic it says in full or not at all.
#[derive(Debug)]
pub(crate) struct SealedIndex {
    /// Where it begins in the file.
    at: u64,
    lens: Lens,
    /// The number of the last event.
    last: Option<u32>,
    /// One for every [`ENTRIES_A_FENCE`] entries.
    fences: Vec<Fence>,
    /// The first topic of every [`ROWS_A_FENCE`] rows.
    topics: Vec<u32>,
    members: Members,
}

/// What a run of entries begins with.
#[derive(Clone, Copy, Debug)]
struct Fence {
    number: u32,
    /// The smallest time of the run.
    oldest: Timestamp,
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
        if crc32c::crc32c_append(trailer.footing.salt, &bytes) != trailer.crc {
            return Err(Damaged);
        }
        Self::of(&trailer, &bytes).ok_or(Damaged)
    }

    /// The index that was just encoded.
    pub(crate) fn of_encoded(bytes: &[u8], page: &[u8], base: Seq) -> Result<Self, Damaged> {
        let trailer = Trailer::parse(page, base, record::salt(base)).ok_or(Damaged)?;
        Ok(Self::of(&trailer, bytes).ok_or(Damaged)?.0)
    }

    fn of(trailer: &Trailer, bytes: &[u8]) -> Option<(Self, Summary)> {
        let lens = trailer.lens;
        let mut fields = Reader(bytes);
        let entries = fields.take(lens.directory())?;
        let rows = fields.take(lens.postings() - lens.directory())?;
        let postings = fields.take(lens.names() - lens.postings())?;
        let mut summary = Summary {
            topics: topics(rows, postings)?,
            ..Summary::default()
        };
        let fences = fences(entries, &mut summary);
        summary.names.reserve_exact(lens.names);
        for _ in 0..lens.names {
            summary.names.push(layout::parse_name(&mut fields)?);
        }
        summary.keys = take_all(&mut fields, lens.keys)?;
        summary.ends = take_all(&mut fields, lens.ends)?;
        summary.forgets = take_all(&mut fields, lens.forgets)?;
        let index = Self {
            at: trailer.footing.at,
            lens,
            last: summary.last,
            fences,
            topics: summary
                .topics
                .iter()
                .step_by(ROWS_A_FENCE)
                .map(|row| row.topic)
                .collect(),
            members: Members::of(&summary.topics),
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
        self.fences.capacity() * size_of::<Fence>() + self.topics.capacity() * 4 + members
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

/// Questions to a sealed index. Each reads a few blocks, mostly from the cache.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub(crate) index: &'a SealedIndex,
    pub(crate) cache: &'a Cache,
    pub(crate) source: Source<'a>,
}

/// Things of one kind, one after the other in an index.
#[derive(Clone, Copy)]
struct List {
    /// Where it begins in the index.
    at: usize,
    len: usize,
}

impl Lookup<'_> {
    /// Reads so many things from the position on.
    fn read<T: Fixed>(
        &self,
        list: List,
        position: usize,
        count: usize,
    ) -> Result<Vec<T>, Unreadable> {
        let end = position.checked_add(count).ok_or(Unreadable)?;
        if end > list.len {
            return Err(Unreadable);
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        let at = self.index.at + (list.at + position * T::BYTES) as u64;
        let bytes = self
            .cache
            .read(self.source, at, count * T::BYTES)
            .map_err(|error| {
                tracing::warn!(%error, "the index of a segment cannot be read");
                Unreadable
            })?;
        Ok(layout::parse_all(&bytes).collect())
    }

    /// Reads up to `max` things from the position on.
    fn read_on<T: Fixed>(&self, list: List, from: usize, max: usize) -> Result<Vec<T>, Unreadable> {
        let end = list.len.min(from.saturating_add(max));
        let mut found = Vec::new();
        let mut position = from;
        while position < end {
            let count = STEP.min(end - position);
            found.extend(self.read::<T>(list, position, count)?);
            position += count;
        }
        Ok(found)
    }

    /// Reads up to `max` things before the position, the nearest first.
    fn read_back<T: Fixed>(&self, list: List, to: usize, max: usize) -> Result<Vec<T>, Unreadable> {
        let start = to.saturating_sub(max);
        let mut found = self.read_on::<T>(list, start, to - start)?;
        found.reverse();
        Ok(found)
    }

    fn entries(&self) -> List {
        List {
            at: 0,
            len: self.index.lens.entries,
        }
    }

    /// The postings of a topic, if there are any.
    fn postings(&self, topic: u32) -> Result<Option<List>, Unreadable> {
        if !self.index.has(topic) {
            return Ok(None);
        }
        let lens = &self.index.lens;
        let fence = self.index.topics.partition_point(|first| *first <= topic);
        let start = fence.saturating_sub(1) * ROWS_A_FENCE;
        let directory = List {
            at: lens.directory(),
            len: lens.topics,
        };
        let count = ROWS_A_FENCE.min(lens.topics.saturating_sub(start));
        let rows: Vec<Row> = self.read(directory, start, count)?;
        let row = rows.binary_search_by_key(&topic, |row| row.topic);
        // It has the topic, so that a directory without it is damaged.
        let row = row.ok().and_then(|row| rows.get(row)).ok_or(Unreadable)?;
        let (first, count) = (row.first as usize, row.count as usize);
        if first.saturating_add(count) > lens.entries {
            return Err(Unreadable);
        }
        Ok(Some(List {
            at: lens.postings() + first * Place::BYTES,
            len: count,
        }))
    }

    /// The position of the first posting of that number or a larger one.
    fn split_postings(&self, list: List, number: u32) -> Result<usize, Unreadable> {
        // Once this few are left they lie in one or two blocks, and are read at once.
        const FEW: usize = 512;
        let (mut start, mut end) = (0, list.len);
        while end - start > FEW {
            let middle = start + (end - start) / 2;
            let place = self.read::<Place>(list, middle, 1)?;
            if place.first().ok_or(Unreadable)?.number < number {
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        let places = self.read::<Place>(list, start, end - start)?;
        Ok(start + places.partition_point(|place| place.number < number))
    }

    /// The position of the first entry of that number or a larger one.
    fn split_entries(&self, number: u32) -> Result<usize, Unreadable> {
        let fence = self
            .index
            .fences
            .partition_point(|fence| fence.number < number);
        let Some(fence) = fence.checked_sub(1) else {
            return Ok(0);
        };
        let (start, entries) = self.run(fence)?;
        Ok(start + entries.partition_point(|entry| entry.number < number))
    }

    /// The entries behind a fence, and the position of the first.
    fn run(&self, fence: usize) -> Result<(usize, Vec<Entry>), Unreadable> {
        let start = fence * ENTRIES_A_FENCE;
        let list = self.entries();
        let count = ENTRIES_A_FENCE.min(list.len.saturating_sub(start));
        Ok((start, self.read(list, start, count)?))
    }

    /// Events of a topic from a number on, oldest first.
    pub(crate) fn places_from(
        &self,
        topic: u32,
        from: u32,
        max: usize,
    ) -> Result<Vec<Place>, Unreadable> {
        let Some(list) = self.postings(topic)? else {
            return Ok(Vec::new());
        };
        self.read_on(list, self.split_postings(list, from)?, max)
    }

    /// Events of a topic below a number, newest first.
    pub(crate) fn places_below(
        &self,
        topic: u32,
        below: u32,
        max: usize,
    ) -> Result<Vec<Place>, Unreadable> {
        let Some(list) = self.postings(topic)? else {
            return Ok(Vec::new());
        };
        self.read_back(list, self.split_postings(list, below)?, max)
    }

    /// How many events of a topic there are from a number on.
    pub(crate) fn count_from(&self, topic: u32, from: u32) -> Result<u64, Unreadable> {
        let Some(list) = self.postings(topic)? else {
            return Ok(0);
        };
        Ok((list.len - self.split_postings(list, from)?) as u64)
    }

    /// Events from a number on, oldest first.
    pub(crate) fn entries_from(&self, from: u32, max: usize) -> Result<Vec<Entry>, Unreadable> {
        self.read_on(self.entries(), self.split_entries(from)?, max)
    }

    /// Events below a number, newest first.
    pub(crate) fn entries_below(&self, below: u32, max: usize) -> Result<Vec<Entry>, Unreadable> {
        self.read_back(self.entries(), self.split_entries(below)?, max)
    }

    /// The event of a number.
    pub(crate) fn entry(&self, number: u32) -> Result<Option<Entry>, Unreadable> {
        let entries = self.entries_from(number, 1)?;
        Ok(entries
            .first()
            .filter(|entry| entry.number == number)
            .copied())
    }

    /// The last event that was accepted before a time.
    pub(crate) fn last_older_than(&self, time: Timestamp) -> Result<Option<u32>, Unreadable> {
        let fence = self
            .index
            .fences
            .iter()
            .rposition(|fence| fence.oldest < time);
        let Some(fence) = fence else {
            return Ok(None);
        };
        let (_, entries) = self.run(fence)?;
        let older = entries.iter().rev().find(|entry| entry.time < time);
        Ok(older.map(|entry| entry.number))
    }
}
