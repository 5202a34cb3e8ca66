//! The index of a segment that is still written to.

use fanfare_hub::idempotency::KeyRow;
use fanfare_hub::{Seq, Timestamp, TopicName};

use super::layout::{self, Footing};
use super::{Entry, Place, TopicRow};

/// Stands for no place in a table of places.
const NONE: u32 = u32::MAX;

/// The index of a segment that is still written to. Invariant: the numbers of its entries rise.
#[derive(Debug, Default)]
pub(crate) struct ActiveIndex {
    pub(super) entries: Vec<Entry>,
    /// Where the postings of a topic stand in `topics`, by its number: one look instead of a hash
    /// for every event. Numbers of topics are given out densely, so that it stays small.
    slots: Vec<u32>,
    pub(super) topics: Vec<Postings>,
    pub(super) names: Vec<(u32, TopicName)>,
    pub(super) keys: Vec<KeyRow>,
    pub(super) ends: Vec<(u32, Seq)>,
    pub(super) forgets: Vec<(u32, Seq)>,
    names_bytes: usize,
}

/// The events of one topic, as positions among the entries.
#[derive(Debug)]
pub(super) struct Postings {
    pub(super) topic: u32,
    /// The first one, so that a topic with a single event allocates nothing.
    first: u32,
    rest: Vec<u32>,
    /// Bytes of their frames.
    pub(super) bytes: u64,
}

impl Postings {
    pub(super) fn len(&self) -> usize {
        1 + self.rest.len()
    }

    pub(super) fn positions(&self) -> impl DoubleEndedIterator<Item = u32> {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    fn last(&self) -> u32 {
        self.rest.last().copied().unwrap_or(self.first)
    }

    /// Splits the positions at the first whose entry has this number or a larger one.
    fn split_at(&self, entries: &[Entry], number: u32) -> (Option<u32>, Option<u32>, usize) {
        let is_before = |position: u32| number_at(entries, position) < number;
        let rest = self.rest.partition_point(|position| is_before(*position));
        if is_before(self.first) {
            (Some(self.first), None, rest)
        } else {
            (None, Some(self.first), rest)
        }
    }
}

fn number_at(entries: &[Entry], position: u32) -> u32 {
    entries
        .get(position as usize)
        .map_or(NONE, |entry| entry.number)
}

impl ActiveIndex {
    /// The index of a segment without events.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds the next event.
    pub(crate) fn push(&mut self, entry: Entry) {
        let is_next = self
            .entries
            .last()
            .is_none_or(|last| last.number < entry.number);
        debug_assert!(is_next, "the numbers of its entries rise");
        let position = u32::try_from(self.entries.len()).unwrap_or(NONE);
        self.entries.push(entry);
        let topic = entry.topic as usize;
        if topic >= self.slots.len() {
            self.slots.resize(topic + 1, NONE);
        }
        let slot = &mut self.slots[topic];
        if let Some(postings) = self.topics.get_mut(*slot as usize) {
            postings.rest.push(position);
            postings.bytes += u64::from(entry.len);
        } else {
            *slot = u32::try_from(self.topics.len()).unwrap_or(NONE);
            self.topics.push(Postings {
                topic: entry.topic,
                first: position,
                rest: Vec::new(),
                bytes: u64::from(entry.len),
            });
        }
    }

    /// Notes the name of a topic that no earlier segment used.
    pub(crate) fn name(&mut self, topic: u32, name: &TopicName) {
        self.names_bytes += layout::name_bytes(name);
        self.names.push((topic, name.clone()));
    }

    /// Notes the idempotency key of a record.
    pub(crate) fn key(&mut self, key: KeyRow) {
        self.keys.push(key);
    }

    /// Notes that a topic was ended.
    pub(crate) fn end(&mut self, topic: u32, at: Seq) {
        self.ends.push((topic, at));
    }

    /// Notes that a topic was forgotten.
    pub(crate) fn forget(&mut self, topic: u32, through: Seq) {
        self.forgets.push((topic, through));
    }

