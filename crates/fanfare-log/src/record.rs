//! What one publish looks like on disk: a record that is there whole or not at all, with its events
//! inside, each of which can be read and verified by itself.
//!
//! ```text
//! record        | event header | frame | pad | event header | frame | pad | ...
//! ^ header, topic, key          ^ every event starts at a multiple of 4, a record at one of 8
//! ```
//!
//! All numbers are little endian. Every checksum is a CRC-32C that starts from the salt of the
//! segment, so that what a recycled file still holds of its earlier life never verifies.

use std::ops::Range;

use crc32c::crc32c_append;
use fanfare_hub::event::Kind;
use fanfare_hub::idempotency::{KeyId, KeyRow};
use fanfare_hub::log::Batch;
use fanfare_hub::{EventId, Seq, Timestamp, TopicName};

/// Bytes of a record's header, before topic and key.
pub(crate) const HEADER: usize = 40;
/// Bytes of an event's header: length, checksum, time, kind.
pub(crate) const EVENT_HEADER: usize = 20;
/// Bytes of the key of a publish that is safe to retry.
const KEY: usize = 64;
/// Records start at multiples of this, so that a search for one after damage is short.
pub(crate) const ALIGN: usize = 8;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Holds {
    /// Events of one topic.
    Events = 1,
    /// The word that a topic was forgotten: all its events before the record's seq are dropped.
    Forget = 2,
}

/// The header of a record, and where its parts lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the whole record.
    pub(crate) bytes: usize,
    /// What it holds.
    pub(crate) holds: Holds,
    /// The seq of its first event; of a control record, the next seq there will be.
    pub(crate) seq: Seq,
    /// Everything up to here was durable before the record was written.
    pub(crate) durable: Seq,
    /// How many events it has.
    pub(crate) events: u32,
    /// Where the events are stored.
    pub(crate) topic: TopicName,
    /// What makes it safe to retry.
    pub(crate) key: Option<KeyRow>,
    /// Where the first event starts within the record.
    pub(crate) events_at: usize,
}

/// The salt of the segment that starts with this seq.
pub(crate) fn salt(base: Seq) -> u32 {
    crc32c::crc32c(&base.0.to_le_bytes())
}

/// The next multiple of 4.
pub(crate) fn pad4(len: usize) -> usize {
    (len + 3) & !3
}

fn pad8(len: usize) -> usize {
    (len + ALIGN - 1) & !(ALIGN - 1)
}

/// How many bytes the record of a batch takes at most.
pub(crate) fn bytes_max(batch: &Batch) -> u64 {
    let events = batch.events.iter();
    // The id line is not counted by an encoded event, hence the longest one for each.
    let frames: u64 = events
        .map(|(encoded, _)| (encoded.len() + EVENT_HEADER + EventId::TEXT_BYTES_MAX + 9) as u64)
        .sum();
    (HEADER + KEY + pad4(batch.topic.as_str().len()) + ALIGN) as u64 + frames
}

/// Writes records one after the other into a buffer.
pub(crate) struct Encoder<'a> {
    buf: &'a mut Vec<u8>,
    salt: u32,
    /// Where the record starts in the buffer.
    start: usize,
    /// The checksum of everything so far but the length and itself.
    crc: u32,
    events: u32,
    next: Seq,
}

/// What a record starts with.
pub(crate) struct Opening<'a> {
    pub(crate) holds: Holds,
    pub(crate) seq: Seq,
    pub(crate) durable: Seq,
    pub(crate) events: u32,
    pub(crate) topic: &'a TopicName,
    pub(crate) key: Option<&'a KeyRow>,
}

impl<'a> Encoder<'a> {
    /// Begins a record at the end of the buffer.
    pub(crate) fn begin(buf: &'a mut Vec<u8>, salt: u32, opening: &Opening<'_>) -> Self {
        let start = buf.len();
        let topic = opening.topic.as_str().as_bytes();
        let topic_bytes = u16::try_from(topic.len()).unwrap_or(u16::MAX);
        buf.extend_from_slice(&[0; 8]);
        buf.extend_from_slice(&opening.seq.0.to_le_bytes());
        buf.extend_from_slice(&opening.durable.0.to_le_bytes());
        buf.extend_from_slice(&opening.events.to_le_bytes());
        buf.push(opening.holds as u8);
        buf.push(u8::from(opening.key.is_some()));
        buf.extend_from_slice(&topic_bytes.to_le_bytes());
        // Room for what a later version may need.
        buf.extend_from_slice(&[0; 8]);
        buf.extend_from_slice(topic);
        buf.resize(start + HEADER + pad4(topic.len()), 0);
        if let Some(key) = opening.key {
            buf.extend_from_slice(key.id.as_bytes());
            buf.extend_from_slice(&key.fingerprint);
            buf.extend_from_slice(&key.count.to_le_bytes());
            buf.extend_from_slice(&key.time.0.to_le_bytes());
        }
        let crc = crc32c_append(salt, &buf[start + 8..]);
        Self {
            buf,
            salt,
            start,
            crc,
            events: opening.events,
            next: opening.seq,
        }
    }

    /// Adds the next event. Answers where its header lies in the buffer.
    pub(crate) fn event(&mut self, kind: Kind, time: Timestamp, frame: &[u8]) -> usize {
        let at = self.buf.len();
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let mut header = [0; EVENT_HEADER];
        header[..4].copy_from_slice(&len.to_le_bytes());
        header[8..16].copy_from_slice(&time.0.to_le_bytes());
        header[16..].copy_from_slice(&code(kind).to_le_bytes());
        let crc = event_crc(self.salt, self.next, &header, frame);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
        self.crc = crc32c_append(self.crc, &header);
        self.buf.extend_from_slice(&header);
        self.buf.extend_from_slice(frame);
        self.buf.resize(at + EVENT_HEADER + pad4(frame.len()), 0);
        self.next = self.next.next();
        self.events -= 1;
        at
    }

