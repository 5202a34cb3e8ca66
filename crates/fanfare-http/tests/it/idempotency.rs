//! A key makes a retried publish safe: it is stored once, and answered the same.

use fanfare_testkit::{Ask, Form, TestHub};
use http::Method;
use tokio::task::JoinSet;

fn keyed(hub: &TestHub, path: &str, body: &str, key: &str) -> Ask {
    hub.post(path, body.to_owned())
        .header("idempotency-key", key)
}

#[tokio::test]
async fn the_same_request_is_stored_once_and_answered_the_same() {
    let hub = TestHub::start().await;
    let first = keyed(&hub, "/orders", "one", "k").send().await.stored();
    hub.publish("/orders", "between").await;
    let again = keyed(&hub, "/orders", "one", "k").send().await.stored();
    assert!(!first.is_replayed && again.is_replayed);
    assert_eq!((&first.id, first.count), (&again.id, again.count));
    let head = hub.ask(Method::HEAD, "/orders").send().await;
    assert_eq!(head.header("fanfare-count"), "2");
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let hub = TestHub::start().await;
    keyed(&hub, "/orders", "one", "k").send().await.stored();
    for other in [
        keyed(&hub, "/orders", "two", "k"),
        keyed(&hub, "/orders?event=e", "one", "k"),
        keyed(&hub, "/orders", "one", "k").header("content-type", "application/x-ndjson"),
    ] {
        assert_eq!(other.send().await.code(), "idempotency_key_reused");
    }
    // A key belongs to its topic, and another key is another request.
    assert!(
        !keyed(&hub, "/other", "two", "k")
            .send()
            .await
            .stored()
            .is_replayed
    );
    assert!(
        !keyed(&hub, "/orders", "one", "l")
            .send()
            .await
            .stored()
            .is_replayed
    );
}

#[tokio::test]
async fn a_key_has_visible_characters_alone() {
    let hub = TestHub::start().await;
    for key in ["a b", "a\tb"] {
        let refused = keyed(&hub, "/orders", "one", key).send().await;
        assert_eq!(refused.code(), "bad_header", "{key:?}");
    }
    let visible = keyed(&hub, "/orders", "one", "!\"a~").send().await;
    assert_eq!(visible.stored().count, 1);
}

#[tokio::test]
async fn a_batch_under_a_key_is_one_request() {
    let hub = TestHub::start().await;
    let lines =
        || keyed(&hub, "/orders", "a\nb\nc", "k").header("content-type", "application/x-ndjson");
    let (first, again) = (lines().send().await.stored(), lines().send().await.stored());
    assert_eq!((first.count, again.count), (3, 3));
    assert_eq!(first.id, again.id);
    assert!(again.is_replayed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_at_once_under_one_key_store_one_event() {
    let hub = TestHub::start().await;
    let mut stream = hub.subscribe(Form::Sse, "/orders").await;
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        requests.spawn(keyed(&hub, "/orders", "one", "k").send());
    }
    let stored: Vec<_> = requests
        .join_all()
        .await
        .iter()
        .map(|answer| answer.stored())
        .collect();
    assert!(
        stored
            .iter()
            .all(|one| one.id == stored[0].id && one.count == 1)
    );
    assert_eq!(
        stored.iter().filter(|stored| !stored.is_replayed).count(),
        1
    );
    hub.publish("/orders", "after").await;
    assert_eq!(stream.next().await.id, stored[0].id);
    assert_eq!(stream.next_data().await, "after");
}
