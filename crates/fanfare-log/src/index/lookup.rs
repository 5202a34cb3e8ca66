//! Questions to the index of a sealed segment: each reads a few pages through the cache, and
//! verifies them.

use bytes::Bytes;
use fanfare_hub::Timestamp;

use super::layout::{self, Fixed, PAGE, Row};
use super::sealed::{ENTRIES_A_FENCE, ROWS_A_FENCE, SealedIndex};
use super::{Entry, Place, Unreadable};
use crate::cache::{Cache, Source};

/// Entries or postings that are read in one go where many are wanted: as much as one read of the
/// disk gives.
const STEP: usize = 8_192;

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
        let bytes = self.pages(list.at + position * T::BYTES, count * T::BYTES)?;
        Ok(layout::parse_all(&bytes).collect())
    }

    /// Reads a part of the index, and verifies the pages that it lies in.
    fn pages(&self, at: usize, len: usize) -> Result<Bytes, Unreadable> {
        let index = self.index;
        let (first, end) = (at / PAGE, (at + len).next_multiple_of(PAGE));
        let end = end.min(index.lens.total());
        let (start, checks) = (first * PAGE, index.checks.get(first..).unwrap_or_default());
        let source_at = index.at + start as u64;
        let read = self
            .cache
            .read(self.source, source_at, end.saturating_sub(start));
        let bytes = read.map_err(|error| {
            tracing::warn!(%error, "the index of a segment cannot be read");
            Unreadable
        })?;
        let mut pages = bytes.chunks(PAGE).zip(checks);
        let is_whole = pages.all(|(page, check)| crc32c::crc32c_append(index.salt, page) == *check);
        let part = at - start..at - start + len;
        if !is_whole || part.end > bytes.len() {
            tracing::warn!("the index of a segment is damaged");
            return Err(Unreadable);
        }
        Ok(bytes.slice(part))
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
