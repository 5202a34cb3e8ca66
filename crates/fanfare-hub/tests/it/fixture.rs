//! Short spellings for what every test needs: a hub in memory, names, selections, one poll.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use fanfare_hub::{
    Cursor, Epoch, Event, Hub, Limits, MemoryLog, NewEvent, Publication, ReadBudget, Receipt,
    Resume, Retention, RetentionRules, Selection, Selector, Seq, Start, Step, Subscribed,
    Subscription, Timestamp, TopicName, Trusted,
};

/// The time of tests that do not care about time.
pub(crate) const NOW: Timestamp = Timestamp(1_763_680_000_000);

/// More than any test publishes.
pub(crate) const WHOLE: ReadBudget = ReadBudget {
    bytes: usize::MAX,
    events: usize::MAX,
};

pub(crate) fn epoch() -> Epoch {
    Epoch::parse("k3v9q2").unwrap()
}

pub(crate) fn hub_with(rules: RetentionRules, limits: Limits) -> Hub {
    Hub::new(Arc::new(MemoryLog::new(epoch(), rules, &limits)), limits)
}

/// A hub that keeps everything.
pub(crate) fn hub() -> Hub {
    hub_with(
        RetentionRules {
            hub: Retention::UNBOUNDED,
            ..RetentionRules::default()
        },
        Limits::default(),
    )
}

/// A hub that keeps so many events, over all topics.
pub(crate) fn hub_of(events_max: u64) -> Hub {
    let hub = Retention {
        events_max,
        ..Retention::UNBOUNDED
    };
    let rules = RetentionRules {
        hub,
        ..RetentionRules::default()
    };
    hub_with(rules, Limits::default())
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

pub(crate) fn select(selectors: &[&str]) -> Selection {
    let selectors = selectors.iter().map(|text| Selector::parse(text).unwrap());
    Selection::new(selectors, &Limits::default()).unwrap()
}

pub(crate) fn publication(name: &str, texts: &[&str]) -> Publication {
    Publication {
        topic: Trusted.publish(topic(name)),
        events: texts.iter().map(|&text| NewEvent::new(text)).collect(),
        ends_topic: false,
        idempotency: None,
    }
}

/// Runs a future that never has to wait, as all of a memory log are.
pub(crate) fn now_or_panic<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a memory log never waits"),
    }
}

pub(crate) fn publish(hub: &Hub, name: &str, texts: &[&str]) -> Receipt {
    now_or_panic(hub.publish(publication(name, texts), NOW)).unwrap()
}

pub(crate) fn end(hub: &Hub, name: &str) -> Receipt {
    let publication = Publication {
        ends_topic: true,
        ..publication(name, &[])
    };
    now_or_panic(hub.publish(publication, NOW)).unwrap()
}

pub(crate) fn forget(hub: &Hub, name: &str) -> u64 {
    now_or_panic(hub.log().forget(&topic(name))).unwrap()
}

pub(crate) fn subscribe(hub: &Hub, selectors: &[&str], start: Start) -> Subscribed {
    let selection = Trusted.subscribe(select(selectors));
    let subscription = Subscription { selection, start };
    now_or_panic(hub.subscribe(subscription, NOW)).unwrap()
}

pub(crate) fn open(hub: &Hub, selectors: &[&str], start: Start) -> Cursor {
    match subscribe(hub, selectors, start) {
        Subscribed::Open(cursor) => cursor,
        Subscribed::Over => panic!("the stream is over"),
    }
}

pub(crate) fn resume(text: &str) -> Start {
    Start::Resume(Resume::parse(text))
}

/// Counts how often it is woken.
#[derive(Default)]
pub(crate) struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    /// How often it was woken since it was last asked.
    pub(crate) fn rings(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// One poll; `None` when the cursor waits.
pub(crate) fn poll(cursor: &mut Cursor, bell: &Arc<Bell>, budget: ReadBudget) -> Option<Step> {
    let waker = Waker::from(Arc::clone(bell));
    match cursor.poll_step(&mut Context::from_waker(&waker), budget) {
        Poll::Ready(step) => Some(step),
        Poll::Pending => None,
    }
}

pub(crate) fn step(cursor: &mut Cursor) -> Option<Step> {
    poll(cursor, &Arc::default(), WHOLE)
}

pub(crate) fn seqs(events: &[Arc<Event>]) -> Vec<Seq> {
    events.iter().map(|event| event.seq).collect()
}

/// The seqs of the next step, which has to be events.
pub(crate) fn step_seqs(cursor: &mut Cursor) -> Vec<u64> {
    match step(cursor) {
        Some(Step::Events(slice)) => slice.events.iter().map(|event| event.seq.0).collect(),
        other => panic!("expected events, got {other:?}"),
    }
}
