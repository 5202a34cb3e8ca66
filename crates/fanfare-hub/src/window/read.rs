//! Reading what lies after a cursor: from one topic, by merging several, or forward through all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use super::{Topic, Window};
use crate::drops::Floor;
use crate::event::Event;
use crate::limits::{MERGE_TOPICS_MAX, SCAN_EVENTS_MAX, SCAN_EVENTS_MIN};
use crate::log::{Lost, Missing, ReadBudget, ReadRequest, Slice};
use crate::pattern::TopicPattern;
use crate::position::Seq;
use crate::subscription::Selection;
use crate::topic::TopicName;

/// What was read so far, and whether there is room for more.
struct Reader {
    events: Vec<Arc<Event>>,
    budget: ReadBudget,
}

impl Reader {
    /// Takes the event unless the budget is spent. The first event is always taken.
    fn take(&mut self, event: &Arc<Event>) -> bool {
        let bytes = event.frame.len();
        if !self.events.is_empty() && (self.budget.events == 0 || self.budget.bytes < bytes) {
            return false;
        }
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes);
        self.budget.events = self.budget.events.saturating_sub(1);
        self.events.push(Arc::clone(event));
        true
    }

    /// The place of the last event taken, when the budget ended the read there.
    fn stopped_at(&self, is_cut: bool) -> Option<Seq> {
        self.events.last().filter(|_| is_cut).map(|event| event.seq)
    }
}

impl Topic {
    /// The events after a place.
    pub(super) fn after(&self, after: Seq) -> impl Iterator<Item = &Arc<Event>> {
        let start = self.events.partition_point(|event| event.seq <= after);
        self.events.range(start..)
    }
}

impl Window {
    /// Reads what lies after a cursor.
    #[must_use]
    pub fn read(&self, request: &ReadRequest) -> Slice {
        let (selection, after) = (&*request.selection, request.after);
        let mut reader = Reader {
            events: Vec::new(),
            budget: request.budget,
        };
        let stopped_at = if let Some(name) = selection.single() {
            self.read_topic(name, after, &mut reader)
        } else if self.last.0.saturating_sub(after.0) <= looks_of_a_turn(selection) as u64 {
            self.read_forward(selection, after, &mut reader)
        } else if let Some(topics) = self.few_topics(selection) {
            Self::read_merged(&topics, after, &mut reader)
        } else {
            self.read_forward(selection, after, &mut reader)
        };
        let has_more = stopped_at.is_some();
        Slice {
            events: reader.events,
            after: stopped_at.unwrap_or_else(|| self.last.max(after)),
            trims_seen: self.drops.count(),
            missing: self
                .is_trimmed(selection, after, request.trims_seen)
                .then(|| Missing {
                    why: Lost::Overtaken,
                    oldest: self.oldest(selection).unwrap_or(self.last),
                }),
            has_more,
            is_over: !has_more && self.is_over(selection),
        }
    }

    /// Whether all topics of the selection were ended, so that nothing can ever follow.
    pub(super) fn is_over(&self, selection: &Selection) -> bool {
        selection.patterns.is_empty() && selection.topics.iter().all(|name| self.is_ended(name))
    }

    /// Whether something of the selection after `after` was dropped later than the given count.
    pub(super) fn is_trimmed(&self, selection: &Selection, after: Seq, trims_seen: u64) -> bool {
        if self.drops.count() == trims_seen || self.trimmed_max <= after {
            return false;
        }
        let is_above = |floor: Floor| floor.is_above(after, trims_seen);
        let is_named_lost = selection.topics.iter().any(|name| {
            let topic = self.topics.get(name);
            is_above(topic.map_or(self.forgotten, |topic| topic.floor))
        });
        if selection.patterns.is_empty() && !is_named_lost {
            return false;
        }
        if let Some(is_lost) = self.drops.has_lost(selection, after, trims_seen) {
            return is_lost;
        }
        let mut patterns = selection.patterns.iter();
        is_named_lost
            || (!selection.patterns.is_empty() && is_above(self.forgotten))
            || patterns.any(|pattern| {
                let mut topics = self.topics_of(pattern);
                topics.any(|topic| is_above(topic.floor))
            })
    }

