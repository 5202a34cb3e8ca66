//! Questions to all segments at once: where the events of a topic lie, and which come next.
//!
//! Every answer comes from indexes, through the shared cache; a part that cannot be read is told as
//! such, never passed over in silence.

use std::sync::Arc;

use fanfare_hub::{Seq, Timestamp};

use crate::cache::Cache;
use crate::index::Entry;
use crate::segment::Segment;
use crate::view::Candidate;

/// All segments of one moment, oldest first.
pub(crate) struct Shelf<'a> {
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    pub(crate) cache: &'a Cache,
}

impl Shelf<'_> {
    /// The segments in which something after the place may lie, oldest first.
    pub(crate) fn after(&self, after: Seq) -> &[Arc<Segment>] {
        let later = self
            .segments
            .partition_point(|segment| segment.base <= after.next());
        &self.segments[later.saturating_sub(1)..]
    }

    /// The oldest event of a topic after a place.
    pub(crate) fn oldest_of(&self, topic: u32, after: Seq) -> Option<Candidate> {
        let mut segments = self.after(after).iter();
        segments.find_map(|segment| {
            let places = segment.places_after(self.cache, topic, after, 1).ok()?;
            let place = places.first()?;
            let entry = segment.entry(self.cache, place.number).ok()??;
            Some(candidate(segment, &entry))
        })
    }

    /// The place of that event, when nothing else of it matters.
    pub(crate) fn oldest_seq_of(&self, topic: u32, after: Seq) -> Option<Seq> {
        let mut segments = self.after(after).iter();
        segments.find_map(|segment| {
            let places = segment.places_after(self.cache, topic, after, 1).ok()?;
            Some(segment.seq(places.first()?.number))
        })
    }

    /// The next events of the hub after a place, as many as one segment has.
    pub(crate) fn candidates(&self, after: Seq, max: usize) -> Vec<Candidate> {
        for segment in self.after(after) {
            // What cannot be read holds up nobody: its events are told as lost when they are read.
            let entries = segment
                .entries_after(self.cache, after, max)
                .unwrap_or_default();
            if !entries.is_empty() {
                return entries
                    .iter()
                    .map(|entry| candidate(segment, entry))
                    .collect();
            }
        }
        Vec::new()
    }

    /// How many events of a topic after a place each segment has.
    pub(crate) fn counts_of(&self, topic: u32, after: Seq) -> Vec<(Seq, u64)> {
        let counts = self.after(after).iter().map(|segment| {
            let count = segment.count_after(self.cache, topic, after);
            (segment.base, count.unwrap_or_default())
        });
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// The last event that is older than `since`, over all topics.
    pub(crate) fn last_older_than(&self, since: Timestamp) -> Seq {
        let mut newest_first = self.segments.iter().rev();
        let found = newest_first.find_map(|segment| {
            let number = segment.last_older_than(self.cache, since).ok()??;
            Some(segment.seq(number))
        });
        found.unwrap_or(Seq::ZERO)
    }
}

fn candidate(segment: &Segment, entry: &Entry) -> Candidate {
    Candidate {
        seq: segment.seq(entry.number),
        topic: entry.topic,
        len: entry.len,
        time: entry.time,
    }
}