    /// Completes the record.
    pub(crate) fn finish(self) {
        debug_assert_eq!(self.events, 0, "a record has the events it says");
        let end = self.start + pad8(self.buf.len() - self.start);
        self.buf.resize(end, 0);
        let bytes = u32::try_from(end - self.start).unwrap_or(u32::MAX);
        let crc = crc32c_append(self.crc, &bytes.to_le_bytes());
        self.buf[self.start..self.start + 4].copy_from_slice(&bytes.to_le_bytes());
        self.buf[self.start + 4..self.start + 8].copy_from_slice(&crc.to_le_bytes());
    }
}

fn code(kind: Kind) -> u32 {
    match kind {
        Kind::Published => 1,
        Kind::End => 2,
    }
}

fn event_crc(salt: u32, seq: Seq, header: &[u8; EVENT_HEADER], frame: &[u8]) -> u32 {
    // One run over 20 bytes: the seq, which no header holds, then time and kind.
    let mut fields = [0; 20];
    fields[..8].copy_from_slice(&seq.0.to_le_bytes());
    fields[8..].copy_from_slice(&header[8..]);
    crc32c_append(crc32c_append(salt, &fields), frame)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// An event as it was read back: its kind, its time, and where its frame lies in the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParsedEvent {
    pub(crate) kind: Kind,
    pub(crate) time: Timestamp,
    pub(crate) frame: Range<usize>,
}

/// Reads an event whose header starts the bytes; `None` when it is not the event of that seq.
pub(crate) fn parse_event(bytes: &[u8], seq: Seq, salt: u32) -> Option<ParsedEvent> {
    let header: &[u8; EVENT_HEADER] = bytes.get(..EVENT_HEADER)?.try_into().ok()?;
    let len = u32_at(header, 0)? as usize;
    let frame = EVENT_HEADER..EVENT_HEADER.checked_add(len)?;
    let is_whole = event_crc(salt, seq, header, bytes.get(frame.clone())?) == u32_at(header, 4)?;
    let kind = match u32_at(header, 16)? {
        1 => Kind::Published,
        2 => Kind::End,
        _ => return None,
    };
    is_whole.then_some(ParsedEvent {
        kind,
        time: Timestamp(u64_at(header, 8)?),
        frame,
    })
}

/// The length that the record at the start of the bytes says it has; `None` when it cannot be a
/// record, because nothing was written there or something else.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let len = u32_at(bytes, 0)? as usize;
    (len >= HEADER && len.is_multiple_of(ALIGN)).then_some(len)
}

/// The seq and the durable seq that a record claims, before anything of it was verified.
pub(crate) fn claims(bytes: &[u8]) -> Option<(Seq, Seq)> {
    Some((Seq(u64_at(bytes, 8)?), Seq(u64_at(bytes, 16)?)))
}

/// Reads the record at the start of the bytes and verifies all of it but the frames; `None` when it
/// is not whole.
pub(crate) fn parse(bytes: &[u8], salt: u32) -> Option<Head> {
    let len = length(bytes)?;
    let record = bytes.get(..len)?;
    let topic_bytes = usize::from(u16::from_le_bytes(record.get(30..32)?.try_into().ok()?));
    let has_key = record[29] == 1;
    let topic_end = HEADER + pad4(topic_bytes);
    let events_at = topic_end + if has_key { KEY } else { 0 };
    let events = u32_at(record, 24)?;
    let mut crc = crc32c_append(salt, record.get(8..events_at)?);
    let mut at = events_at;
    for _ in 0..events {
        let header = record.get(at..at.checked_add(EVENT_HEADER)?)?;
        crc = crc32c_append(crc, header);
        at = at.checked_add(EVENT_HEADER + pad4(u32_at(header, 0)? as usize))?;
    }
    if pad8(at) != len || crc32c_append(crc, &record[..4]) != u32_at(record, 4)? {
        return None;
    }
    let name = std::str::from_utf8(record.get(HEADER..HEADER + topic_bytes)?).ok()?;
    let seq = Seq(u64_at(record, 8)?);
    let key = if has_key {
        Some(key_row(record.get(topic_end..)?, seq, events)?)
    } else {
        None
    };
    Some(Head {
        bytes: len,
        holds: match record[28] {
            1 => Holds::Events,
            2 => Holds::Forget,
            _ => return None,
        },
        seq,
        durable: Seq(u64_at(record, 16)?),
        events,
        topic: TopicName::stored(name)?,
        key,
        events_at,
    })
}

fn key_row(key: &[u8], seq: Seq, events: u32) -> Option<KeyRow> {
    Some(KeyRow {
        id: KeyId::from_bytes(key.get(..16)?.try_into().ok()?),
        fingerprint: key.get(16..48)?.try_into().ok()?,
        seq: Seq(seq.0.checked_add(u64::from(events))?.checked_sub(1)?),
        count: u64_at(key, 48)?,
        time: Timestamp(u64_at(key, 56)?),
    })
}

/// The events of a record: where each header lies within the record, and the length of its frame.
pub(crate) fn events<'a>(
    record: &'a [u8],
    head: &Head,
) -> impl Iterator<Item = (usize, usize)> + use<'a> {
    let mut at = head.events_at;
    (0..head.events).map_while(move |_| {
        let len = u32_at(record, at)? as usize;
        let place = at;
        at += EVENT_HEADER + pad4(len);
        Some((place, len))
    })
}