    /// The names among which a pattern finds its topics.
    fn names_near<'a>(&'a self, pattern: &'a TopicPattern) -> impl Iterator<Item = &'a TopicName> {
        let prefix = pattern.literal_prefix();
        self.names
            .range::<str, _>((Included(prefix), Unbounded))
            .take_while(move |name| name.as_str().starts_with(prefix))
    }

    /// The topics that a pattern selects.
    fn topics_of<'a>(&'a self, pattern: &'a TopicPattern) -> impl Iterator<Item = &'a Topic> {
        self.names_near(pattern)
            .filter(|name| pattern.matches(name))
            .filter_map(|name| self.topics.get(name))
    }

    /// The topics of a selection, each once, unless they are too many to merge or too hard to find.
    pub(super) fn few_topics(&self, selection: &Selection) -> Option<Vec<&Topic>> {
        let mut topics = self.named_topics(selection);
        let mut looked_at = 0;
        for pattern in &selection.patterns {
            for name in self.names_near(pattern) {
                looked_at += 1;
                if pattern.matches(name) {
                    topics.extend(self.topics.get(name));
                }
                if looked_at > SCAN_EVENTS_MAX || topics.len() > MERGE_TOPICS_MAX {
                    return None;
                }
            }
        }
        Some(each_once(topics))
    }

    /// The topics of a selection, each once, however many.
    pub(super) fn all_topics(&self, selection: &Selection) -> Vec<&Topic> {
        let mut topics = self.named_topics(selection);
        for pattern in &selection.patterns {
            let names = self
                .names_near(pattern)
                .filter(|name| pattern.matches(name));
            topics.extend(names.filter_map(|name| self.topics.get(name)));
        }
        each_once(topics)
    }

    fn named_topics(&self, selection: &Selection) -> Vec<&Topic> {
        let names = selection.topics.iter();
        names.filter_map(|name| self.topics.get(name)).collect()
    }

    fn read_topic(&self, name: &TopicName, after: Seq, reader: &mut Reader) -> Option<Seq> {
        let mut events = self.topics.get(name)?.after(after);
        let is_cut = events.any(|event| !reader.take(event));
        reader.stopped_at(is_cut)
    }

    fn read_merged(topics: &[&Topic], after: Seq, reader: &mut Reader) -> Option<Seq> {
        let mut sources: Vec<_> = topics.iter().map(|topic| topic.after(after)).collect();
        let mut heap = BinaryHeap::with_capacity(sources.len());
        let mut heads: Vec<Option<&Arc<Event>>> = Vec::with_capacity(sources.len());
        for (index, source) in sources.iter_mut().enumerate() {
            let head = source.next();
            heap.extend(head.map(|event| Reverse((event.seq, index))));
            heads.push(head);
        }
        while let Some(Reverse((_, index))) = heap.pop() {
            let Some(event) = heads[index] else { continue };
            if !reader.take(event) {
                return reader.stopped_at(true);
            }
            heads[index] = sources[index].next();
            heap.extend(heads[index].map(|event| Reverse((event.seq, index))));
        }
        None
    }

    /// Looks at every event after the place, as many as one turn may.
    fn read_forward(&self, selection: &Selection, after: Seq, reader: &mut Reader) -> Option<Seq> {
        let (mut seen, seen_max) = (0, looks_of_a_turn(selection));
        for (&seq, event) in self.order.range((Excluded(after), Unbounded)) {
            if selection.matches(&event.topic) && !reader.take(event) {
                return reader.stopped_at(true);
            }
            seen += 1;
            if seen == seen_max && seq < self.last {
                return Some(seq);
            }
        }
        None
    }
}

/// How many events one turn may look at: each is compared to each pattern.
pub(super) fn looks_of_a_turn(selection: &Selection) -> usize {
    (SCAN_EVENTS_MAX / selection.patterns.len().max(1)).max(SCAN_EVENTS_MIN)
}

fn each_once(mut topics: Vec<&Topic>) -> Vec<&Topic> {
    topics.sort_unstable_by_key(|topic| std::ptr::from_ref(*topic));
    topics.dedup_by(|one, other| std::ptr::eq(*one, *other));
    topics
}
