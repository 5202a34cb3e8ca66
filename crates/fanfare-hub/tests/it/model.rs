//! What the hub should do, said as naively as possible: a vector of everything that was ever
//! published, and a mark on what retention dropped. No index, no floor, no lookup.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fanfare_hub::{
    EventId, Gap, GapReason, Resume, Retention, RetentionRules, Selection, Seq, Start, Timestamp,
    TopicName,
};

use crate::fixture::epoch;

/// An event that was published at some time.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) seq: Seq,
    pub(crate) topic: TopicName,
    pub(crate) time: Timestamp,
    pub(crate) frame: String,
    /// The step of the model at which it was dropped.
    pub(crate) dropped: Option<u64>,
}

impl Entry {
    fn cost(&self) -> u64 {
        self.frame.len() as u64 + fanfare_hub::Event::OVERHEAD_BYTES
    }
}

/// A stored publication: its fingerprint, its last seq, and how many events it had.
type Stored = (u8, Seq, u64);

pub(crate) struct Model {
    rules: RetentionRules,
    pub(crate) all: Vec<Entry>,
    /// The topics that were ended, and where.
    pub(crate) ended: BTreeMap<TopicName, Seq>,
    /// Every drop of one event is a step.
    pub(crate) step: u64,
    pub(crate) keys: BTreeMap<(TopicName, u8, u64), Stored>,
}

pub(crate) fn id(seq: Seq) -> EventId {
    EventId {
        epoch: epoch(),
        seq,
    }
}

impl Model {
    pub(crate) fn new(rules: RetentionRules) -> Self {
        Self {
            rules,
            all: Vec::new(),
            ended: BTreeMap::new(),
            step: 0,
            keys: BTreeMap::new(),
        }
    }

    pub(crate) fn last(&self) -> Seq {
        Seq(self.all.len() as u64)
    }

    pub(crate) fn kept(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.all.iter().filter(|entry| entry.dropped.is_none())
    }

    /// What is kept of a selection after a place.
    pub(crate) fn rest(&self, selection: &Selection, after: Seq) -> Vec<&Entry> {
        self.kept()
            .filter(|entry| entry.seq > after && selection.matches(&entry.topic))
            .collect()
    }

    pub(crate) fn of_topic(&self, name: &TopicName) -> Vec<&Entry> {
        self.kept().filter(|entry| entry.topic == *name).collect()
    }

    /// The topics that exist: those with events, and those whose end is remembered.
    pub(crate) fn topics(&self) -> BTreeSet<TopicName> {
        let named = self.kept().map(|entry| entry.topic.clone());
        named.chain(self.ended.keys().cloned()).collect()
    }

    /// Whether something of the selection after the place was dropped later than the given step.
    pub(crate) fn is_lost(&self, selection: &Selection, after: Seq, since: u64) -> bool {
        self.all.iter().any(|entry| {
            entry.seq > after
                && entry.dropped.is_some_and(|step| step > since)
                && selection.matches(&entry.topic)
        })
    }

    pub(crate) fn is_over(&self, selection: &Selection) -> bool {
        let mut topics = selection.topics.iter();
        selection.patterns.is_empty() && topics.all(|name| self.ended.contains_key(name))
    }

    pub(crate) fn push(&mut self, name: &TopicName, text: Option<&str>, now: Timestamp) {
        let time = self.accepted(now);
        let seq = self.last().next();
        let frame = text.map_or_else(
            || {
                format!(
                    "id: {}\nevent: fanfare.end\ndata: {{\"topic\":\"{name}\"}}\n\n",
                    id(seq)
                )
            },
            |text| format!("id: {}\ndata: {text}\n\n", id(seq)),
        );
        self.all.push(Entry {
            seq,
            topic: name.clone(),
            time,
            frame,
            dropped: None,
        });
        if text.is_none() {
            self.ended.insert(name.clone(), seq);
        }
        self.retain_topic(name, time);
        self.retain_hub(time);
    }

    /// Publishers may have looked at the clock up to a second too early.
    fn accepted(&self, now: Timestamp) -> Timestamp {
        let newest = self.all.last().map_or(now, |entry| entry.time);
        let is_set_back = now < newest.before(Duration::from_secs(1));
        if is_set_back { now } else { newest.max(now) }
    }

    pub(crate) fn trim(&mut self, now: Timestamp) {
        self.retain_hub(now);
        for name in self.topics() {
            self.retain_topic(&name, now);
        }
    }

