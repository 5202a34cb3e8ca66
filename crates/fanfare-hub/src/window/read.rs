//! Reading what lies after a cursor: from one topic, by merging several, or forward through all.

use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use super::{Topic, Window};
use crate::drops::Floor;
use crate::event::Event;
use crate::limits::{MERGE_TOPICS_MAX, SCAN_EVENTS_MAX};
use crate::log::{Feed, FeedLoss, Lost, Missing, ReadBudget, ReadRequest, Slice};
use crate::pattern::TopicPattern;
use crate::position::Seq;
use crate::reading::{Taken, looks_of_a_turn};
use crate::subscription::Selection;
use crate::topic::TopicName;

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
        let mut taken = Taken::new(request.budget);
        let stopped_at = if let Some(name) = selection.single() {
            self.read_topic(name, after, &mut taken)
        } else if self.last.0.saturating_sub(after.0) <= looks_of_a_turn(selection) as u64 {
            self.read_forward(selection, after, &mut taken)
        } else if let Some(topics) = self.few_topics(selection) {
            taken.merge(topics.iter().map(|topic| topic.after(after)))
        } else {
            self.read_forward(selection, after, &mut taken)
        };
        let has_more = stopped_at.is_some();
        Slice {
            events: taken.events.into(),
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

    /// Reads on from a place through all topics.
    #[must_use]
    pub fn feed(&self, after: Seq, trims_seen: u64, budget: ReadBudget) -> Feed {
        let rest = self.order.range((Excluded(after), Unbounded));
        let mut taken = Taken::new(budget);
        let stopped_at = taken.take_all(rest.map(|(_, event)| event));
        let lost = match self.drops.count() == trims_seen || self.trimmed_max <= after {
            true => FeedLoss::Nothing,
            false => self.drops.lost_since(after, trims_seen),
        };
        Feed {
            events: taken.events,
            after: stopped_at.unwrap_or_else(|| self.last.max(after)),
            trims_seen: self.drops.count(),
            lost,
            has_more: stopped_at.is_some(),
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

    fn read_topic(&self, name: &TopicName, after: Seq, taken: &mut Taken) -> Option<Seq> {
        taken.take_all(self.topics.get(name)?.after(after))
    }

    /// Looks at every event after the place, as many as one turn may.
    fn read_forward(&self, selection: &Selection, after: Seq, taken: &mut Taken) -> Option<Seq> {
        let (mut seen, seen_max) = (0, looks_of_a_turn(selection));
        for (&seq, event) in self.order.range((Excluded(after), Unbounded)) {
            if selection.matches(&event.topic) && !taken.take(event) {
                return taken.stopped_at(true);
            }
            seen += 1;
            if seen == seen_max && seq < self.last {
                return Some(seq);
            }
        }
        None
    }
}

fn each_once(mut topics: Vec<&Topic>) -> Vec<&Topic> {
    topics.sort_unstable_by_key(|topic| std::ptr::from_ref(*topic));
    topics.dedup_by(|one, other| std::ptr::eq(*one, *other));
    topics
}
