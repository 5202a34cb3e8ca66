//! Reading events from their places: neighbours together, each one verified, and their frames one
//! behind the other, as who sends them wants them.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use fanfare_hub::events::{Row, Run};
use fanfare_hub::{Epoch, Seq};

use super::{Known, Segment};
use crate::cache::{BLOCK_BYTES, Cache, Source, gather, in_block};
use crate::index::Place;
use crate::record::{self, EVENT_HEADER};

/// Places that are read together. As much as one read of the disk gives.
const RUN_BYTES_MAX: u64 = 256 << 10;
/// Longer runs that are mostly events of the reader pass the cache by: a replay would only push out
/// what others read, and the system has in memory what one of the same topic read before.
const CACHED_BYTES_MAX: u64 = 32 << 10;
/// What stands before the epoch in every frame.
const ID_FIELD: &[u8] = b"id: ";

thread_local! {
    /// What was read past the cache, until the frames are copied out of it. Kept, because memory
    /// that is given back and asked for again is zeroed each time. [`RUN_BYTES_MAX`] at most.
    static PASSING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What stands in the place of an event is not that event, or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DamagedEvent {
    pub(crate) seq: Seq,
}

/// Events that were read so far, perhaps of several segments.
pub(crate) struct Gathered {
    /// The epoch that frames have to show.
    epoch_now: Epoch,
    rows: Vec<Row>,
    frames: Vec<u8>,
    /// One event that spans blocks.
    spanning: Vec<u8>,
}

impl Gathered {
    /// None yet; the ids will be those of an epoch.
    pub(crate) fn new(epoch_now: Epoch) -> Self {
        Self {
            epoch_now,
            rows: Vec::new(),
            frames: Vec::new(),
            spanning: Vec::new(),
        }
    }

    /// All that were read; who gathered them knows the topics.
    pub(crate) fn finish(self) -> Run {
        Run {
            rows: self.rows,
            topics: Vec::new(),
            frames: self.frames.into(),
        }
    }
}

impl Segment {
    /// Reads the events at these places, each with the number of its topic, up to the first that is
    /// damaged.
    pub(crate) fn gather(
        &self,
        cache: &Cache,
        places: &[(Place, usize)],
        into: &mut Gathered,
    ) -> Result<(), DamagedEvent> {
        let stable = match self.known() {
            Known::Active(_) => None,
            Known::Sealed(_) => Some(self.capacity),
        };
        let source = self.source(stable.unwrap_or_else(|| self.written()));
        into.rows.reserve(places.len());
        let mut gathering = Gathering {
            segment: self,
            cache,
            source,
            into,
        };
        let mut rest = places;
        while !rest.is_empty() {
            let (run, later) = rest.split_at(run_of(rest));
            gathering.run(run)?;
            rest = later;
        }
        Ok(())
    }
}

/// Where the event at a place ends.
fn end(place: &Place) -> u64 {
    u64::from(place.offset) + EVENT_HEADER as u64 + u64::from(place.len)
}

/// How many of the places, at least one, lie near enough to each other to be read together.
fn run_of(places: &[(Place, usize)]) -> usize {
    let Some((first, _)) = places.first() else {
        return 0;
    };
    let start = u64::from(first.offset);
    let mut so_far = end(first);
    let near = places.iter().skip(1).take_while(|(place, _)| {
        let is_near = u64::from(place.offset) >= start
            && u64::from(place.offset) <= so_far.saturating_add(BLOCK_BYTES)
            && end(place) <= start + RUN_BYTES_MAX;
        so_far = so_far.max(end(place));
        is_near
    });
    1 + near.count()
}

/// Events on their way from one segment.
struct Gathering<'a> {
    segment: &'a Segment,
    cache: &'a Cache,
    source: Source<'a>,
    into: &'a mut Gathered,
}

