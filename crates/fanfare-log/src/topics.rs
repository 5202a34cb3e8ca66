//! The topics that the log knows: by name, by the number that stands for them on disk, and sorted.
//!
//! A number belongs to a name as long as any segment uses it, also while the topic does not exist,
//! so that a topic which comes back finds its own number and the indexes on disk stay true.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use fanfare_hub::drops::Floor;
use fanfare_hub::limits::{MERGE_TOPICS_MAX, SCAN_EVENTS_MAX};
use fanfare_hub::{
    Event, Retention, Selection, Seq, Timestamp, TopicName, TopicPattern, TopicStatus,
};

/// One topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    /// The number that stands for the name on disk.
    pub(crate) id: u32,
    /// Events kept.
    pub(crate) events: u64,
    /// What they count against retention by bytes.
    pub(crate) bytes: u64,
    /// The newest event ever published to it.
    pub(crate) newest: Seq,
    /// Below here something is missing.
    pub(crate) floor: Floor,
    /// The mark of its end, which outlives the event that carried it.
    pub(crate) ended: Option<Seq>,
    /// The rule for its own history.
    pub(crate) retention: Retention,
    /// When it is looked at for events that are too old.
    pub(crate) alarm: Option<Timestamp>,
    /// Its events that lie in memory, oldest first.
    pub(crate) recent: VecDeque<Arc<Event>>,
    /// Everything of it that is younger lies in memory.
    pub(crate) evicted: Seq,
}

impl Topic {
    /// What is known of it, but for the oldest event, which may lie on disk.
    pub(crate) fn status(&self, oldest: Option<Seq>) -> TopicStatus {
        TopicStatus {
            topic: self.name.clone(),
            oldest,
            newest: (self.events > 0).then_some(self.newest),
            events: self.events,
            bytes: self.bytes,
            is_ended: self.ended.is_some(),
        }
    }

    /// Its events in memory after a place.
    pub(crate) fn recent_after(&self, after: Seq) -> impl Iterator<Item = &Arc<Event>> {
        let start = self.recent.partition_point(|event| event.seq <= after);
        self.recent.range(start..)
    }
}

/// All topics.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    /// Topics that exist, by their number.
    table: Vec<Option<Box<Topic>>>,
    /// The number of every name that exists or is still used on disk.
    ids: HashMap<TopicName, u32>,
    /// Topics that exist, sorted, so that a pattern finds them by their common prefix.
    names: BTreeSet<TopicName>,
    /// Topics that ceased to exist, by their newest event: until no segment is that old.
    closed: BTreeMap<(Seq, u32), TopicName>,
    /// Where a number stands among those.
    closed_at: HashMap<u32, Seq>,
    /// Numbers that stand for nothing any more.
    free: Vec<u32>,
    /// Topics that were ended and have no event left, by the place of their end.
    pub(crate) retired: BTreeMap<Seq, u32>,
    /// Stands for all topics that are gone entirely.
    pub(crate) forgotten: Floor,
    /// How many topics exist.
    len: usize,
}

impl Topics {
    /// How many topics exist.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The topic of that number.
    pub(crate) fn by_id(&self, id: u32) -> Option<&Topic> {
        self.table.get(id as usize)?.as_deref()
    }

    /// The topic of that number.
    pub(crate) fn by_id_mut(&mut self, id: u32) -> Option<&mut Topic> {
        self.table.get_mut(id as usize)?.as_deref_mut()
    }

    /// The topic of that name.
    pub(crate) fn by_name(&self, name: &TopicName) -> Option<&Topic> {
        self.by_id(*self.ids.get(name)?)
    }

