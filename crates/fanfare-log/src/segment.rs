//! One file of records: its index, wherever that lies, and reading its events.

mod events;
#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fanfare_hub::{Epoch, Seq, Timestamp};

pub(crate) use self::events::{DamagedEvent, Gathered};
use crate::cache::{Cache, Source};
use crate::header::Header;
use crate::index::{
    ActiveIndex, Entry, Footing, Lookup, Place, SealedIndex, TRAILER_BYTES, Unreadable,
};
use crate::record::{self, EVENT_HEADER, pad4};
use crate::storage::StoredFile;

/// An index begins at a multiple of this, so that no page holds records and index both.
const PAGE: u64 = 4096;

/// One file of records. Invariant: it has its index in memory until it is sealed, and from then on
/// the one on disk says the same.
pub(crate) struct Segment {
    /// The seq of its first event.
    pub(crate) base: Seq,
    /// The epoch that stands in its frames.
    pub(crate) epoch: Epoch,
    /// Where its checksums start from.
    pub(crate) salt: u32,
    pub(crate) file: Arc<dyn StoredFile>,
    /// Bytes of the file.
    pub(crate) capacity: u64,
    /// Tells it from all other segments of this run, also from those that had the same file.
    incarnation: u64,
    /// The last seq it stands for, when events were left out on purpose.
    compacted_through: Seq,
    /// Empty once `sealed` is there.
    active: RwLock<ActiveIndex>,
    sealed: OnceLock<SealedIndex>,
}