impl Gathering<'_> {
    fn run(&mut self, run: &[(Place, usize)]) -> Result<(), DamagedEvent> {
        let start = run.first().map_or(0, |(place, _)| u64::from(place.offset));
        let stop = run.iter().map(|(place, _)| end(place)).max();
        let len = stop.unwrap_or(start) - start;
        let wanted = run.iter().map(|(place, _)| u64::from(place.len));
        let wanted: u64 = wanted.sum();
        // What is damaged may claim to be of any length; nothing is allocated for that.
        let room = wanted.min(RUN_BYTES_MAX);
        let room = usize::try_from(room).unwrap_or_default();
        self.into.frames.reserve(room);
        let is_replay = len > CACHED_BYTES_MAX && len <= RUN_BYTES_MAX && 2 * wanted >= len;
        let read = match is_replay {
            true => self.pass_by(run, (start, len)),
            false => self.through_cache(run, (start, len)),
        };
        match read {
            Ok(read) => read,
            // One bad sector costs no more than the events in it.
            Err(_) if run.len() > 1 => {
                let mut each = run.iter().map(std::slice::from_ref);
                each.try_for_each(|place| self.run(place))
            }
            Err(error) => {
                tracing::warn!(%error, base = self.segment.base.0, "an event cannot be read");
                let damaged = run.first().map(|(place, _)| self.damaged(place));
                damaged.map_or(Ok(()), Err)
            }
        }
    }

    /// Reads a run as a whole.
    fn pass_by(
        &mut self,
        run: &[(Place, usize)],
        (start, len): (u64, u64),
    ) -> io::Result<Result<(), DamagedEvent>> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        PASSING.with_borrow_mut(|passing| {
            if passing.len() < len {
                passing.resize(len, 0);
            }
            let bytes = passing.get_mut(..len).unwrap_or_default();
            self.source.file.read_at(bytes, start)?;
            Ok(run.iter().try_for_each(|(place, topic)| {
                let skip = usize::try_from(u64::from(place.offset) - start).unwrap_or(usize::MAX);
                let event = bytes.get(skip..).unwrap_or_default();
                self.take(event, place, *topic)
            }))
        })
    }

    /// Reads a run through the cache.
    fn through_cache(
        &mut self,
        run: &[(Place, usize)],
        (start, len): (u64, u64),
    ) -> io::Result<Result<(), DamagedEvent>> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let blocks = self.cache.blocks(self.source, start, len)?;
        let first = start / BLOCK_BYTES;
        Ok(run.iter().try_for_each(|(place, topic)| {
            let skip = u64::from(place.offset) / BLOCK_BYTES - first;
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            self.take_spread(blocks.get(skip..).unwrap_or_default(), place, *topic)
        }))
    }

    /// Takes the event that begins in the first of the blocks.
    fn take_spread(
        &mut self,
        blocks: &[Bytes],
        place: &Place,
        topic: usize,
    ) -> Result<(), DamagedEvent> {
        let start = in_block(u64::from(place.offset));
        let len = EVENT_HEADER.saturating_add(place.len as usize);
        let inside = start..start.saturating_add(len);
        if let Some(bytes) = blocks.first().and_then(|block| block.get(inside)) {
            return self.take(bytes, place, topic);
        }
        let mut spanning = std::mem::take(&mut self.into.spanning);
        spanning.clear();
        let taken = match gather(blocks, start, len, &mut spanning) {
            Some(()) => self.take(&spanning, place, topic),
            None => Err(self.damaged(place)),
        };
        self.into.spanning = spanning;
        taken
    }

    /// Takes the event that the bytes begin with.
    fn take(&mut self, bytes: &[u8], place: &Place, topic: usize) -> Result<(), DamagedEvent> {
        let seq = self.segment.seq(place.number);
        let event = record::parse_event(bytes, seq, self.segment.salt);
        let event = event.filter(|event| event.frame.len() == place.len as usize);
        let taken = event.and_then(|event| {
            let frames = &mut self.into.frames;
            let at = frames.len();
            frames.extend_from_slice(bytes.get(event.frame.clone())?);
            if self.into.epoch_now != self.segment.epoch
                && rewrite_id(frames.get_mut(at..)?, self.into.epoch_now).is_none()
            {
                frames.truncate(at);
                return None;
            }
            self.into.rows.push(Row {
                seq,
                time: event.time,
                kind: event.kind,
                topic,
                end: frames.len(),
            });
            Some(())
        });
        taken.ok_or_else(|| self.damaged(place))
    }

    fn damaged(&self, place: &Place) -> DamagedEvent {
        let seq = self.segment.seq(place.number);
        DamagedEvent { seq }
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
