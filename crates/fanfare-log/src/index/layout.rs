//! The index of a sealed segment as it lies in the file:
//!
//! ```text
//! entries    number u32 | offset u32 | len u32 | topic u32 | time u64        by number
//! directory  topic u32 | first posting u32 | count u32 | frame bytes u64     by topic
//! postings   number u32 | offset u32 | len u32                   by topic, then number
//! names      topic u32 | len u16 | name
//! keys       id 16 | fingerprint 32 | seq u64 | count u64 | time u64
//! ends       topic u32 | seq u64
//! forgets    topic u32 | through u64
//! ```
//!
//! The trailer, in a page of its own at the very end of the file, says where it begins and how long
//! each part is. It has one checksum for the checksums of all pages of the index, which a reader
//! keeps, so that a page is verified whenever it is read.

use fanfare_hub::idempotency::{KeyId, KeyRow};
use fanfare_hub::{Seq, Timestamp, TopicName};

use super::{ActiveIndex, Entry, Place};
use crate::bytes::{Reader, put_topic};

/// Tells a trailer from anything else.
pub(super) const MAGIC: &[u8; 8] = b"fanindx\x01";
/// The layout that this code writes. Another one is made anew from the records.
const VERSION: u32 = 1;

/// Bytes of one entry.
pub(super) const ENTRY: usize = 24;
/// Bytes of one row of the directory.
pub(super) const ROW: usize = 20;
/// Bytes of one posting.
pub(super) const PLACE: usize = 12;
/// Bytes of a name besides its characters.
const NAME: usize = 6;
/// Bytes of one idempotency key.
const KEY: usize = 72;
/// Bytes of one end, or of one topic that was forgotten.
const WORD: usize = 12;

/// Bytes that an event adds to an index: an entry and a posting.
pub(crate) const ENTRY_BYTES: u64 = (ENTRY + PLACE) as u64;
/// Bytes that an idempotency key adds.
pub(crate) const KEY_BYTES: u64 = KEY as u64;
/// Bytes that a topic adds at most besides its name: its row, its name, its end, and that it was
/// forgotten.
pub(crate) const TOPIC_BYTES: u64 = (ROW + NAME + 2 * WORD) as u64;
/// Bytes of the trailer: a page, so that it and the index never share one.
pub(crate) const TRAILER_BYTES: u64 = PAGE as u64;
/// Bytes of an index that have a checksum of their own, so that a reader verifies what it reads and
/// no more. It divides the blocks of the cache.
pub(super) const PAGE: usize = 4096;

/// What an index stands on: which segment it belongs to and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footing {
    /// The first seq of the segment.
    pub(crate) base: Seq,
    /// The number from which the checksums of the segment start.
    pub(crate) salt: u32,
    /// Where the index begins in the file.
    pub(crate) at: u64,
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lens {
    pub(super) entries: usize,
    pub(super) topics: usize,
    pub(super) names: usize,
    pub(super) names_bytes: usize,
    pub(super) keys: usize,
    pub(super) ends: usize,
    pub(super) forgets: usize,
}

impl Lens {
    pub(super) fn of(index: &ActiveIndex) -> Self {
        Self {
            entries: index.entries.len(),
            topics: index.topics.len(),
            names: index.names.len(),
            names_bytes: index.names_bytes(),
            keys: index.keys.len(),
            ends: index.ends.len(),
            forgets: index.forgets.len(),
        }
    }

    fn fields(&self) -> [usize; 7] {
        [
            self.entries,
            self.topics,
            self.names,
            self.names_bytes,
            self.keys,
            self.ends,
            self.forgets,
        ]
    }

    /// Where the directory begins.
    pub(super) fn directory(&self) -> usize {
        self.entries.saturating_mul(ENTRY)
    }

    /// Where the postings begin.
    pub(super) fn postings(&self) -> usize {
        self.directory()
            .saturating_add(self.topics.saturating_mul(ROW))
    }

    /// Where the names begin.
    pub(super) fn names(&self) -> usize {
        self.postings()
            .saturating_add(self.entries.saturating_mul(PLACE))
    }

    /// Bytes of the whole index.
    pub(super) fn total(&self) -> usize {
        let words = self.ends.saturating_add(self.forgets).saturating_mul(WORD);
        let after = self.keys.saturating_mul(KEY).saturating_add(words);
        self.names()
            .saturating_add(self.names_bytes)
            .saturating_add(after)
    }
}

/// Bytes of a name with all that belongs to it.
pub(super) fn name_bytes(name: &TopicName) -> usize {
    NAME + name.as_str().len()
}

/// The end of a sealed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) footing: Footing,
    pub(super) lens: Lens,
    /// The checksum of the checksums of the pages.
    pub(super) crc: u32,
}

/// The checksum of each page of an index.
pub(super) fn page_checks(index: &[u8], salt: u32) -> Vec<u32> {
    let pages = index.chunks(PAGE);
    pages
        .map(|page| crc32c::crc32c_append(salt, page))
        .collect()
}

/// One checksum for those of all pages.
pub(super) fn check_of(pages: &[u32], salt: u32) -> u32 {
    let crcs = pages.iter();
    crcs.fold(salt, |crc, page| {
        crc32c::crc32c_append(crc, &page.to_le_bytes())
    })
}

