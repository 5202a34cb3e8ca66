//! A reader of a log: what it is given and what it is told, step by step, as the server gives it to
//! a client.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use fanfare_hub::{
    EventId, Gap, GapReason, Hub, Limits, ReadBudget, Resume, Selection, Selector, Seq, Start,
    Step, Subscribed, Subscription, Trusted,
};

use super::scene::NOW;

/// An event as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) seq: Seq,
    pub(crate) topic: String,
    pub(crate) data: String,
    /// As it goes over the wire.
    pub(crate) frame: Vec<u8>,
}

/// What a reader got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Event(Seen),
    Gap(GapReason),
}

/// A log that does not answer a reader in this time never will.
const PATIENCE: Duration = Duration::from_secs(10);
/// Small steps, so that gaps between them are met as well.
const BUDGET: ReadBudget = ReadBudget {
    bytes: 32 << 10,
    events: 100,
};

/// Reads up to the tail; `None` when the log never gets there.
pub(crate) async fn read(hub: &Hub, selector: &str, after: Option<EventId>) -> Option<Vec<Told>> {
    tokio::time::timeout(PATIENCE, walk(hub, selector, after))
        .await
        .ok()
}

async fn walk(hub: &Hub, selector: &str, after: Option<EventId>) -> Vec<Told> {
    let limits = Limits::default();
    let selector = Selector::parse(selector).unwrap();
    let subscription = Subscription {
        selection: Trusted.subscribe(Selection::new([selector], &limits).unwrap()),
        start: after.map_or(Start::All, |id| Start::Resume(Resume::After(id))),
    };
    let opened = hub.subscribe(subscription, NOW).await;
    let Ok(Subscribed::Open(mut cursor)) = opened else {
        panic!("no topic ends and there is room");
    };
    let last = hub.log().last();
    let mut told = Vec::new();
    let step = |step: Step, told: &mut Vec<Told>| match step {
        Step::Gap(Gap { reason, .. }) => told.push(Told::Gap(reason)),
        Step::Events(slice) => told.extend(slice.events.iter().map(|event| {
            Told::Event(Seen {
                seq: event.seq,
                topic: event.topic.as_str().to_owned(),
                data: event.fields().data,
                frame: event.frame.to_vec(),
            })
        })),
        Step::Over => panic!("no topic ends"),
    };
    poll_fn(|cx| {
        loop {
            match cursor.poll_step(cx, BUDGET) {
                Poll::Ready(next) => step(next, &mut told),
                Poll::Pending if cursor.position().seq >= last => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    told
}

/// All events of a log that is whole.
pub(crate) async fn everything(hub: &Hub) -> Vec<Seen> {
    let told = read(hub, "**", None).await.expect("a log that answers");
    let event = |told| match told {
        Told::Event(seen) => seen,
        Told::Gap(reason) => panic!("a gap in a log that is whole: {reason:?}"),
    };
    told.into_iter().map(event).collect()
}
