//! Compaction: neighbouring segments of which retention has left little are written anew as one
//! small file, so that a few quiet topics do not keep the whole log on disk.
//!
//! The new file stands for the same seqs. What was dropped is not in it, which the floors of the
//! topics tell: so the memo is written before the file takes the name of the first of the
//! segments, and only then the others are removed; a start that finds them removes them itself.

use std::io;
use std::sync::Arc;

use fanfare_hub::events::Row;
use fanfare_hub::{Seq, TopicName};

use super::Keeper;
use crate::header::{HEADER_BYTES, Header, file_name};
use crate::index::{ENTRY_BYTES, Entry, KEY_BYTES, TOPIC_BYTES, TRAILER_BYTES};
use crate::options::COMPACT_SHARE;
use crate::record::{Encoder, HEADER, Holds, Opening};
use crate::segment::{Gathered, Segment};
use crate::view::View;

/// Where the new file is written before it takes a segment's name.
pub(crate) const COMPACT_NAME: &str = "compact";
/// Events that are copied between two looks at who is still kept.
const COPY_EVENTS_MAX: usize = 1_024;

impl Keeper {
    /// Compacts the first run of segments that is worth it.
    pub(super) fn compact(&self) {
        let run = self.run_to_compact();
        if run.is_empty() {
            return;
        }
        match self.compact_run(&run) {
            Ok(compacted) => {
                let count = run.len();
                self.shared.view_mut().replace_segments(&run, compacted);
                for segment in &run[1..] {
                    drop(self.shared.storage.remove(&file_name(segment.base)));
                }
                tracing::debug!(segments = count, "segments were compacted");
            }
            Err(error) => tracing::warn!(%error, "segments could not be compacted"),
        }
    }

    /// Neighbours of which so little is kept that all of it fits into half a segment.
    fn run_to_compact(&self) -> Vec<Arc<Segment>> {
        let view = self.shared.view();
        let sealed = view.segments.len().saturating_sub(1);
        let skipped = view.dead_segments();
        let room = self.shared.segment_bytes / 2;
        let (mut run, mut bytes): (Vec<Arc<Segment>>, u64) = (Vec::new(), 0);
        for segment in view.segments.iter().take(sealed).skip(skipped) {
            let kept = kept_bytes(&view, segment);
            let is_sparse = segment.is_sealed() && kept * COMPACT_SHARE <= segment.capacity;
            let belongs = is_sparse || (segment.is_compacted() && !run.is_empty());
            let belongs = belongs && !has_hole(&view, segment.base);
            if belongs && bytes + kept <= room {
                run.push(Arc::clone(segment));
                bytes += kept;
                continue;
            }
            if is_worth_it(&run) {
                return run;
            }
            (run, bytes) = (Vec::new(), 0);
        }
        if is_worth_it(&run) { run } else { Vec::new() }
    }