/// A number that no other segment of this run has: two of one number would read each other's blocks
/// from the cache.
fn next_incarnation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The index as it is at the moment of a question.
enum Known<'a> {
    Active(RwLockReadGuard<'a, ActiveIndex>),
    Sealed(&'a SealedIndex),
}

impl Segment {
    /// A segment that is written to, or whose index is made anew.
    pub(crate) fn active(header: &Header, file: Arc<dyn StoredFile>, capacity: u64) -> Self {
        Self {
            base: header.base,
            epoch: header.epoch,
            salt: record::salt(header.base),
            file,
            capacity,
            incarnation: next_incarnation(),
            compacted_through: header.compacted_through,
            active: RwLock::new(ActiveIndex::new()),
            sealed: OnceLock::new(),
        }
    }

    /// A segment with its index on disk, and the bytes of its file.
    pub(crate) fn sealed(
        header: &Header,
        file: Arc<dyn StoredFile>,
        stored: (u64, SealedIndex),
    ) -> Self {
        let (capacity, index) = stored;
        Self {
            sealed: OnceLock::from(index),
            ..Self::active(header, file, capacity)
        }
    }

    /// The same segment with an index that is made anew.
    pub(crate) fn without_index(&self) -> Self {
        Self {
            file: Arc::clone(&self.file),
            incarnation: next_incarnation(),
            active: RwLock::new(ActiveIndex::new()),
            sealed: OnceLock::new(),
            ..*self
        }
    }

    /// The index in memory; empty once the segment is sealed.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, ActiveIndex> {
        self.active.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index in memory, for the one who writes the segment.
    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, ActiveIndex> {
        self.active.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the index behind the records, which end there, and from then on reads it from disk.
    pub(crate) fn seal(&self, records_end: u64) -> io::Result<()> {
        let footing = Footing {
            base: self.base,
            salt: self.salt,
            at: records_end.max(self.written()).next_multiple_of(PAGE),
        };
        let (bytes, trailer) = self.index().encode(footing);
        let trailer_at = self.capacity.saturating_sub(TRAILER_BYTES);
        if footing.at + bytes.len() as u64 > trailer_at {
            self.drop_index()?;
            let reason = "the segment has no room for its index";
            return Err(io::Error::new(io::ErrorKind::StorageFull, reason));
        }
        self.file.write_at(&bytes, footing.at)?;
        self.file.write_at(&trailer, trailer_at)?;
        self.file.sync()?;
        let index =
            SealedIndex::of_encoded(&bytes, &trailer, self.base).map_err(io::Error::other)?;
        if self.sealed.set(index).is_ok() {
            *self.index_mut() = ActiveIndex::new();
        }
        Ok(())
    }

    /// Makes sure that no start takes an index from disk: one that was not trusted may speak of
    /// topics by numbers that mean others by now.
    pub(crate) fn drop_index(&self) -> io::Result<()> {
        let mut page = [0; TRAILER_BYTES as usize];
        let at = self.capacity.saturating_sub(TRAILER_BYTES);
        self.file.read_at(&mut page, at)?;
        // Where the file was cut off, records lie there.
        if !SealedIndex::begins_trailer(&page) {
            return Ok(());
        }
        self.file.write_at(&[0; TRAILER_BYTES as usize], at)?;
        self.file.sync()
    }

    /// Where the events end that are visible.
    fn written(&self) -> u64 {
        let end =
            |last: &Entry| u64::from(last.offset) + (EVENT_HEADER + pad4(last.len as usize)) as u64;
        self.index().last().map_or(0, end)
    }

    fn source(&self, stable: u64) -> Source<'_> {
        Source {
            file: &*self.file,
            incarnation: self.incarnation,
            capacity: self.capacity,
            stable,
        }
    }

    fn known(&self) -> Known<'_> {
        if let Some(sealed) = self.sealed.get() {
            return Known::Sealed(sealed);
        }
        let active = self.index();
        // It may have been sealed, and emptied, before it was locked.
        match self.sealed.get() {
            Some(sealed) => Known::Sealed(sealed),
            None => Known::Active(active),
        }
    }

    fn lookup<'a>(&'a self, cache: &'a Cache, index: &'a SealedIndex) -> Lookup<'a> {
        Lookup {
            index,
            cache,
            source: self.source(self.capacity),
        }
    }

    /// The seq of a number.
    pub(crate) fn seq(&self, number: u32) -> Seq {
        Seq(self.base.0.saturating_add(u64::from(number)))
    }

    /// The number of a seq; of one outside the segment, the nearest that no event has or the first.
    fn number(&self, seq: Seq) -> u32 {
        u32::try_from(seq.0.saturating_sub(self.base.0)).unwrap_or(u32::MAX)
    }

    /// The first number after a seq.
    fn number_after(&self, after: Seq) -> u32 {
        if after < self.base {
            0
        } else {
            self.number(after).saturating_add(1)
        }
    }

    /// The last seq that the segment stands for; the one before its first when it has no event.
    pub(crate) fn last(&self) -> Seq {
        let number = match self.known() {
            Known::Active(index) => index.last().map(|last| last.number),
            Known::Sealed(index) => index.last(),
        };
        let last = number.map_or_else(|| self.base.previous(), |number| self.seq(number));
        last.max(self.compacted_through)
    }

    /// Whether it stands in the place of the one that began there.
    pub(crate) fn stands_for(&self, base: Seq) -> bool {
        self.base < base && base <= self.compacted_through
    }

    /// The seq after those it stands for, given the one after its last event.
    pub(crate) fn next_after(&self, next: Seq) -> Seq {
        if self.is_compacted() {
            next.max(self.compacted_through.next())
        } else {
            next
        }
    }

    /// Whether its index lies on disk.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.get().is_some()
    }

    /// Whether events were left out of it on purpose.
    pub(crate) fn is_compacted(&self) -> bool {
        self.compacted_through > Seq::ZERO
    }

    /// Whether something of it comes after the place.
    pub(crate) fn has_after(&self, after: Seq) -> bool {
        self.last() > after
    }

    /// Where somebody stands who has read all of it, up to a limit.
    pub(crate) fn through(&self, limit: Seq) -> Seq {
        self.last().min(limit)
    }

    /// Events of a topic after a place, oldest first.
    pub(crate) fn places_after(
        &self,
        cache: &Cache,
        topic: u32,
        after: Seq,
        max: usize,
    ) -> Result<Vec<Place>, Unreadable> {
        let from = self.number_after(after);
        match self.known() {
            Known::Active(index) => Ok(index.places_from(topic, from, max)),
            Known::Sealed(index) => self.lookup(cache, index).places_from(topic, from, max),
        }
    }

    /// Events of a topic before a place, newest first.
    pub(crate) fn places_before(
        &self,
        cache: &Cache,
        topic: u32,
        before: Seq,
        max: usize,
    ) -> Result<Vec<Place>, Unreadable> {
        let below = self.number(before);
        match self.known() {
            Known::Active(index) => Ok(index.places_below(topic, below, max)),
            Known::Sealed(index) => self.lookup(cache, index).places_below(topic, below, max),
        }
    }

    /// How many events of a topic come after a place.
    pub(crate) fn count_after(
        &self,
        cache: &Cache,
        topic: u32,
        after: Seq,
    ) -> Result<u64, Unreadable> {
        let from = self.number_after(after);
        match self.known() {
            Known::Active(index) => Ok(index.count_from(topic, from)),
            Known::Sealed(index) => self.lookup(cache, index).count_from(topic, from),
        }
    }

    /// Events after a place, oldest first.
    pub(crate) fn entries_after(
        &self,
        cache: &Cache,
        after: Seq,
        max: usize,
    ) -> Result<Vec<Entry>, Unreadable> {
        let from = self.number_after(after);
        match self.known() {
            Known::Active(index) => Ok(index.entries_from(from, max)),
            Known::Sealed(index) => self.lookup(cache, index).entries_from(from, max),
        }
    }

    /// Events before a place, newest first.
    pub(crate) fn entries_before(
        &self,
        cache: &Cache,
        before: Seq,
        max: usize,
    ) -> Result<Vec<Entry>, Unreadable> {
        let below = self.number(before);
        match self.known() {
            Known::Active(index) => Ok(index.entries_below(below, max)),
            Known::Sealed(index) => self.lookup(cache, index).entries_below(below, max),
        }
    }

    /// The event of a number.
    pub(crate) fn entry(&self, cache: &Cache, number: u32) -> Result<Option<Entry>, Unreadable> {
        match self.known() {
            Known::Active(index) => Ok(index.entry(number)),
            Known::Sealed(index) => self.lookup(cache, index).entry(number),
        }
    }

    /// The number of the last event that was accepted before a time.
    pub(crate) fn last_older_than(
        &self,
        cache: &Cache,
        time: Timestamp,
    ) -> Result<Option<u32>, Unreadable> {
        match self.known() {
            Known::Active(index) => Ok(index.last_older_than(time)),
            Known::Sealed(index) => self.lookup(cache, index).last_older_than(time),
        }
    }
}