    /// The number of a name, whether or not the topic exists.
    pub(crate) fn id(&self, name: &TopicName) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// All names with their numbers.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&TopicName, u32)> {
        self.ids.iter().map(|(name, id)| (name, *id))
    }

    /// A number for a name that has none.
    pub(crate) fn number(&mut self, name: &TopicName) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.table.push(None);
            // Four billion topics do not fit into memory.
            u32::try_from(self.table.len() - 1).unwrap_or(u32::MAX)
        });
        self.ids.insert(name.clone(), id);
        id
    }

    /// Gives a name the number that it has on disk.
    pub(crate) fn assign(&mut self, id: u32, name: &TopicName) {
        let len = self.table.len().max(id as usize + 1);
        self.table.resize_with(len, || None);
        self.ids.insert(name.clone(), id);
    }

    /// Once everything on disk is read: which numbers are free.
    pub(crate) fn find_free(&mut self) {
        let mut used = vec![false; self.table.len()];
        for &id in self.ids.values() {
            used[id as usize] = true;
        }
        let ids = 0..u32::try_from(used.len()).unwrap_or(u32::MAX);
        self.free = ids.filter(|&id| !used[id as usize]).collect();
    }

    /// The topic of that number, which begins to exist now if it did not.
    pub(crate) fn open(
        &mut self,
        id: u32,
        name: &TopicName,
        new: impl FnOnce() -> (Retention, Seq),
    ) -> Option<&mut Topic> {
        let slot = self.table.get_mut(id as usize)?;
        if slot.is_none() {
            let (retention, evicted) = new();
            self.names.insert(name.clone());
            self.len += 1;
            if let Some(newest) = self.closed_at.remove(&id) {
                self.closed.remove(&(newest, id));
            }
            *slot = Some(Box::new(Topic {
                name: name.clone(),
                id,
                events: 0,
                bytes: 0,
                newest: Seq::ZERO,
                floor: self.forgotten,
                ended: None,
                retention,
                alarm: None,
                recent: VecDeque::new(),
                evicted,
            }));
        }
        slot.as_deref_mut()
    }

    /// Takes a topic out of existence that has no event left. Its number stays its own.
    pub(crate) fn close(&mut self, id: u32) -> Option<Box<Topic>> {
        let topic = self.table.get_mut(id as usize)?.take()?;
        self.names.remove(&topic.name);
        self.len -= 1;
        if !topic.name.is_own() {
            self.forgotten.raise(topic.floor);
        }
        self.closed.insert((topic.newest, id), topic.name.clone());
        self.closed_at.insert(id, topic.newest);
        Some(topic)
    }

    /// Gives up the numbers of topics that do not exist and that no segment can name any more,
    /// because all that is left starts after `through`.
    pub(crate) fn release(&mut self, through: Seq) {
        while let Some(entry) = self.closed.first_entry() {
            if entry.key().0 > through {
                break;
            }
            let ((_, id), name) = entry.remove_entry();
            self.closed_at.remove(&id);
            if self.ids.get(&name) == Some(&id) {
                self.ids.remove(&name);
                self.free.push(id);
            }
        }
    }

    /// Names that stand on disk for topics which do not exist, with their newest events.
    pub(crate) fn closed(&self) -> impl Iterator<Item = (u32, &TopicName, Seq)> {
        let closed = self.closed.iter();
        closed.map(|(&(newest, id), name)| (id, name, newest))
    }

    /// Remembers a name from disk whose topic does not exist.
    pub(crate) fn assign_closed(&mut self, id: u32, name: &TopicName, newest: Seq) {
        self.assign(id, name);
        self.closed.insert((newest, id), name.clone());
        self.closed_at.insert(id, newest);
    }

    /// Raises the floor of every topic.
    pub(crate) fn raise_floors(&mut self, floor: Floor) {
        for topic in self.table.iter_mut().flatten() {
            topic.floor.raise(floor);
        }
    }

    /// All topics that exist, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.table.iter().flatten().map(AsRef::as_ref)
    }

    /// Numbers of the topics that exist, in the order of their names, after the given one.
    pub(crate) fn page(&self, after: Option<&TopicName>, limit: usize) -> Vec<u32> {
        let start = after.map_or(Unbounded, Excluded);
        let names = self.names.range::<TopicName, _>((start, Unbounded));
        names.take(limit).filter_map(|name| self.id(name)).collect()
    }

    /// The names among which a pattern finds its topics.
    fn near<'a>(&'a self, pattern: &'a TopicPattern) -> impl Iterator<Item = &'a TopicName> {
        let prefix = pattern.literal_prefix();
        self.names
            .range::<str, _>((Included(prefix), Unbounded))
            .take_while(move |name| name.as_str().starts_with(prefix))
    }

    /// The topics that a pattern selects.
    pub(crate) fn of<'a>(&'a self, pattern: &'a TopicPattern) -> impl Iterator<Item = &'a Topic> {
        self.near(pattern)
            .filter(|name| pattern.matches(name))
            .filter_map(|name| self.by_name(name))
    }

    /// The topics of a selection, each once, unless they are too many to merge or too hard to find.
    pub(crate) fn few<'a>(&'a self, selection: &'a Selection) -> Option<Vec<&'a Topic>> {
        let mut topics = self.named(selection);
        let mut looked_at = 0;
        for pattern in &selection.patterns {
            for name in self.near(pattern) {
                looked_at += 1;
                if pattern.matches(name) {
                    topics.extend(self.by_name(name));
                }
                if looked_at > SCAN_EVENTS_MAX || topics.len() > MERGE_TOPICS_MAX {
                    return None;
                }
            }
        }
        Some(each_once(topics))
    }

    /// The topics of a selection, each once, however many.
    pub(crate) fn all<'a>(&'a self, selection: &'a Selection) -> Vec<&'a Topic> {
        let mut topics = self.named(selection);
        for pattern in &selection.patterns {
            topics.extend(self.of(pattern));
        }
        each_once(topics)
    }

    fn named(&self, selection: &Selection) -> Vec<&Topic> {
        let names = selection.topics.iter();
        names.filter_map(|name| self.by_name(name)).collect()
    }
}

fn each_once(mut topics: Vec<&Topic>) -> Vec<&Topic> {
    topics.sort_unstable_by_key(|topic| topic.id);
    topics.dedup_by_key(|topic| topic.id);
    topics
}
