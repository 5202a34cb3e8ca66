//! Reading events from their places: neighbours together, each one verified, and frames without a
//! copy where that keeps little else in memory.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use fanfare_hub::event::Kind;
use fanfare_hub::{Epoch, Seq, Timestamp};

use super::{Known, Segment};
use crate::cache::{BLOCK_BYTES, Cache, Source, gather, in_block};
use crate::index::Place;
use crate::record::{self, EVENT_HEADER};

/// Places whose blocks are read together. As much as one read of the disk gives.
const RUN_BYTES_MAX: u64 = 256 << 10;
/// Smaller frames are copied: one that is shared keeps its whole block in memory, which is then at
/// most eight times as much.
const SHARED_BYTES_MIN: usize = 2 << 10;
/// What stands before the epoch in every frame.
const ID_FIELD: &[u8] = b"id: ";

/// An event as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) seq: Seq,
    pub(crate) kind: Kind,
    pub(crate) time: Timestamp,
    pub(crate) frame: Bytes,
}

/// What stands in the place of an event is not that event, or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DamagedEvent {
    pub(crate) seq: Seq,
}

/// An event whose frame may still be part of the copies.
struct Read {
    seq: Seq,
    kind: Kind,
    time: Timestamp,
    frame: Frame,
}

enum Frame {
    Shared(Bytes),
    Copied(Range<usize>),
}

/// Events that were read so far.
struct Reading<'a> {
    segment: &'a Segment,
    /// The epoch that the frames have to show, when it is not the one they were written with.
    epoch: Option<Epoch>,
    /// Frames that were copied, one after the other: one allocation for all.
    copies: BytesMut,
    /// One event that spans blocks.
    spanning: Vec<u8>,
    read: Vec<Result<Read, DamagedEvent>>,
}

impl Segment {
    /// The events at these places, with the ids of the present epoch.
    pub(crate) fn events(
        &self,
        cache: &Cache,
        places: &[Place],
        epoch_now: Epoch,
    ) -> Vec<Result<StoredEvent, DamagedEvent>> {
        let stable = match self.known() {
            Known::Active(_) => None,
            Known::Sealed(_) => Some(self.capacity),
        };
        let source = self.source(stable.unwrap_or_else(|| self.written()));
        let mut reading = Reading {
            segment: self,
            epoch: (epoch_now != self.epoch).then_some(epoch_now),
            copies: BytesMut::new(),
            spanning: Vec::new(),
            read: Vec::with_capacity(places.len()),
        };
        let mut rest = places;
        while !rest.is_empty() {
            let (run, later) = rest.split_at(run_of(rest));
            reading.run(cache, source, run);
            rest = later;
        }
        reading.finish()
    }
}

/// Where the event at a place ends.
fn end(place: &Place) -> u64 {
    u64::from(place.offset) + EVENT_HEADER as u64 + u64::from(place.len)
}

/// How many of the places, at least one, lie near enough to each other to be read together.
fn run_of(places: &[Place]) -> usize {
    let Some(first) = places.first() else {
        return 0;
    };
    let start = u64::from(first.offset);
    let mut so_far = end(first);
    let near = places.iter().skip(1).take_while(|place| {
        let is_near = u64::from(place.offset) >= start
            && u64::from(place.offset) <= so_far.saturating_add(BLOCK_BYTES)
            && end(place) <= start + RUN_BYTES_MAX;
        so_far = so_far.max(end(place));
        is_near
    });
    1 + near.count()
}

impl Reading<'_> {
    fn run(&mut self, cache: &Cache, source: Source<'_>, run: &[Place]) {
        let start = run.first().map_or(0, |place| u64::from(place.offset));
        let stop = run.iter().map(end).max().unwrap_or(start);
        let len = usize::try_from(stop - start).unwrap_or(usize::MAX);
        match cache.blocks(source, start, len) {
            Ok(blocks) => {
                let first = start / BLOCK_BYTES;
                for place in run {
                    let skip = u64::from(place.offset) / BLOCK_BYTES - first;
                    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                    let event = self.event(blocks.get(skip..).unwrap_or_default(), place);
                    self.read.push(event);
                }
            }
            // One bad sector costs no more than the events in it.
            Err(_) if run.len() > 1 => {
                for place in run {
                    self.run(cache, source, std::slice::from_ref(place));
                }
            }
            Err(error) => {
                tracing::warn!(%error, base = self.segment.base.0, "an event cannot be read");
                let damaged = run.iter().map(|place| {
                    let seq = self.segment.seq(place.number);
                    Err(DamagedEvent { seq })
                });
                self.read.extend(damaged);
            }
        }
    }

    /// The event that begins in the first of the blocks.
    fn event(&mut self, blocks: &[Bytes], place: &Place) -> Result<Read, DamagedEvent> {
        let seq = self.segment.seq(place.number);
        self.parse(blocks, place, seq).ok_or(DamagedEvent { seq })
    }

    fn parse(&mut self, blocks: &[Bytes], place: &Place, seq: Seq) -> Option<Read> {
        let start = in_block(u64::from(place.offset));
        let len = EVENT_HEADER.checked_add(place.len as usize)?;
        let block = blocks.first()?;
        let inside = start..start.checked_add(len)?;
        let whole = block.get(inside);
        let bytes = match whole {
            Some(bytes) => bytes,
            None => {
                self.spanning.clear();
                gather(blocks, start, len, &mut self.spanning)?;
                &self.spanning
            }
        };
        let event = record::parse_event(bytes, seq, self.segment.salt)?;
        let frame = bytes.get(event.frame.clone())?;
        if frame.len() != place.len as usize {
            return None;
        }
        let is_shared = whole.is_some() && self.epoch.is_none() && frame.len() >= SHARED_BYTES_MIN;
        let frame = if is_shared {
            Frame::Shared(block.slice_ref(frame))
        } else {
            let at = self.copies.len();
            self.copies.extend_from_slice(frame);
            let copy = self.copies.get_mut(at..)?;
            if let Some(epoch) = self.epoch {
                rewrite_id(copy, epoch)?;
            }
            Frame::Copied(at..self.copies.len())
        };
        Some(Read {
            seq,
            kind: event.kind,
            time: event.time,
            frame,
        })
    }

    fn finish(self) -> Vec<Result<StoredEvent, DamagedEvent>> {
        let copies = self.copies.freeze();
        let read = self.read.into_iter().map(|read| {
            read.map(|read| StoredEvent {
                seq: read.seq,
                kind: read.kind,
                time: read.time,
                frame: match read.frame {
                    Frame::Shared(frame) => frame,
                    Frame::Copied(range) => copies.slice(range),
                },
            })
        });
        read.collect()
    }
}

/// Writes another epoch into the id line that a frame begins with; `None` when there is none.
fn rewrite_id(frame: &mut [u8], epoch: Epoch) -> Option<()> {
    if !frame.starts_with(ID_FIELD) {
        return None;
    }
    let old = frame.get_mut(ID_FIELD.len()..ID_FIELD.len() + Epoch::LEN)?;
    old.copy_from_slice(epoch.as_str().as_bytes());
    Some(())
}
