//! The log that is nothing but a window: it lives as long as the process.

use std::future::ready;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::event::{Event, Kind, Timestamp};
use crate::idempotency::{IdempotencyIndex, KeyId, KeyRow, Known};
use crate::limits::Limits;
use crate::log::{
    AnswerTo, AppendError, Batch, Durability, Feed, Located, Log, Observer, Pending, ReadBudget,
    ReadRequest, Reading, Receipt, TopicStatus,
};
use crate::position::{Epoch, EventId, Seq};
use crate::retention::RetentionRules;
use crate::subscription::{Selection, Start};
use crate::topic::TopicName;
use crate::window::Window;

/// A log in memory. Its epoch is new at every start, because every start forgets everything.
pub struct MemoryLog {
    epoch: Epoch,
    topics_max: usize,
    state: RwLock<State>,
    observer: OnceLock<Arc<dyn Observer>>,
}

struct State {
    window: Window,
    idempotency: IdempotencyIndex,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(epoch: Epoch, rules: RetentionRules, limits: &Limits) -> Self {
        Self {
            epoch,
            topics_max: limits.topics_max,
            state: RwLock::new(State {
                window: Window::new(rules),
                idempotency: IdempotencyIndex::new(limits),
            }),
            observer: OnceLock::new(),
        }
    }

    // Nothing between taking and releasing the lock can be caught half done: a panic there is an
    // assertion about the log itself, and those who come later meet the same assertion.
    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let mut state = self.write_state();
        let Batch {
            topic,
            events,
            idempotency,
            time,
        } = batch;
        let receipt = |seq, count, is_replayed| Receipt {
            id: EventId {
                epoch: self.epoch,
                seq,
            },
            count,
            durability: Durability::Memory,
            is_replayed,
        };
        let key = idempotency.map(|key| (KeyId::of(&topic, &key), key.fingerprint));
        if let Some((id, fingerprint)) = &key {
            match state.idempotency.find(id, fingerprint, time) {
                Known::Never => {}
                Known::Stored { seq, count } => return Ok(receipt(seq, count, true)),
                Known::ForAnotherRequest => return Err(AppendError::KeyReused),
            }
        }
        if state.window.is_ended(&topic) {
            return Err(AppendError::TopicEnded);
        }
        let is_full = state.window.topics_len() >= self.topics_max;
        if is_full && !state.window.has_topic(&topic) && !state.window.forget_retired() {
            return Err(AppendError::TooManyTopics(self.topics_max));
        }
        let accepted = state.window.accepted(time);
        let mut count = 0;
        for (encoded, kind) in events {
            let id = EventId {
                epoch: self.epoch,
                seq: state.window.last().next(),
            };
            count += u64::from(kind == Kind::Published);
            let event = Event::new(encoded, kind, topic.clone(), id, accepted);
            state.window.push(Arc::new(event));
        }
        let seq = state.window.last();
        if let Some((id, fingerprint)) = key {
            state.idempotency.remember(KeyRow {
                id,
                fingerprint,
                seq,
                count,
                time,
            });
        }
        Ok(receipt(seq, count, false))
    }
}

impl Log for MemoryLog {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn last(&self) -> Seq {
        self.read_state().window.last()
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn append_to(&self, batch: Batch, answer: AnswerTo) {
        let topic = batch.topic.clone();
        let result = self.store(batch);
        if let (Some(observer), Ok(receipt)) = (self.observer.get(), &result)
            && !receipt.is_replayed
        {
            observer.visible(&topic);
        }
        answer.send(result);
    }

    fn read(&self, request: &ReadRequest) -> Reading {
        Reading::Ready(self.read_state().window.read(request))
    }

    fn feed(&self, after: Seq, trims_seen: u64, budget: ReadBudget) -> Feed {
        self.read_state().window.feed(after, trims_seen, budget)
    }

    fn locate(
        &self,
        selection: &Arc<Selection>,
        start: &Start,
        now: Timestamp,
    ) -> Pending<Located> {
        let window = &self.read_state().window;
        Box::pin(ready(window.locate(selection, start, self.epoch, now)))
    }

    fn topic(&self, name: &TopicName) -> Pending<Option<TopicStatus>> {
        Box::pin(ready(self.read_state().window.topic(name)))
    }

    fn topics(&self, after: Option<&TopicName>, limit: usize) -> Pending<Vec<TopicStatus>> {
        Box::pin(ready(self.read_state().window.topics(after, limit)))
    }

    fn forget(&self, name: &TopicName) -> Pending<Result<u64, AppendError>> {
        let dropped = self.write_state().window.forget(name);
        Box::pin(ready(Ok(dropped)))
    }

    fn trim(&self, now: Timestamp) {
        self.write_state().window.trim(now);
    }

    fn writable(&self) -> Result<(), AppendError> {
        // Memory refuses nobody; what it has to show is that its lock is not held for ever.
        drop(self.write_state());
        Ok(())
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        // The hub calls this once; a second hub on one log would be deaf, which its first test
        // shows.
        let is_first = self.observer.set(observer).is_ok();
        assert!(is_first, "a log has one hub");
    }
}
