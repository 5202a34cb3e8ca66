//! A topic that was ended: readers get what remains, then the word, then a 204.

use fanfare_testkit::{Form, Item, TestHub};
use http::Method;

#[tokio::test]
async fn an_end_is_told_and_then_there_is_nothing_to_wait_for() {
    let hub = TestHub::start().await;
    hub.publish("/job", "1").await;
    let mut live = Vec::new();
    for form in Form::ALL {
        live.push(hub.subscribe(form, "/job?history=all").await);
    }
    let stored = hub.publish("/job?end", "last").await;
    assert_eq!(stored.count, 1, "the end is not counted");
    for mut stream in live {
        let events = stream.take(3).await;
        let fields: Vec<_> = events.iter().map(|event| event.data.as_str()).collect();
        assert_eq!(fields, ["1", "last", r#"{"topic":"job"}"#]);
        assert_eq!(events[2].event_type, "fanfare.end");
        assert_eq!(events[2].id, stored.id);
        assert_eq!(stream.next_item().await, None);
    }
    for form in ["text/event-stream", "application/x-ndjson"] {
        for (id, is_fresh) in [(stored.id.as_str(), false), ("", true)] {
            let get = hub.fetch("/job").header("accept", form);
            let get = if is_fresh { get } else { get.last_event_id(id) };
            let answer = get.send().await;
            assert_eq!((answer.status, answer.text()), (204, ""));
        }
    }
}

#[tokio::test]
async fn who_was_away_gets_the_rest_and_the_end() {
    let hub = TestHub::start().await;
    let first = hub.publish("/job", "1").await;
    hub.publish("/job", "2").await;
    let end = hub.post("/job?end", "").send().await.stored();
    assert_eq!(end.count, 0, "nothing but the end");
    for form in Form::ALL {
        let get = hub.fetch("/job").last_event_id(&first.id);
        let mut stream = get.subscribe(form).await;
        assert_eq!(stream.next_data().await, "2");
        assert_eq!(stream.next().await.event_type, "fanfare.end");
        assert_eq!(stream.next_item().await, None);
    }
}

#[tokio::test]
async fn a_stream_ends_when_all_its_topics_have() {
    let hub = TestHub::start().await;
    let mut both = hub.subscribe(Form::Sse, "/one?topic=two").await;
    let mut pattern = hub.subscribe(Form::Sse, "/*").await;
    hub.publish("/one?end", "a").await;
    hub.publish("/two", "b").await;
    hub.publish("/two?end", "c").await;
    let types: Vec<_> = both
        .take(5)
        .await
        .into_iter()
        .map(|event| event.data)
        .collect();
    assert_eq!(
        types,
        ["a", r#"{"topic":"one"}"#, "b", "c", r#"{"topic":"two"}"#]
    );
    assert_eq!(both.rest().await, []);
    // Another topic may come that the pattern selects.
    pattern.take(5).await;
    hub.publish("/three", "d").await;
    assert_eq!(pattern.next_data().await, "d");
}

#[tokio::test]
async fn deleting_an_ended_topic_opens_it_again() {
    let hub = TestHub::start().await;
    hub.publish("/job?end", "1").await;
    assert_eq!(hub.post("/job", "2").send().await.code(), "topic_ended");
    assert_eq!(hub.post("/job?end", "").send().await.code(), "topic_ended");
    let deleted = hub.ask(Method::DELETE, "/job").send().await;
    assert_eq!(
        (deleted.status, deleted.json()["dropped"].as_u64()),
        (200, Some(2))
    );
    let mut stream = hub.subscribe(Form::Sse, "/job").await;
    hub.publish("/job", "again").await;
    assert!(matches!(stream.next_item().await, Some(Item::Retry(_))));
    assert_eq!(stream.next_data().await, "again");
}
