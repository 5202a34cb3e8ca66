//! Staging: each batch is checked against what is visible and what was staged before it, gets its
//! seqs, and is encoded into the buffer of the group.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fanfare_hub::event::Kind;
use fanfare_hub::idempotency::{KeyId, KeyRow, Known};
use fanfare_hub::log::Batch;
use fanfare_hub::{
    AppendError, Event, EventId, IdempotencyKey, Receipt, Seq, Timestamp, TopicName,
};
use futures_channel::oneshot;

use super::Writer;
use crate::answer::Answer;
use crate::options::{BATCH_BYTES_MAX, GROUP_BYTES_MAX};
use crate::record::{self, Encoder, Holds, Opening};
use crate::segment::Segment;
use crate::view::View;

/// What was staged, until it is visible.
#[derive(Default)]
pub(super) struct Group {
    /// The records, one after the other.
    pub(super) buf: Vec<u8>,
    /// What they change, in order.
    pub(super) changes: Vec<Change>,
    /// Who waits for them.
    pub(super) answers: Vec<(Answer, Receipt)>,
    /// What of it the checks of later events need.
    pub(super) marks: Marks,
    /// Keys that were used, in order.
    pub(super) keys: Vec<KeyRow>,
    /// The seq before its first event.
    after: Seq,
    /// The seq of its last event.
    pub(super) last: Seq,
    /// Where it is written, once it was given away.
    pub(super) segment: Option<Arc<Segment>>,
    /// The place there.
    pub(super) start: u64,
    /// Whether the disk is its own.
    pub(super) has_disk: bool,
    /// The time of its last event, or of a look at ages.
    pub(super) now: Timestamp,
    /// Whether ages are to be looked at.
    pub(super) is_tick: bool,
    /// How many requests it was made of.
    pub(super) requests: usize,
}

/// What was staged and may not be visible yet, as far as the checks of later events need it.
#[derive(Default)]
pub(super) struct Marks {
    /// Topics that were ended.
    ended: HashSet<TopicName>,
    /// Topics that did not exist.
    opened: HashSet<TopicName>,
    /// Keys that were used.
    keys: HashMap<KeyId, KeyRow>,
    /// Bytes that its index entries take at most.
    pub(super) index_room: u64,
}

impl Marks {
    pub(super) fn clear(&mut self) {
        self.ended.clear();
        self.opened.clear();
        self.keys.clear();
        self.index_room = 0;
    }
}

/// One thing that becomes visible once the group is durable.
pub(super) enum Change {
    /// An event, where its header lies in the buffer, and the number of its topic if it had one.
    Event(Arc<Event>, usize, Option<u32>),
    /// A topic is forgotten; who asked for it, if anybody did.
    Forget(TopicName, Option<oneshot::Sender<Result<u64, AppendError>>>),
}

/// What a check comes to.
enum Checked {
    /// It may be stored; the number of its topic if it has one.
    New(Option<u32>),
    /// It was stored already, with the same key.
    Stored(Receipt),
}

impl Group {
    pub(super) fn is_full(&self) -> bool {
        self.buf.len() >= GROUP_BYTES_MAX
    }

    /// Whether there is nothing to store and nobody to answer.
    pub(super) fn is_empty(&self) -> bool {
        self.buf.is_empty() && self.answers.is_empty()
    }

    /// Keeps nothing but its buffers.
    pub(super) fn clear(&mut self) {
        self.buf.clear();
        self.changes.clear();
        self.answers.clear();
        self.marks.clear();
        self.keys.clear();
        self.segment = None;
        self.now = Timestamp::default();
        self.is_tick = false;
        self.requests = 0;
    }
}

impl Writer {
    pub(super) fn stage(&mut self, batch: Batch, answer: Answer) {
        match self.check(&batch) {
            Ok(Checked::New(id)) => self.encode(batch, id, answer),
            // A retry of what is in this very group is answered when that is durable.
            Ok(Checked::Stored(receipt)) => self.group.answers.push((answer, receipt)),
            Err(error) => answer.send(Err(error)),
        }
    }

    /// Whether the batch may be stored.
    fn check(&mut self, batch: &Batch) -> Result<Checked, AppendError> {
        if let Some(key) = &batch.idempotency
            && let Some(receipt) = self.find_key(batch, key)?
        {
            return Ok(Checked::Stored(receipt));
        }
        let bytes = record::bytes_max(batch);
        if bytes > BATCH_BYTES_MAX {
            let max = BATCH_BYTES_MAX;
            return Err(AppendError::BatchTooLarge { bytes, max });
        }
        self.make_room(bytes, batch)?;
        let known = {
            let view = self.shared.view();
            let topic = view.topics.by_name(&batch.topic);
            topic.map(|topic| (topic.id, topic.ended.is_some()))
        };
        let is_ended = known.is_some_and(|(_, is_ended)| is_ended);
        if is_ended || self.marks().any(|marks| marks.ended.contains(&batch.topic)) {
            return Err(AppendError::TopicEnded);
        }
        if known.is_none() {
            self.open_topic(&batch.topic)?;
        }
        Ok(Checked::New(known.map(|(id, _)| id)))
    }

    /// What was staged and may not be visible yet.
    fn marks(&self) -> impl Iterator<Item = &Marks> {
        [&self.group.marks, &self.behind].into_iter()
    }

