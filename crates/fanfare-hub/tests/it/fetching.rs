//! A log that has to fetch what lies below its tail, as one on disk does, and in which other things
//! happen between two calls: what becomes visible or is dropped meanwhile is not missed.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use fanfare_hub::log::{
    AnswerTo, Feed, Located, Observer, Pending, ReadBudget, ReadRequest, Reading,
};
use fanfare_hub::{
    AppendError, Batch, Durability, Epoch, GapReason, Hub, Limits, Log, MemoryLog, RetentionRules,
    Selection, Seq, Start, Step, Subscription, Timestamp, TopicName, TopicStatus, Trusted,
};

use crate::fixture::{
    Bell, NOW, WHOLE, epoch, now_or_panic, open, poll, publish, resume, select, seqs, topic,
};

/// A memory log whose reads below the tail arrive when the storage answers.
struct SlowLog {
    memory: MemoryLog,
    is_storage_ready: Arc<AtomicBool>,
    /// Happens each time after a start was found.
    after_locate: fn(&MemoryLog),
}

impl Log for SlowLog {
    fn read(&self, request: &ReadRequest) -> Reading {
        if request.after >= self.memory.last() {
            return self.memory.read(request);
        }
        let Reading::Ready(slice) = self.memory.read(request) else {
            unreachable!("a memory log never waits")
        };
        let is_ready = Arc::clone(&self.is_storage_ready);
        let mut slice = Some(slice);
        Reading::Later(Box::pin(poll_fn(move |_| {
            if is_ready.load(Ordering::Relaxed) {
                Poll::Ready(slice.take().unwrap())
            } else {
                Poll::Pending
            }
        })))
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
    fn append_to(&self, batch: Batch, answer: AnswerTo) {
        self.memory.append_to(batch, answer);
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
        let located = self.memory.locate(selection, start, now);
        (self.after_locate)(&self.memory);
        located
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

/// A hub over such a log, and the switch that lets its storage answer.
fn hub(after_locate: fn(&MemoryLog)) -> (Hub, Arc<AtomicBool>) {
    let is_storage_ready = Arc::new(AtomicBool::new(false));
    let limits = Limits::default();
    let log = SlowLog {
        memory: MemoryLog::new(epoch(), RetentionRules::default(), &limits),
        is_storage_ready: Arc::clone(&is_storage_ready),
        after_locate,
    };
    (Hub::new(Arc::new(log), limits), is_storage_ready)
}

#[test]
fn what_was_being_fetched_is_given_once_storage_answers() {
    let (hub, is_storage_ready) = hub(|_| {});
    publish(&hub, "a", &["one", "two"]);
    let mut cursor = open(&hub, &["a"], Start::All);
    let bell = Arc::new(Bell::default());
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
    is_storage_ready.store(true, Ordering::Relaxed);
    match poll(&mut cursor, &bell, WHOLE) {
        Some(Step::Events(slice)) => assert_eq!(seqs(&slice.events), [Seq(1), Seq(2)]),
        other => panic!("expected events, got {other:?}"),
    }
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
    assert_eq!(bell.rings(), 0);
}

#[test]
fn an_event_that_becomes_visible_during_a_fetch_is_not_missed() {
    let (hub, is_storage_ready) = hub(|_| {});
    publish(&hub, "b", &["one", "two"]);
    let mut cursor = open(&hub, &["a"], resume("k3v9q2-0"));
    let bell = Arc::new(Bell::default());
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
    publish(&hub, "a", &["three"]);
    assert_eq!(bell.rings(), 1);
    is_storage_ready.store(true, Ordering::Relaxed);
    // What was fetched is older than the event and has nothing for this cursor.
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
    assert_eq!(bell.rings(), 1, "the cursor asks to be polled again");
    match poll(&mut cursor, &bell, WHOLE) {
        Some(Step::Events(slice)) => assert_eq!(seqs(&slice.events), [Seq(3)]),
        other => panic!("expected events, got {other:?}"),
    }
}

#[test]
fn a_page_tells_what_was_dropped_after_its_start_was_found() {
    let (hub, is_storage_ready) = hub(|memory| {
        now_or_panic(memory.forget(&topic("a"))).unwrap();
    });
    is_storage_ready.store(true, Ordering::Relaxed);
    publish(&hub, "a", &["one"]);
    publish(&hub, "b", &["two"]);
    let subscription = Subscription {
        selection: Trusted.subscribe(select(&["a", "b"])),
        start: Start::All,
    };
    let page = now_or_panic(hub.page(subscription, WHOLE, NOW));
    assert_eq!(seqs(&page.slice.events), [Seq(2)]);
    assert_eq!(page.gap.map(|gap| gap.reason), Some(GapReason::Trimmed));
}