    pub(crate) fn forget(&mut self, name: &TopicName) -> u64 {
        let seqs: Vec<Seq> = self.of_topic(name).iter().map(|entry| entry.seq).collect();
        self.ended.remove(name);
        for &seq in &seqs {
            self.drop_event(seq);
        }
        seqs.len() as u64
    }

    /// Forgets the topic that ended longest ago, of those without events.
    pub(crate) fn forget_retired(&mut self) -> bool {
        let ended = self.ended.iter();
        let retired = ended.filter(|(name, _)| self.of_topic(name).is_empty());
        let oldest = retired
            .min_by_key(|(_, end)| **end)
            .map(|(name, _)| name.clone());
        oldest.is_some_and(|name| self.ended.remove(&name).is_some())
    }

    fn retain_topic(&mut self, name: &TopicName, now: Timestamp) {
        let rule = self.rules.of(name);
        if rule == Retention::UNBOUNDED {
            return;
        }
        while let Some(seq) = first_beyond(&self.of_topic(name), &rule, now) {
            self.drop_event(seq);
        }
    }

    fn retain_hub(&mut self, now: Timestamp) {
        let rule = self.rules.hub;
        if rule == Retention::UNBOUNDED {
            return;
        }
        while let Some(seq) = first_beyond(&self.kept().collect::<Vec<_>>(), &rule, now) {
            self.drop_event(seq);
        }
    }

    fn drop_event(&mut self, seq: Seq) {
        self.step += 1;
        self.all[usize::try_from(seq.0).unwrap() - 1].dropped = Some(self.step);
    }

    /// What a subscription begins with: the place, and the reason of a gap that must be told.
    pub(crate) fn start(
        &self,
        selection: &Selection,
        start: &Start,
        now: Timestamp,
    ) -> (Vec<Seq>, Option<GapReason>) {
        let all = self.rest(selection, Seq::ZERO);
        let from = |index: usize| all[index..].iter().map(|entry| entry.seq).collect();
        match start {
            Start::Tail => (Vec::new(), None),
            Start::All | Start::Resume(Resume::Earliest) => (from(0), None),
            Start::Last(count) => {
                let count = usize::try_from(*count).unwrap_or(usize::MAX);
                (from(all.len().saturating_sub(count)), None)
            }
            Start::Since(span) => {
                let mut newest_first = self.kept().rev();
                let old = newest_first.find(|entry| entry.time < now.before(*span));
                let last_old = old.map_or(Seq::ZERO, |entry| entry.seq);
                (
                    from(all.partition_point(|entry| entry.seq <= last_old)),
                    None,
                )
            }
            Start::Resume(Resume::Unknown(_)) => (from(0), Some(GapReason::Unknown)),
            Start::Resume(Resume::Malformed(_)) => (from(0), Some(GapReason::Malformed)),
            Start::Resume(Resume::After(id)) if id.epoch != epoch() => {
                (from(0), Some(GapReason::Epoch))
            }
            Start::Resume(Resume::After(id)) if id.seq > self.last() => {
                (from(0), Some(GapReason::Future))
            }
            Start::Resume(Resume::After(id)) => {
                let lost = self.is_lost(selection, id.seq, 0);
                let index = all.partition_point(|entry| entry.seq <= id.seq);
                (from(index), lost.then_some(GapReason::Trimmed))
            }
        }
    }

    /// The gap as it is told to a stream that goes on after `after`.
    pub(crate) fn gap(
        &self,
        selection: &Selection,
        reason: GapReason,
        asked: String,
        after: Seq,
    ) -> Gap {
        let oldest = self.rest(selection, Seq::ZERO);
        Gap {
            reason,
            asked,
            oldest: id(oldest
                .first()
                .map_or_else(|| self.last(), |entry| entry.seq)),
            resumes_after: id(after),
        }
    }
}

/// The first event, when the rule wants it gone.
fn first_beyond(kept: &[&Entry], rule: &Retention, now: Timestamp) -> Option<Seq> {
    let first = kept.first()?;
    let bytes: u64 = kept.iter().map(|entry| entry.cost()).sum();
    let count = kept.len() as u64;
    let is_beyond = first.time < now.before(rule.age_max)
        || count > rule.events_max.max(1)
        || (bytes > rule.bytes_max && count > 1);
    is_beyond.then_some(first.seq)
}
