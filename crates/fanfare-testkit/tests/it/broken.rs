//! A log that breaks one of its promises on purpose, now and then, until it is told to stop.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fanfare_hub::log::{AnswerTo, Feed, Located, Observer, Pending, ReadRequest, Reading, Receipt};
use fanfare_hub::{
    AppendError, Batch, Durability, Epoch, EventId, Limits, Log, MemoryLog, NewEvent, ReadBudget,
    RetentionRules, Selection, Selector, Seq, Slice, Start, Timestamp, TopicName, TopicStatus,
};
use futures_util::FutureExt;

/// Which promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Acknowledges events and does not store them.
    Forgets,
    /// Stores events and refuses them.
    StoresRefused,
    StoresTwice,
    /// Shows events, then takes them back.
    TakesBack,
    /// Acknowledges events, and stores them after those that come later.
    Swaps,
    /// Leaves events out of what a subscriber reads.
    Skips,
    /// Gives an event twice.
    Repeats,
}

/// Of so many occasions one is taken: most of the load is served well.
const EVERY: u64 = 10;

pub(crate) struct BrokenLog {
    memory: MemoryLog,
    fault: Fault,
    is_armed: AtomicBool,
    occasions: AtomicU64,
    strikes: AtomicU64,
    /// What was acknowledged and is stored later.
    held: Mutex<Option<Batch>>,
    /// What will be taken back.
    doomed: Mutex<HashSet<Seq>>,
}

impl BrokenLog {
    pub(crate) fn new(fault: Fault) -> Self {
        let epoch = Epoch::from_entropy(0x2bad);
        Self {
            memory: MemoryLog::new(epoch, RetentionRules::default(), &Limits::default()),
            fault,
            is_armed: AtomicBool::new(true),
            occasions: AtomicU64::new(0),
            strikes: AtomicU64::new(0),
            held: Mutex::default(),
            doomed: Mutex::default(),
        }
    }

    /// How often a promise was broken.
    pub(crate) fn strikes(&self) -> u64 {
        self.strikes.load(Ordering::Relaxed)
    }

    /// Breaks no promise any more. What was broken stays broken.
    pub(crate) fn disarm(&self) {
        self.is_armed.store(false, Ordering::Relaxed);
        if let Some(batch) = self.held.lock().unwrap().take() {
            drop(self.memory.append(batch));
        }
    }

    fn strikes_now(&self) -> bool {
        if !self.is_armed.load(Ordering::Relaxed) {
            return false;
        }
        let occasion = self.occasions.fetch_add(1, Ordering::Relaxed);
        let strikes = occasion % EVERY == EVERY - 1;
        self.strikes
            .fetch_add(u64::from(strikes), Ordering::Relaxed);
        strikes
    }

    /// What the log would answer if it had stored the batch.
    fn promise(&self, batch: &Batch) -> Receipt {
        let count = batch.events.len() as u64;
        Receipt {
            id: EventId {
                epoch: self.memory.epoch(),
                seq: Seq(self.memory.last().0 + count),
            },
            count,
            durability: Durability::Memory,
            is_replayed: false,
        }
    }

    fn store_twice(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let (topic, time) = (batch.topic.clone(), batch.time);
        let before = self.memory.last();
        let answer = self.remember(batch);
        let selector = Selector::parse(topic.as_str()).unwrap();
        let copies = self.slice(&ReadRequest {
            selection: Arc::new(Selection::new([selector], &Limits::default()).unwrap()),
            after: before,
            trims_seen: 0,
            budget: ReadBudget {
                bytes: usize::MAX,
                events: usize::MAX,
            },
        });
        let copy = |event: &Arc<fanfare_hub::Event>| {
            (NewEvent::new(event.fields().data).encode(), event.kind)
        };
        drop(self.memory.append(Batch {
            events: copies.events.iter().map(copy).collect(),
            topic,
            idempotency: None,
            time,
        }));
        answer
    }

