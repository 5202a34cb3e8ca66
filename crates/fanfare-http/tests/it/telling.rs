//! What the hub tells of itself is true, and tells nothing of what is published.

use std::collections::BTreeMap;

use fanfare_testkit::{Form, TestHub, until};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// The samples by name and labels.
async fn metrics(hub: &TestHub) -> BTreeMap<String, u64> {
    let answer = hub.fetch("/-/metrics").send().await;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for secret in ["hushed", "whispered", "murmur"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| line.rsplit_once(' ').unwrap());
    samples
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

async fn metric(hub: &TestHub, name: &str) -> u64 {
    metrics(hub).await.get(name).copied().unwrap_or(0)
}

#[tokio::test]
async fn published_events_are_counted_once_through_whatever_door_they_came() {
    let hub = TestHub::start().await;
    let published = || metric(&hub, "fanfare_published_events_total");
    hub.publish("/hushed?event=murmur", "whispered").await;
    hub.publish_many("/hushed", 5).await;
    assert_eq!(published().await, 6);
    for _ in 0..2 {
        let post = hub.post("/hushed", "whispered");
        post.header("idempotency-key", "murmur")
            .send()
            .await
            .stored();
    }
    assert_eq!(published().await, 7, "a replay is not another event");
    let mut socket = hub.subscribe(Form::WebSocket, "/hushed").await;
    socket.send(Message::text(r#"{"data":"whispered"}"#)).await;
    until("the frame", || async { published().await == 8 }).await;
    let mut pipe = hub.pipe("/hushed", "text/event-stream").await;
    pipe.send(&b"data: whispered\n\ndata: 2\n\ndata: \xff\n\n"[..])
        .await;
    assert_eq!(pipe.answer().await.code(), "partly_stored");
    assert_eq!(
        published().await,
        10,
        "what is stored of a broken pipe is published"
    );
}

#[tokio::test]
async fn a_pipe_that_is_sent_again_counts_what_it_adds() {
    let hub = TestHub::start().await;
    for blocks in [
        "data: 1\n\ndata: 2\n\n",
        "data: 1\n\ndata: 2\n\ndata: 3\n\n",
    ] {
        let pipe = hub.ask(http::Method::POST, "/hushed");
        let pipe = pipe.header("content-type", "text/event-stream");
        let mut pipe = pipe.header("idempotency-key", "k").pipe().await;
        pipe.send(blocks).await;
        pipe.finish().await.stored();
    }
    assert_eq!(metric(&hub, "fanfare_published_events_total").await, 3);
}

#[tokio::test]
async fn refusals_and_gaps_are_counted_by_their_kind() {
    let hub = TestHub::builder().keep_events(1).start().await;
    for _ in 0..3 {
        hub.fetch("/hushed//murmur").send().await;
    }
    hub.post("/hushed", &b"\xff"[..]).send().await;
    let first = hub.publish("/hushed", "whispered").await.id;
    hub.publish_many("/hushed", 3).await;
    for form in Form::ALL {
        let get = hub.fetch("/hushed").last_event_id(&first);
        assert_eq!(get.subscribe(form).await.gap().await, "trimmed");
    }
    let get = hub.fetch("/hushed").last_event_id("murmur!");
    assert_eq!(get.subscribe(Form::Sse).await.gap().await, "malformed");
    let metrics = metrics(&hub).await;
    for (name, value) in [
        ("fanfare_refused_requests_total{code=\"bad_topic\"}", 3),
        ("fanfare_refused_requests_total{code=\"bad_body\"}", 1),
        ("fanfare_gaps_total{reason=\"trimmed\"}", 4),
        ("fanfare_gaps_total{reason=\"malformed\"}", 1),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name} in {metrics:?}");
    }
}

#[tokio::test]
async fn streams_are_counted_while_they_are_open_and_deliveries_for_ever() {
    let hub = TestHub::start().await;
    let mut streams = Vec::new();
    for form in Form::ALL {
        streams.push(hub.subscribe(form, "/hushed").await);
    }
    hub.publish_many("/hushed", 10).await;
    for stream in &mut streams {
        stream.take(10).await;
    }
    let open = metrics(&hub).await;
    for (form, count) in [
        ("text/event-stream", 2),
        ("application/x-ndjson", 1),
        ("websocket", 1),
    ] {
        let name = format!("fanfare_streams{{form=\"{form}\"}}");
        assert_eq!(open.get(&name), Some(&count), "{name} in {open:?}");
    }
    until("all deliveries to be counted", || async {
        metric(&hub, "fanfare_delivered_events_total").await == 40
    })
    .await;
    let bytes = metric(&hub, "fanfare_delivered_bytes_total").await;
    assert!(bytes > 40 * 20, "{bytes}");
    // Theirs, and the one that asks.
    assert_eq!(metric(&hub, "fanfare_connections").await, 5);
    drop(streams);
    until("no stream", || async {
        let metrics = metrics(&hub).await;
        let open = metrics
            .iter()
            .filter(|(name, _)| name.starts_with("fanfare_streams"));
        open.map(|(_, count)| count).sum::<u64>() == 0
    })
    .await;
}

#[tokio::test]
async fn the_hub_tells_what_it_is_and_what_bounds_it_has() {
    let hub = TestHub::builder()
        .limits(|limits| limits.event_bytes_max = 1_234)
        .start()
        .await;
    hub.publish("/a", "1").await;
    let _stream = hub.subscribe(Form::Sse, "/a").await;
    let told = hub.fetch("/-/info").send().await.json();
    let epoch = hub.app().hub().log().epoch();
    for (name, value) in [
        ("name", json!("fanfare")),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("epoch", json!(epoch.as_str())),
        ("newest", json!(format!("{epoch}-1"))),
        ("durability", json!("memory")),
        ("subscribers", json!(1)),
        ("heartbeat_ms", json!(15_000)),
        ("retry_ms", json!(2_000)),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    assert_eq!(told["limits"]["event_bytes_max"], 1_234);
    assert_eq!(told["limits"]["topics_max"], 1_000_000);
    assert_eq!(told["limits"]["drain_deadline_ms"], 8_000);
}

#[tokio::test]
async fn topics_are_listed_by_name_page_by_page() {
    let hub = TestHub::builder().keep_events(2).start().await;
    hub.publish_many("/c/d", 3).await;
    hub.publish("/a%20%26b", "x").await;
    hub.publish("/b?end", "x").await;
    let listed = hub.fetch("/-/topics").send().await.json();
    let topics = listed["topics"].as_array().unwrap();
    let names: Vec<_> = topics
        .iter()
        .map(|topic| topic["topic"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a &b", "b", "c/d"]);
    let epoch = hub.app().hub().log().epoch();
    assert_eq!(topics[2]["oldest"], format!("{epoch}-2"));
    assert_eq!(topics[2]["newest"], format!("{epoch}-3"));
    assert_eq!(
        (&topics[2]["count"], &topics[2]["ended"]),
        (&json!(2), &json!(false))
    );
    assert!(topics[2]["bytes"].as_u64().unwrap() > 0);
    assert_eq!(topics[1]["ended"], true);
    let next = hub
        .fetch("/-/topics?after=a%20%26b&limit=1")
        .send()
        .await
        .json();
    assert_eq!(next["topics"].as_array().unwrap().len(), 1);
    assert_eq!(next["topics"][0]["topic"], "b");
}