    /// Bytes that [`Self::encode`] would come to.
    pub(crate) fn encoded_len(&self) -> usize {
        layout::Lens::of(self).total()
    }

    /// Bytes of the names on disk.
    pub(super) fn names_bytes(&self) -> usize {
        self.names_bytes
    }

    /// The index as it is written, and the trailer that goes to the end of the file.
    pub(crate) fn encode(&self, footing: Footing) -> (Vec<u8>, Vec<u8>) {
        layout::encode(self, footing)
    }

    /// The last event.
    pub(crate) fn last(&self) -> Option<&Entry> {
        self.entries.last()
    }

    /// What it holds of each topic, in no order.
    pub(crate) fn topics(&self) -> Vec<TopicRow> {
        let rows = self.topics.iter().map(|postings| TopicRow {
            topic: postings.topic,
            count: u32::try_from(postings.len()).unwrap_or(u32::MAX),
            bytes: postings.bytes,
            first: number_at(&self.entries, postings.first),
            last: number_at(&self.entries, postings.last()),
        });
        rows.collect()
    }

    fn postings(&self, topic: u32) -> Option<&Postings> {
        let slot = *self.slots.get(topic as usize)?;
        self.topics.get(slot as usize)
    }

    fn place(&self, position: u32) -> Option<Place> {
        self.entries.get(position as usize).map(Entry::place)
    }

    /// Events of a topic from a number on, oldest first.
    pub(crate) fn places_from(&self, topic: u32, from: u32, max: usize) -> Vec<Place> {
        let Some(postings) = self.postings(topic) else {
            return Vec::new();
        };
        let (_, first, rest) = postings.split_at(&self.entries, from);
        let rest = postings.rest.get(rest..).unwrap_or_default();
        let positions = first.into_iter().chain(rest.iter().copied());
        positions
            .take(max)
            .filter_map(|position| self.place(position))
            .collect()
    }

    /// Events of a topic below a number, newest first.
    pub(crate) fn places_below(&self, topic: u32, below: u32, max: usize) -> Vec<Place> {
        let Some(postings) = self.postings(topic) else {
            return Vec::new();
        };
        let (first, _, rest) = postings.split_at(&self.entries, below);
        let rest = postings.rest.get(..rest).unwrap_or_default();
        let positions = first.into_iter().chain(rest.iter().copied()).rev();
        positions
            .take(max)
            .filter_map(|position| self.place(position))
            .collect()
    }

    /// How many events of a topic there are from a number on.
    pub(crate) fn count_from(&self, topic: u32, from: u32) -> u64 {
        self.postings(topic).map_or(0, |postings| {
            let (first, _, rest) = postings.split_at(&self.entries, from);
            (postings.len() - rest - usize::from(first.is_some())) as u64
        })
    }

    fn split(&self, number: u32) -> (&[Entry], &[Entry]) {
        self.entries
            .split_at(self.entries.partition_point(|entry| entry.number < number))
    }

    /// Events from a number on, oldest first.
    pub(crate) fn entries_from(&self, from: u32, max: usize) -> Vec<Entry> {
        let (_, later) = self.split(from);
        later.iter().take(max).copied().collect()
    }

    /// Events below a number, newest first.
    pub(crate) fn entries_below(&self, below: u32, max: usize) -> Vec<Entry> {
        let (earlier, _) = self.split(below);
        earlier.iter().rev().take(max).copied().collect()
    }

    /// The event of a number.
    pub(crate) fn entry(&self, number: u32) -> Option<Entry> {
        let (_, later) = self.split(number);
        later
            .first()
            .filter(|entry| entry.number == number)
            .copied()
    }

    /// The last event that was accepted before a time, which need not be older than all after it:
    /// the clock may have been set back.
    pub(crate) fn last_older_than(&self, time: Timestamp) -> Option<u32> {
        let older = self.entries.iter().rev().find(|entry| entry.time < time);
        older.map(|entry| entry.number)
    }
}
