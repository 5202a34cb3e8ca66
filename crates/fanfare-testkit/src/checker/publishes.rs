//! What publishers were told against what is in the history: lost, ghost, duplicate, and the order
//! among publishes that waited for each other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fanfare_hub::{EventId, Seq};

use super::Report;
use crate::journal::{Journal, Kept, Name, Outcome, Publish};

/// The history by name and by seq, with the publishes beside it.
pub(super) struct Published<'a> {
    /// Oldest first.
    pub(super) kept: &'a [Kept],
    /// Places in `kept` of events that have a name, in the order of the names.
    by_name: Vec<(Name, usize)>,
    /// All attempts to publish the same events, in the order of their names.
    efforts: Vec<Effort<'a>>,
    /// See [`Journal::head`].
    pub(super) head: Seq,
}

/// Other events that may lie between those of one streamed request, generously: as many as all
/// publishers of a load send while one of them sends a few lines.
const STREAM_SPREAD: u64 = 1_000;

/// All attempts to publish the same events: more than one only when they were retried.
struct Effort<'a> {
    topic: &'a str,
    first: Name,
    events: u64,
    invoked: u64,
    /// When it was known that all are stored.
    acked: Option<u64>,
    /// How many are known to be stored.
    stored: u64,
    /// What each answer called the last one of those that it spoke of.
    ids: Vec<(Name, EventId)>,
    is_refused: bool,
}

impl<'a> Published<'a> {
    pub(super) fn new(journal: &'a Journal) -> Self {
        let named = journal.kept.iter().enumerate();
        let named = named.filter_map(|(place, kept)| Some((kept.name?, place)));
        let mut by_name: Vec<_> = named.collect();
        by_name.sort_unstable();
        let mut publishes: Vec<&Publish> = journal.publishes.iter().collect();
        publishes.sort_by_key(|publish| (publish.first, publish.invoked));
        let mut efforts: Vec<Effort<'a>> = Vec::new();
        for publish in publishes {
            match efforts.last_mut() {
                Some(effort) if effort.first == publish.first => effort.add(publish),
                _ => efforts.push(Effort::new(publish)),
            }
        }
        Self {
            kept: &journal.kept,
            by_name,
            efforts,
            head: journal.head(),
        }
    }

    /// Places of an event in the history.
    fn places(&self, name: Name) -> &[(Name, usize)] {
        let start = self.by_name.partition_point(|(other, _)| *other < name);
        let count = self.by_name[start..].partition_point(|(other, _)| *other == name);
        &self.by_name[start..start + count]
    }

    /// Where an event first is in the history.
    pub(super) fn find(&self, name: Name) -> Option<&Kept> {
        let (_, place) = self.places(name).first()?;
        self.kept.get(*place)
    }

    fn effort(&self, name: Name) -> Option<&Effort<'a>> {
        let after = self.efforts.partition_point(|effort| effort.first <= name);
        let effort = self.efforts.get(after.checked_sub(1)?)?;
        let is_same = effort.first.publisher == name.publisher;
        (is_same && name.number < effort.first.number + effort.events).then_some(effort)
    }

    pub(super) fn check(&self, report: &mut Report) {
        for effort in &self.efforts {
            self.check_effort(effort, report);
        }
        for kept in self.kept {
            let effort = kept.name.and_then(|name| self.effort(name));
            if effort.is_none_or(|effort| effort.topic != kept.topic) {
                report.ghost.add(|| format!("nobody published {kept:?}"));
            }
        }
        self.check_waits(report);
    }

    fn check_effort(&self, effort: &Effort<'_>, report: &mut Report) {
        let mut last = None;
        for index in 0..effort.events {
            let name = effort.first.plus(index);
            let places = self.places(name);
            let seqs = || {
                places
                    .iter()
                    .map(|(_, place)| self.kept[*place].id.to_string())
            };
            let is_dropped = last.is_none() && effort.is_at_head(self.head);
            if places.is_empty() && index < effort.stored && !is_dropped {
                let ids = &effort.ids;
                let topic = effort.topic;
                report
                    .lost
                    .add(|| format!("{name} in {topic}, acked as {ids:?}"));
            }
            if !places.is_empty() && effort.is_refused {
                let ids: Vec<_> = seqs().collect();
                report
                    .ghost
                    .add(|| format!("{name} was refused and is {ids:?}"));
            }
            if places.len() > 1 {
                let ids: Vec<_> = seqs().collect();
                report.duplicate.add(|| format!("{name} is {ids:?}"));
            }
            let seq = self.find(name).map(|kept| kept.id.seq);
            if seq.is_some() && seq <= last {
                report
                    .order
                    .add(|| format!("{name} is before its forerunner in one request"));
            }
            last = seq.or(last);
        }
        self.check_ids(effort, report);
    }

    /// What the publisher was told is what everybody reads.
    fn check_ids(&self, effort: &Effort<'_>, report: &mut Report) {
        for (name, id) in &effort.ids {
            let is_other = |kept: &&Kept| kept.id.epoch == id.epoch && kept.id.seq != id.seq;
            if let Some(kept) = self.find(*name).filter(is_other) {
                let real = kept.id;
                report
                    .order
                    .add(|| format!("{name} was acked as {id} and is {real}"));
            }
        }
    }

    /// Who waited for an answer before publishing the next comes later in the log.
    fn check_waits(&self, report: &mut Report) {
        let mut by_start: Vec<_> = self.efforts.iter().collect();
        by_start.sort_unstable_by_key(|effort| effort.invoked);
        let acked = self.efforts.iter().filter_map(|effort| {
            let seq = self.find(effort.first.plus(effort.events - 1))?.id.seq;
            Some(Reverse((effort.acked?, seq, effort.first)))
        });
        let mut acked: BinaryHeap<_> = acked.collect();
        let mut newest = None;
        for effort in by_start {
            while let Some(Reverse((at, seq, name))) = acked.peek().copied() {
                if at >= effort.invoked {
                    break;
                }
                newest = newest.max(Some((seq, name)));
                acked.pop();
            }
            let Some(kept) = self.find(effort.first) else {
                continue;
            };
            if let Some((seq, name)) = newest.filter(|(seq, _)| *seq > kept.id.seq) {
                let (later, id) = (effort.first, kept.id);
                report.order.add(|| {
                    format!("{name} was acked as {seq} before {later} began, which is {id}")
                });
            }
        }
    }
}

impl<'a> Effort<'a> {
    fn new(publish: &'a Publish) -> Self {
        let mut effort = Self {
            topic: &publish.topic,
            first: publish.first,
            events: publish.events,
            invoked: publish.invoked,
            acked: None,
            stored: 0,
            ids: Vec::new(),
            is_refused: true,
        };
        effort.add(publish);
        effort
    }

    /// Whether retention may have dropped its first events.
    fn is_at_head(&self, head: Seq) -> bool {
        let mut seqs = self.ids.iter().map(|(_, id)| id.seq);
        head > Seq::ZERO && seqs.any(|seq| seq.0 < head.0 + STREAM_SPREAD)
    }

    fn add(&mut self, publish: &Publish) {
        self.is_refused &= publish.outcome == Outcome::Refused;
        if let Outcome::Stored { id, count } = publish.outcome {
            self.stored = self.stored.max(count);
            self.ids
                .push((self.first.plus(count.saturating_sub(1)), id));
            if count == self.events && self.acked.is_none() {
                self.acked = Some(publish.answered);
            }
        }
    }
}