    fn compact_run(&self, run: &[Arc<Segment>]) -> io::Result<Arc<Segment>> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let storage = &*self.shared.storage;
        let (buf, entries) = self.copy(run, first)?;
        // Not before: events are dropped while others are copied, and the floors tell of them, too.
        self.write_memo()?;
        let keys: Vec<_> = {
            let keys = self.shared.keys();
            let rows = keys.rows();
            let rows = rows.filter(|row| row.seq >= first.base && row.seq <= last.last());
            rows.cloned().collect()
        };
        let index =
            entries.len() as u64 * (ENTRY_BYTES + TOPIC_BYTES) + keys.len() as u64 * KEY_BYTES;
        let capacity = (buf.len() as u64).next_multiple_of(4096) + index.next_multiple_of(4096);
        let capacity = capacity + 4096 + TRAILER_BYTES;
        let file = storage.create(COMPACT_NAME, capacity)?;
        let header = Header {
            base: first.base,
            epoch: self.shared.epoch,
            identity: file.identity()?,
            compacted_through: last.last(),
        };
        file.write_at(&header.encode(), 0)?;
        file.write_at(&buf[HEADER_BYTES..], HEADER_BYTES as u64)?;
        let segment = Segment::active(&header, file, capacity);
        {
            let mut index = segment.index_mut();
            entries.into_iter().for_each(|entry| index.push(entry));
            keys.into_iter().for_each(|key| index.key(key));
        }
        segment.seal(buf.len() as u64)?;
        storage.rename(COMPACT_NAME, &file_name(first.base))?;
        storage.sync_names()?;
        Ok(Arc::new(segment))
    }

    /// Copies what is kept of the segments, event by event. The buffer begins where the file does.
    fn copy(&self, run: &[Arc<Segment>], first: &Segment) -> io::Result<(Vec<u8>, Vec<Entry>)> {
        let mut buf = vec![0; HEADER_BYTES];
        let mut entries = Vec::new();
        for segment in run {
            let mut after = segment.base.previous();
            loop {
                let some = segment
                    .entries_after(&self.shared.cache, after, COPY_EVENTS_MAX)
                    .map_err(io::Error::other)?;
                let Some(newest) = some.last() else { break };
                after = segment.seq(newest.number);
                let kept = self.kept(segment, &some);
                let places: Vec<_> = kept.iter().map(|(entry, _)| (entry.place(), 0)).collect();
                let mut events = Gathered::new(self.shared.epoch);
                // What is damaged stays where it is: it may be readable another time.
                segment
                    .gather(&self.shared.cache, &places, &mut events)
                    .map_err(|_damaged| io::Error::other("an event is damaged"))?;
                let events = events.finish();
                let mut start = 0;
                for ((entry, topic), row) in kept.iter().zip(&events.rows) {
                    let frame = events.frames.get(start..row.end).unwrap_or_default();
                    start = row.end;
                    let at = put(&mut buf, first.salt, (topic, row, frame));
                    entries.push(Entry {
                        number: u32::try_from(row.seq.0 - first.base.0)
                            .map_err(io::Error::other)?,
                        offset: u32::try_from(at).map_err(io::Error::other)?,
                        ..*entry
                    });
                }
            }
        }
        buf.resize(buf.len() + HEADER, 0);
        Ok((buf, entries))
    }

    /// Those of the events that are kept, with their topics.
    fn kept(&self, segment: &Segment, entries: &[Entry]) -> Vec<(Entry, TopicName)> {
        let view = self.shared.view();
        let kept = entries.iter().filter_map(|entry| {
            let topic = view.topics.by_id(entry.topic)?;
            let is_kept = topic.events > 0 && topic.floor.through < segment.seq(entry.number);
            is_kept.then(|| (*entry, topic.name.clone()))
        });
        kept.collect()
    }
}

/// Writes one event as a record of its own; answers where its header lies.
fn put(buf: &mut Vec<u8>, salt: u32, event: (&TopicName, &Row, &[u8])) -> usize {
    let (topic, row, frame) = event;
    let opening = Opening {
        holds: Holds::Events,
        seq: row.seq,
        // All of it was durable long ago; a record says less than its own seq.
        durable: row.seq.previous(),
        events: 1,
        topic,
        key: None,
    };
    let mut encoder = Encoder::begin(buf, salt, &opening);
    let at = encoder.event(row.kind, row.time, frame);
    encoder.finish();
    at
}

/// About how many bytes of a segment's file are kept.
fn kept_bytes(view: &View, segment: &Segment) -> u64 {
    let span = segment.last().0.saturating_sub(segment.base.previous().0);
    let live = view.live_of(segment.base);
    if segment.is_compacted() || span == 0 {
        return segment.capacity;
    }
    // In 128 bits: bytes times events may be more than 64 hold.
    let bytes = u128::from(segment.capacity) * u128::from(live) / u128::from(span);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Whether something was lost in the segment that starts there, or behind it: in a compacted one it
/// would look as if it had been left out on purpose, and nobody would be told.
fn has_hole(view: &View, base: Seq) -> bool {
    let next = view
        .segments
        .partition_point(|segment| segment.base <= base);
    let end = view
        .segments
        .get(next)
        .map_or(Seq(u64::MAX), |segment| segment.base);
    let mut holes = view.holes.iter();
    holes.any(|hole| hole.from < end && hole.through >= base)
}

fn is_worth_it(run: &[Arc<Segment>]) -> bool {
    run.iter().any(|segment| !segment.is_compacted())
}
