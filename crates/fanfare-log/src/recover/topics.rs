//! Putting together what readers may see from what the segments and the memo say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fanfare_hub::drops::Floor;
use fanfare_hub::event::Kind;
use fanfare_hub::idempotency::{IdempotencyIndex, KeyRow};
use fanfare_hub::{Seq, Timestamp, TopicName};

use super::load::{Contents, Loaded};
use super::scan::Scan;
use super::{Active, Findings};
use crate::cache::Cache;
use crate::index::Entry;
use crate::memo::Memo;
use crate::options::Options;
use crate::record::{self, Holds};
use crate::segment::Segment;
use crate::topics::Topics;
use crate::view::{View, cost_bytes};

/// What is put together.
struct Builder {
    view: View,
    /// The name of every number.
    names: HashMap<u32, TopicName>,
    keys: Vec<KeyRow>,
    /// Everything up to here was dropped by the rule of the hub.
    floor: Seq,
    /// Topics that were forgotten or ceased to exist, and through which seq.
    forgets: HashMap<u32, Seq>,
    /// The ends of topics, in order.
    ends: Vec<(u32, Seq)>,
    last_time: Timestamp,
}

/// The view and the keys that the findings come to.
pub(crate) fn build(
    findings: Findings,
    active: &Active,
    options: &Options,
) -> (View, IdempotencyIndex) {
    let mut builder = Builder {
        view: View::new(options.retention.clone(), options.tail_bytes),
        names: HashMap::new(),
        keys: findings.memo.keys.clone(),
        floor: findings.floor,
        forgets: HashMap::new(),
        ends: Vec::new(),
        last_time: Timestamp::default(),
    };
    builder.name_topics(&findings);
    // What was forgotten is known before anything is counted.
    for loaded in &findings.segments {
        builder.read_words(loaded);
    }
    builder.set_floors(&findings.memo);
    for loaded in &findings.segments {
        builder.count(loaded);
    }
    builder.finish(findings, active, options)
}

impl Builder {
    /// Gives every name the number that it has on disk, and numbers to the names that the scanned
    /// records alone know.
    fn name_topics(&mut self, findings: &Findings) {
        let mut names = Names::default();
        for loaded in &findings.segments {
            if let Contents::Indexed(summary) = &loaded.contents {
                for (id, name) in &summary.names {
                    names.put(*id, name);
                }
            }
        }
        // A number is given to another name only after a memo was written that does not mention it:
        // what the memo says holds, whatever an older index says.
        for row in &findings.memo.topics {
            names.put(row.id, &row.name);
        }
        let topics = &mut self.view.topics;
        for (id, name) in &names.by_id {
            topics.assign(*id, name);
        }
        topics.find_free();
        for loaded in &findings.segments {
            if let Contents::Scanned(scan) = &loaded.contents {
                name_scanned(topics, &loaded.segment, scan);
            }
        }
        let names = topics.ids().map(|(name, id)| (id, name.clone()));
        self.names = names.collect();
    }

    /// Takes in what is said about topics and keys.
    fn read_words(&mut self, loaded: &Loaded) {
        let base = loaded.segment.base;
        match &loaded.contents {
            Contents::Indexed(summary) => {
                for (id, through) in &summary.forgets {
                    self.forgets.insert(*id, *through);
                }
                self.ends.extend(summary.ends.iter().copied());
                self.keys.extend(summary.keys.iter().cloned());
                self.last_time = summary.last_time.unwrap_or(self.last_time);
            }
            Contents::Scanned(scan) => {
                let mut index = loaded.segment.index_mut();
                for scanned in &scan.records {
                    let head = &scanned.head;
                    let Some(id) = self.view.topics.id(&head.topic) else {
                        continue;
                    };
                    if head.holds == Holds::Forget {
                        self.forgets.insert(id, head.seq.previous());
                        index.forget(id, head.seq.previous());
                    }
                    if let Some(key) = &head.key {
                        self.keys.push(key.clone());
                        index.key(key.clone());
                    }
                }
                drop(index);
                self.index_events(&loaded.segment, scan, base);
            }
        }
    }