    fn find_key(
        &self,
        batch: &Batch,
        key: &IdempotencyKey,
    ) -> Result<Option<Receipt>, AppendError> {
        let id = KeyId::of(&batch.topic, key);
        let known = match self.marks().find_map(|marks| marks.keys.get(&id)) {
            Some(row) if row.fingerprint != key.fingerprint => Known::ForAnotherRequest,
            Some(row) => Known::Stored {
                seq: row.seq,
                count: row.count,
            },
            None => self.shared.keys().find(&id, &key.fingerprint, batch.time),
        };
        match known {
            Known::Never => Ok(None),
            Known::Stored { seq, count } => Ok(Some(self.receipt(seq, count, true))),
            Known::ForAnotherRequest => Err(AppendError::KeyReused),
        }
    }

    fn receipt(&self, seq: Seq, count: u64, is_replayed: bool) -> Receipt {
        Receipt {
            id: EventId {
                epoch: self.shared.epoch,
                seq,
            },
            count,
            durability: self.shared.durability,
            is_replayed,
        }
    }

    /// Counts a topic that did not exist. Where there are as many as may be, one that has ended and
    /// has no event left makes room.
    fn open_topic(&mut self, topic: &TopicName) -> Result<(), AppendError> {
        if self.marks().any(|marks| marks.opened.contains(topic)) {
            return Ok(());
        }
        if self.topics() >= self.shared.topics_max {
            // Those of the group before may be counted twice.
            self.drain();
        }
        let max = self.shared.topics_max;
        if self.topics() >= max {
            let ended = &self.group.marks.ended;
            let view = self.shared.view();
            let retired = view.oldest_retired().filter(|name| !ended.contains(*name));
            let retired = retired.cloned();
            drop(view);
            let Some(retired) = retired else {
                return Err(AppendError::TooManyTopics(max));
            };
            // Not twice in one group.
            self.group.marks.ended.insert(retired.clone());
            self.encode_forget(&retired);
            self.group.changes.push(Change::Forget(retired, None));
        }
        self.group.marks.opened.insert(topic.clone());
        Ok(())
    }

    /// How many topics there are at most when all that was staged is visible.
    fn topics(&self) -> usize {
        let opened = self.marks().map(|marks| marks.opened.len());
        self.shared.view().topics.len() + opened.sum::<usize>()
    }

    fn encode(&mut self, batch: Batch, id: Option<u32>, answer: Answer) {
        let Batch {
            topic,
            events,
            idempotency,
            time,
        } = batch;
        let accepted = View::accepted(self.last_time, time);
        let first = self.next;
        let total = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let published = events.iter().filter(|(_, kind)| *kind == Kind::Published);
        let count = published.count() as u64;
        let last = Seq(first.0 + u64::from(total)).previous();
        let key = idempotency.map(|key| KeyRow {
            id: KeyId::of(&topic, &key),
            fingerprint: key.fingerprint,
            seq: last,
            count,
            time,
        });
        let opening = Opening {
            holds: Holds::Events,
            seq: first,
            durable: self.group_after(),
            events: total,
            topic: &topic,
            key: key.as_ref(),
        };
        let mut encoder = Encoder::begin(&mut self.group.buf, self.segment.salt, &opening);
        for (encoded, kind) in events {
            let place = EventId {
                epoch: self.shared.epoch,
                seq: self.next,
            };
            let event = Event::new(encoded, kind, topic.clone(), place, accepted);
            let at = encoder.event(kind, accepted, &event.frame);
            if kind == Kind::End {
                self.group.marks.ended.insert(topic.clone());
            }
            let change = Change::Event(Arc::new(event), at, id);
            self.group.changes.push(change);
            self.next = self.next.next();
        }
        encoder.finish();
        self.last_time = accepted;
        self.group.now = accepted;
        if let Some(key) = key {
            self.group.keys.push(key.clone());
            self.group.marks.keys.insert(key.id, key);
        }
        let receipt = self.receipt(last, count, false);
        self.group.answers.push((answer, receipt));
    }

    /// The seq before the group's first event: when the group is written, all up to there is
    /// durable.
    fn group_after(&mut self) -> Seq {
        if self.group.buf.is_empty() {
            self.group.after = self.next.previous();
        }
        self.group.after
    }

    /// Stages that a topic is forgotten, with all that was staged of it before.
    pub(super) fn stage_forget(
        &mut self,
        topic: TopicName,
        answer: oneshot::Sender<Result<u64, AppendError>>,
    ) {
        if let Err(error) = self.ready() {
            return drop(answer.send(Err(error)));
        }
        self.commit();
        let exists = self.shared.view().topics.by_name(&topic).is_some();
        if !exists {
            return drop(answer.send(Ok(0)));
        }
        if let Err(error) = self.make_room_for_forget(&topic) {
            return drop(answer.send(Err(error)));
        }
        self.encode_forget(&topic);
        self.group.changes.push(Change::Forget(topic, Some(answer)));
        // What is published to the topic from here on is a new one, which the checks have to see.
        self.commit();
    }

    fn encode_forget(&mut self, topic: &TopicName) {
        let opening = Opening {
            holds: Holds::Forget,
            seq: self.next,
            durable: self.group_after(),
            events: 0,
            topic,
            key: None,
        };
        Encoder::begin(&mut self.group.buf, self.segment.salt, &opening).finish();
    }
}