    /// Stores a batch behind the next one.
    fn swap(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let mut held = self.held.lock().unwrap();
        let answer = match held.take() {
            Some(earlier) => {
                let answer = self.remember(batch);
                drop(self.memory.append(earlier));
                answer
            }
            None if batch.idempotency.is_none() && self.strikes_now() => {
                let receipt = self.promise(&batch);
                *held = Some(batch);
                Ok(receipt)
            }
            None => self.remember(batch),
        };
        drop(held);
        answer
    }

    fn take_back(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let first = self.memory.last().0 + 1;
        let seqs = first..first + batch.events.len() as u64;
        self.doomed.lock().unwrap().extend(seqs.map(Seq));
        drop(self.memory.append(batch));
        Err(AppendError::Uncertain("on purpose".to_owned()))
    }

    fn slice(&self, request: &ReadRequest) -> Slice {
        match self.memory.read(request) {
            Reading::Ready(slice) => slice,
            Reading::Later(_) => unreachable!("a memory log never waits"),
        }
    }
}

impl BrokenLog {
    fn store(&self, batch: Batch) -> Result<Receipt, AppendError> {
        // What has a key is tried again, and a second attempt would hide what the first one did.
        let is_occasion = batch.idempotency.is_none();
        match self.fault {
            Fault::Swaps => self.swap(batch),
            Fault::Forgets if is_occasion && self.strikes_now() => Ok(self.promise(&batch)),
            Fault::StoresRefused if is_occasion && self.strikes_now() => {
                drop(self.memory.append(batch));
                Err(AppendError::Unavailable("on purpose".to_owned()))
            }
            Fault::StoresTwice if self.strikes_now() => self.store_twice(batch),
            Fault::TakesBack if is_occasion && self.strikes_now() => self.take_back(batch),
            _ => self.remember(batch),
        }
    }

    /// Stores a batch as it should be.
    fn remember(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let Some(stored) = self.memory.append(batch).now_or_never() else {
            unreachable!("a memory log never waits")
        };
        stored
    }
}

impl Log for BrokenLog {
    fn append_to(&self, batch: Batch, answer: AnswerTo) {
        answer.send(self.store(batch));
    }

    fn read(&self, request: &ReadRequest) -> Reading {
        let mut slice = self.slice(request);
        let mut events = slice.events.to_vec();
        match self.fault {
            Fault::Skips if events.len() > 1 && self.strikes_now() => {
                events.remove(0);
            }
            Fault::Repeats if !events.is_empty() && self.strikes_now() => {
                events.extend(events.last().cloned());
            }
            Fault::TakesBack if !self.is_armed.load(Ordering::Relaxed) => {
                let doomed = self.doomed.lock().unwrap();
                events.retain(|event| !doomed.contains(&event.seq));
            }
            _ => {}
        }
        slice.events = events.into();
        Reading::Ready(slice)
    }

    fn epoch(&self) -> Epoch {
        self.memory.epoch()
    }
    fn last(&self) -> Seq {
        self.memory.last()
    }
    fn durability(&self) -> Durability {
        self.memory.durability()
    }
    fn feed(&self, after: Seq, trims_seen: u64, budget: ReadBudget) -> Feed {
        self.memory.feed(after, trims_seen, budget)
    }

    fn locate(
        &self,
        selection: &Arc<Selection>,
        start: &Start,
        now: Timestamp,
    ) -> Pending<Located> {
        self.memory.locate(selection, start, now)
    }
    fn topic(&self, name: &TopicName) -> Pending<Option<TopicStatus>> {
        self.memory.topic(name)
    }
    fn topics(&self, after: Option<&TopicName>, limit: usize) -> Pending<Vec<TopicStatus>> {
        self.memory.topics(after, limit)
    }
    fn forget(&self, name: &TopicName) -> Pending<Result<u64, AppendError>> {
        self.memory.forget(name)
    }
    fn trim(&self, now: Timestamp) {
        self.memory.trim(now);
    }
    fn writable(&self) -> Result<(), AppendError> {
        self.memory.writable()
    }
    fn observe(&self, observer: Arc<dyn Observer>) {
        self.memory.observe(observer);
    }
}