impl Trailer {
    fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE);
        page.extend_from_slice(MAGIC);
        page.extend_from_slice(&VERSION.to_le_bytes());
        page.extend_from_slice(&self.crc.to_le_bytes());
        page.extend_from_slice(&self.footing.base.0.to_le_bytes());
        page.extend_from_slice(&self.footing.at.to_le_bytes());
        for len in self.lens.fields() {
            page.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        }
        let crc = crc32c::crc32c_append(self.footing.salt, &page);
        page.extend_from_slice(&crc.to_le_bytes());
        page.resize(PAGE, 0);
        page
    }

    /// Reads the last page of the file of a segment; `None` when it is no trailer of that segment.
    pub(super) fn parse(page: &[u8], base: Seq, salt: u32) -> Option<Self> {
        let mut fields = Reader(page);
        let is_ours = fields.take(MAGIC.len())? == MAGIC && fields.u32()? == VERSION;
        let crc = fields.u32()?;
        let is_ours = is_ours && fields.seq()? == base;
        let at = fields.u64()?;
        let mut len = || fields.u32().map(|len| len as usize);
        let lens = Lens {
            entries: len()?,
            topics: len()?,
            names: len()?,
            names_bytes: len()?,
            keys: len()?,
            ends: len()?,
            forgets: len()?,
        };
        let covered = page.get(..page.len() - fields.0.len())?;
        let is_whole = crc32c::crc32c_append(salt, covered) == fields.u32()?;
        (is_ours && is_whole).then_some(Self {
            footing: Footing { base, salt, at },
            lens,
            crc,
        })
    }
}

/// The index as it is written, and its trailer.
pub(super) fn encode(index: &ActiveIndex, footing: Footing) -> (Vec<u8>, Vec<u8>) {
    let lens = Lens::of(index);
    let mut buf = Vec::with_capacity(lens.total());
    for entry in &index.entries {
        put_place(&mut buf, entry.place());
        buf.extend_from_slice(&entry.topic.to_le_bytes());
        buf.extend_from_slice(&entry.time.0.to_le_bytes());
    }
    let mut topics: Vec<_> = index.topics.iter().collect();
    topics.sort_unstable_by_key(|postings| postings.topic);
    let mut first = 0_u32;
    for postings in &topics {
        let count = u32::try_from(postings.len()).unwrap_or(u32::MAX);
        buf.extend_from_slice(&postings.topic.to_le_bytes());
        buf.extend_from_slice(&first.to_le_bytes());
        buf.extend_from_slice(&count.to_le_bytes());
        buf.extend_from_slice(&postings.bytes.to_le_bytes());
        first = first.saturating_add(count);
    }
    let positions = topics.iter().flat_map(|postings| postings.positions());
    for entry in positions.filter_map(|position| index.entries.get(position as usize)) {
        put_place(&mut buf, entry.place());
    }
    for (topic, name) in &index.names {
        buf.extend_from_slice(&topic.to_le_bytes());
        put_topic(&mut buf, name);
    }
    for key in &index.keys {
        buf.extend_from_slice(key.id.as_bytes());
        buf.extend_from_slice(&key.fingerprint);
        buf.extend_from_slice(&key.seq.0.to_le_bytes());
        buf.extend_from_slice(&key.count.to_le_bytes());
        buf.extend_from_slice(&key.time.0.to_le_bytes());
    }
    for (topic, seq) in index.ends.iter().chain(&index.forgets) {
        buf.extend_from_slice(&topic.to_le_bytes());
        buf.extend_from_slice(&seq.0.to_le_bytes());
    }
    debug_assert_eq!(
        buf.len(),
        lens.total(),
        "what is written is what was counted"
    );
    let crc = check_of(&page_checks(&buf, footing.salt), footing.salt);
    (buf, Trailer { footing, lens, crc }.encode())
}

fn put_place(buf: &mut Vec<u8>, place: Place) {
    buf.extend_from_slice(&place.number.to_le_bytes());
    buf.extend_from_slice(&place.offset.to_le_bytes());
    buf.extend_from_slice(&place.len.to_le_bytes());
}

/// A row of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) topic: u32,
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) bytes: u64,
}

/// Something of fixed size in the index.
pub(super) trait Fixed: Sized {
    /// Its bytes.
    const BYTES: usize;

    fn parse(fields: &mut Reader<'_>) -> Option<Self>;
}

impl Fixed for Place {
    const BYTES: usize = PLACE;

    fn parse(fields: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            number: fields.u32()?,
            offset: fields.u32()?,
            len: fields.u32()?,
        })
    }
}

impl Fixed for Entry {
    const BYTES: usize = ENTRY;

    fn parse(fields: &mut Reader<'_>) -> Option<Self> {
        let Place {
            number,
            offset,
            len,
        } = Place::parse(fields)?;
        Some(Self {
            number,
            offset,
            len,
            topic: fields.u32()?,
            time: Timestamp(fields.u64()?),
        })
    }
}

impl Fixed for Row {
    const BYTES: usize = ROW;

    fn parse(fields: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            topic: fields.u32()?,
            first: fields.u32()?,
            count: fields.u32()?,
            bytes: fields.u64()?,
        })
    }
}

impl Fixed for KeyRow {
    const BYTES: usize = KEY;

    fn parse(fields: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            id: KeyId::from_bytes(fields.array()?),
            fingerprint: fields.array()?,
            seq: fields.seq()?,
            count: fields.u64()?,
            time: Timestamp(fields.u64()?),
        })
    }
}

impl Fixed for (u32, Seq) {
    const BYTES: usize = WORD;

    fn parse(fields: &mut Reader<'_>) -> Option<Self> {
        Some((fields.u32()?, fields.seq()?))
    }
}

/// The next name.
pub(super) fn parse_name(fields: &mut Reader<'_>) -> Option<(u32, TopicName)> {
    Some((fields.u32()?, fields.topic()?))
}

/// Things of fixed size, one after the other.
pub(super) fn parse_all<T: Fixed>(bytes: &[u8]) -> impl DoubleEndedIterator<Item = T> {
    bytes
        .chunks_exact(T::BYTES)
        .filter_map(|bytes| T::parse(&mut Reader(bytes)))
}
