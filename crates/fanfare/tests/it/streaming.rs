//! Reading a subscription in Rust.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::{
    Event, EventStream, GapReason, History, Hub, Limits, NewEvent, Retention, RetentionRules,
    StreamItem, Subscribe,
};
use fanfare_testkit::expect;
use futures_util::StreamExt;
use http::HeaderMap;

async fn next(stream: &mut EventStream) -> Event {
    match expect("an event", stream.next()).await {
        Some(StreamItem::Event(event)) => event,
        other => panic!("{other:?} instead of an event"),
    }
}

/// The texts of so many events.
pub(crate) async fn read(subscription: Subscribe, count: usize) -> Vec<String> {
    let mut stream = subscription.stream().await.unwrap();
    let mut texts = Vec::new();
    while texts.len() < count {
        texts.push(next(&mut stream).await.data);
    }
    texts
}

/// The headers of a request that comes back with an id.
fn coming_back(id: &str) -> HeaderMap {
    HeaderMap::from_iter([("last-event-id".parse().unwrap(), id.parse().unwrap())])
}

#[tokio::test]
async fn a_stream_replays_and_then_lives() {
    let hub = Hub::in_memory();
    hub.publish("a", "1").await.unwrap();
    let typed = NewEvent::new("two\r\nlines").event_type("note").unwrap();
    let second = hub.publish("b/x", typed).await.unwrap();
    let subscription = hub.subscribe("a").and("b/*").history(History::All);
    let mut stream = subscription.stream().await.unwrap();
    assert_eq!(next(&mut stream).await.data, "1");
    let event = next(&mut stream).await;
    assert_eq!((event.id, event.topic.as_str()), (second.id, "b/x"));
    assert_eq!(
        (event.event_type.as_str(), event.data.as_str()),
        ("note", "two\nlines")
    );
    assert!(event.time > 1_700_000_000_000);
    hub.publish("unseen", "x").await.unwrap();
    hub.publish("a", "live").await.unwrap();
    assert_eq!(next(&mut stream).await.data, "live");
}

#[tokio::test]
async fn a_history_is_everything_a_number_or_a_span() {
    let hub = Hub::in_memory();
    for text in ["1", "2", "3"] {
        hub.publish("a", text).await.unwrap();
    }
    let from = |history| hub.subscribe("a").history(history);
    assert_eq!(read(from(History::All), 3).await, ["1", "2", "3"]);
    assert_eq!(read(from(History::Last(2)), 2).await, ["2", "3"]);
    assert_eq!(
        read(from(History::Since(Duration::from_secs(60))), 3).await,
        ["1", "2", "3"]
    );
    let mut tail = hub.subscribe("a").stream().await.unwrap();
    hub.publish("a", "4").await.unwrap();
    assert_eq!(next(&mut tail).await.data, "4");
}

#[tokio::test]
async fn an_id_wins_over_a_history_in_whatever_order_they_are_said() {
    let hub = Hub::in_memory();
    let first = hub.publish("a", "1").await.unwrap();
    hub.publish("a", "2").await.unwrap();
    let headers = coming_back(&first.id.to_string());
    let before = hub.subscribe("a").resume(&headers).history(History::All);
    assert_eq!(read(before, 1).await, ["2"]);
    let after = hub.subscribe("a").history(History::All).resume(&headers);
    assert_eq!(read(after, 1).await, ["2"]);
    let nothing = hub
        .subscribe("a")
        .history(History::All)
        .resume(&HeaderMap::new());
    assert_eq!(read(nothing, 2).await, ["1", "2"]);
}

#[tokio::test]
async fn a_gap_is_an_item_of_the_stream() {
    let retention = RetentionRules {
        topic: Retention {
            events_max: 2,
            ..Retention::UNBOUNDED
        },
        ..RetentionRules::default()
    };
    let hub = Hub::builder().retention(retention).build();
    let first = hub.publish("a", "1").await.unwrap();
    let mut slow = hub.subscribe("a").stream().await.unwrap();
    for text in ["2", "3", "4"] {
        hub.publish("a", text).await.unwrap();
    }
    let resumed = hub
        .subscribe("a")
        .resume(&coming_back(&first.id.to_string()));
    for (stream, reason) in [
        (&mut resumed.stream().await.unwrap(), GapReason::Trimmed),
        (&mut slow, GapReason::Slow),
    ] {
        match expect("a gap", stream.next()).await {
            Some(StreamItem::Gap(gap)) => {
                assert_eq!((gap.reason, gap.asked), (reason, first.id.to_string()));
                assert_eq!((gap.oldest.seq.0, gap.resumes_after.seq.0), (3, 2));
            }
            other => panic!("{other:?} instead of a gap"),
        }
        assert_eq!(next(stream).await.data, "3");
        assert_eq!(next(stream).await.data, "4");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_topics_have_and_the_hook_runs_then() {
    let hub = Hub::in_memory();
    let closed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&closed);
    let subscription = hub.subscribe("a").on_close(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let mut stream = subscription.stream().await.unwrap();
    hub.publish("a", "last").await.unwrap();
    hub.end("a").await.unwrap();
    assert_eq!(next(&mut stream).await.data, "last");
    assert_eq!(next(&mut stream).await.event_type, "fanfare.end");
    assert_eq!(closed.load(Ordering::Relaxed), 0);
    assert_eq!(stream.next().await, None);
    assert_eq!(closed.load(Ordering::Relaxed), 1);
    assert_eq!(hub.subscribers(), 0);
    assert_eq!(stream.next().await, None);
    drop(stream);
    assert_eq!(closed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_dropped_stream_is_a_subscriber_that_is_gone() {
    let hub = Hub::in_memory();
    let closed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&closed);
    let subscription = hub.subscribe("a").on_close(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let stream = subscription.stream().await.unwrap();
    assert_eq!(hub.subscribers(), 1);
    drop(stream);
    assert_eq!((hub.subscribers(), closed.load(Ordering::Relaxed)), (0, 1));
}

#[tokio::test]
async fn a_subscription_that_is_refused_says_why() {
    let limits = Limits {
        selectors_max: 1,
        ..Limits::default()
    };
    let hub = Hub::builder().limits(limits).build();
    let code = async |subscription: Subscribe| subscription.stream().await.err().unwrap().code();
    assert_eq!(code(hub.subscribe("a//b")).await, "bad_topic");
    assert_eq!(code(hub.subscribe("a").and("b")).await, "too_many_topics");
}