    /// Makes the index of a segment whose records were read.
    fn index_events(&mut self, segment: &Segment, scan: &Scan, base: Seq) {
        let bytes = super::load::read_all(&*segment.file, segment.capacity);
        let mut index = segment.index_mut();
        for scanned in &scan.records {
            let head = &scanned.head;
            let (Some(id), Some(record)) = (
                self.view.topics.id(&head.topic),
                bytes.get(scanned.at..scanned.at + head.bytes),
            ) else {
                continue;
            };
            let seqs = (head.seq.0..).map(Seq);
            for (seq, (place, len)) in seqs.zip(record::events(record, head)) {
                // A damaged one is among the holes.
                let event = record.get(place..);
                let Some(event) =
                    event.and_then(|event| record::parse_event(event, seq, segment.salt))
                else {
                    continue;
                };
                index.push(Entry {
                    number: u32::try_from(seq.0 - base.0).unwrap_or(u32::MAX),
                    offset: u32::try_from(scanned.at + place).unwrap_or(u32::MAX),
                    len: u32::try_from(len).unwrap_or(u32::MAX),
                    topic: id,
                    time: event.time,
                });
                if event.kind == Kind::End {
                    index.end(id, seq);
                    self.ends.push((id, seq));
                }
                self.last_time = event.time;
            }
        }
    }

    /// Sets the floors of the topics that are remembered, and those that were forgotten.
    fn set_floors(&mut self, memo: &Memo) {
        let view = &mut self.view;
        let at_start = |through: Seq| Floor { through, at: 1 };
        view.topics.forgotten = at_start(memo.forgotten);
        for row in &memo.topics {
            if !row.is_open {
                view.topics.assign_closed(row.id, &row.name, row.newest);
                let through = self.forgets.entry(row.id).or_default();
                *through = row.floor.max(*through);
                continue;
            }
            if let Some(topic) = view.open_topic(row.id, &row.name) {
                topic.floor = at_start(row.floor);
                topic.newest = row.newest;
                topic.ended = row.ended;
            }
        }
        for (id, through) in &self.forgets {
            if let Some(topic) = view.topics.by_id_mut(*id) {
                topic.floor.raise(at_start(*through));
                topic.ended = topic.ended.filter(|end| end > through);
            }
        }
    }

    /// Counts the events of a segment.
    fn count(&mut self, loaded: &Loaded) {
        let segment = &loaded.segment;
        self.view.add_segment(Arc::clone(segment));
        // Nothing of it is read again soon.
        let cache = Cache::new(1 << 20);
        let scanned;
        let (packed, plain) = match &loaded.contents {
            Contents::Indexed(summary) => (Some(summary.topics.iter()), &[][..]),
            Contents::Scanned(_) => {
                scanned = segment.index().topics();
                (None, &*scanned)
            }
        };
        for row in packed.into_iter().flatten().chain(plain.iter().copied()) {
            // A name is looked up and cloned for the first segment alone that has the topic.
            let name = match self.view.topics.by_id(row.topic) {
                Some(_) => None,
                None => match self.names.get(&row.topic) {
                    Some(name) => Some(name.clone()),
                    None => continue,
                },
            };
            let floor = self.floor_of(row.topic);
            if segment.seq(row.first) > floor {
                let counted = (u64::from(row.count), row.bytes);
                self.add(row.topic, name.as_ref(), (counted, segment.seq(row.last)));
                continue;
            }
            let places = segment.places_after(&cache, row.topic, floor, usize::MAX);
            let places = places.unwrap_or_default();
            let bytes = places.iter().map(|place| u64::from(place.len)).sum();
            self.add(
                row.topic,
                name.as_ref(),
                ((places.len() as u64, bytes), segment.seq(row.last)),
            );
            let dropped = segment.places_before(&cache, row.topic, floor.next(), 1);
            let dropped = dropped.unwrap_or_default();
            if let (Some(newest), Some(topic)) =
                (dropped.first(), self.view.topics.by_id_mut(row.topic))
            {
                topic.floor.raise(Floor {
                    through: segment.seq(newest.number),
                    at: 1,
                });
            }
        }
    }

    /// Everything of a topic up to here was dropped.
    fn floor_of(&self, id: u32) -> Seq {
        let known = self.view.topics.by_id(id);
        let floor = known.map_or(Seq::ZERO, |topic| topic.floor.through);
        // Mostly nothing was forgotten, and this is asked for every topic of every segment.
        let forgotten = match self.forgets.is_empty() {
            true => Seq::ZERO,
            false => self.forgets.get(&id).copied().unwrap_or_default(),
        };
        floor.max(forgotten).max(self.floor)
    }

    fn add(&mut self, id: u32, name: Option<&TopicName>, counted: ((u64, u64), Seq)) {
        let ((events, frame_bytes), newest) = counted;
        let bytes = frame_bytes + events * cost_bytes(0);
        let topic = match name {
            Some(name) => self.view.open_topic(id, name),
            None => self.view.topics.by_id_mut(id),
        };
        let Some(topic) = topic else {
            return;
        };
        topic.events += events;
        topic.bytes += bytes;
        topic.newest = topic.newest.max(newest);
        topic.evicted = topic.evicted.max(newest);
        self.view.count_restored(events, bytes);
    }

    fn finish(
        mut self,
        findings: Findings,
        active: &Active,
        options: &Options,
    ) -> (View, IdempotencyIndex) {
        self.ends.sort_unstable_by_key(|(_, seq)| *seq);
        // The memo is younger than the ends up to the newest event it knows of, and says which of
        // them were forgotten since: the word of that may be gone from the segments.
        let open = findings.memo.topics.iter().filter(|row| row.is_open);
        let told: HashMap<u32, Seq> = open.map(|row| (row.id, row.newest)).collect();
        self.ends
            .retain(|(id, seq)| told.get(id).is_none_or(|newest| seq > newest));
        for (id, seq) in &self.ends {
            // The mark of an end outlives its event, but not the word that the topic is forgotten.
            let forgotten = self.forgets.get(id).copied().unwrap_or_default();
            if let Some(topic) = self.view.topics.by_id_mut(*id).filter(|_| *seq > forgotten) {
                topic.ended = Some(*seq);
            }
        }
        let mut keys = IdempotencyIndex::new(&options.limits);
        self.keys.sort_by_key(|row| row.seq);
        self.keys.dedup_by_key(|row| row.id);
        for row in self.keys {
            keys.remember(row);
        }
        let has_active = findings
            .segments
            .last()
            .is_some_and(|loaded| Arc::ptr_eq(&loaded.segment, &active.segment));
        let first = findings.segments.first().map(|loaded| loaded.segment.base);
        if !has_active {
            self.view.add_segment(Arc::clone(&active.segment));
        }
        let first = first.unwrap_or(active.segment.base);
        self.view.restored(
            first.previous(),
            (findings.last, self.last_time),
            findings.holes,
        );
        (self.view, keys)
    }
}

/// Which name each number stands for. What is said later counts.
#[derive(Default)]
struct Names {
    by_id: HashMap<u32, TopicName>,
    ids: HashMap<TopicName, u32>,
}

impl Names {
    fn put(&mut self, id: u32, name: &TopicName) {
        if let Some(former) = self.by_id.insert(id, name.clone()) {
            self.ids.remove(&former);
        }
        if let Some(former) = self
            .ids
            .insert(name.clone(), id)
            .filter(|former| *former != id)
        {
            self.by_id.remove(&former);
        }
    }
}

/// Numbers the topics of records that were read, and has their index remember the names.
fn name_scanned(topics: &mut Topics, segment: &Segment, scan: &Scan) {
    let mut index = segment.index_mut();
    let mut named = HashSet::new();
    for scanned in &scan.records {
        let name = &scanned.head.topic;
        let id = topics.id(name).unwrap_or_else(|| topics.number(name));
        // Each index that was made anew says all its names: which one was the first to use a
        // number is not known any more.
        if named.insert(id) {
            index.name(id, name);
        }
    }
}
