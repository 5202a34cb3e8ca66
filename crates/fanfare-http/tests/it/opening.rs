//! How a stream begins, byte for byte, and how it shows that it lives.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fanfare_testkit::{Form, Item, TestHub};
use http::HeaderMap;

#[tokio::test]
async fn the_head_of_an_event_stream_is_exactly_this() {
    let hub = TestHub::start().await;
    for (form, content_type) in [
        (Form::Sse, "text/event-stream"),
        (Form::SseOverHttp2, "text/event-stream"),
        (Form::Ndjson, "application/x-ndjson"),
    ] {
        let stream = hub.subscribe(form, "/a").await;
        let expected = BTreeMap::from([
            ("content-type", content_type),
            ("cache-control", "no-cache, no-store, no-transform, private"),
            ("x-accel-buffering", "no"),
            ("x-content-type-options", "nosniff"),
            ("fanfare-heartbeat", "15000"),
        ]);
        // How HTTP/1.1 frames it is the driver's; on HTTP/2 none of it may appear (RFC 9113 8.2.2).
        let is_framed = FRAMING.map(|name| stream.headers().contains_key(name));
        let has_framing = is_framed.contains(&true);
        assert_eq!(has_framing, form != Form::SseOverHttp2, "{form:?}");
        assert_eq!(without_framing(stream.headers()), expected, "{form:?}");
    }
}

/// Either chunks, or the end of the connection as the end of the stream (RFC 9112 6.3).
const FRAMING: [&str; 2] = ["transfer-encoding", "connection"];

/// All but how the body is framed, and the date.
fn without_framing(headers: &HeaderMap) -> BTreeMap<&str, &str> {
    let fields = headers
        .iter()
        .filter(|(name, _)| *name != "date" && !FRAMING.contains(&name.as_str()));
    fields
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn the_first_block_is_a_retry_and_the_starting_position() {
    let hub = TestHub::start().await;
    let id = hub.publish("/a", "before").await.id;
    let mut raw = hub.raw().await;
    raw.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    raw.read_through("\r\n\r\n").await;
    let block = raw.read_block().await;
    let mut lines: Vec<_> = block.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 3, "{block:?}");
    assert_eq!(lines[0], "");
    assert_eq!(lines[1], format!("id: {id}"));
    assert!(lines[2].starts_with("retry: "), "{block:?}");
    // And then the event, encoded once: nothing but its fields.
    let next = hub.publish("/a?event=note&retry=7", "one\ntwo").await.id;
    let block = raw.read_block().await;
    assert_eq!(
        block,
        format!("id: {next}\nevent: note\nretry: 7\ndata: one\ndata: two\n\n")
    );
}

#[tokio::test]
async fn subscribers_are_told_to_come_back_at_different_times() {
    let hub = TestHub::builder();
    let hub = hub.limits(|limits| limits.retry = Duration::from_millis(1_000));
    let hub = hub.start().await;
    let mut retries = BTreeSet::new();
    for _ in 0..40 {
        let opening = hub.subscribe(Form::Sse, "/a").await.opening().await;
        let retry = opening.retry.unwrap();
        assert!((1_000..=1_500).contains(&retry), "{retry}");
        retries.insert(retry);
    }
    assert!(retries.len() > 20, "{retries:?}");
}

#[tokio::test]
async fn a_subscriber_that_saw_no_event_resumes_by_the_opening() {
    let hub = TestHub::start().await;
    for form in Form::ALL {
        let start = hub.subscribe(form, "/a").await.opening().await.id;
        hub.publish("/a", "while away").await;
        let get = hub.fetch("/a").last_event_id(start);
        assert_eq!(get.subscribe(form).await.next_data().await, "while away");
    }
}

#[tokio::test]
async fn silence_is_broken_by_a_heartbeat_within_its_spread() {
    const HEARTBEAT: Duration = Duration::from_millis(1_000);
    let hub = TestHub::builder().limits(|limits| limits.heartbeat = HEARTBEAT);
    let hub = hub.start().await;
    for form in Form::ALL {
        let mut stream = hub.subscribe(form, "/a").await;
        stream.opening().await;
        let opened = Instant::now();
        assert_eq!(stream.next_item().await, Some(Item::Heartbeat), "{form:?}");
        assert_silence(opened.elapsed(), form);
        // An event in the middle of the silence counts: the next heartbeat is measured from it.
        until_elapsed(Instant::now() + HEARTBEAT.mul_f64(0.35)).await;
        hub.publish("/a", "event").await;
        assert_eq!(stream.next_data().await, "event");
        let sent = Instant::now();
        assert_eq!(stream.next_item().await, Some(Item::Heartbeat));
        assert_silence(sent.elapsed(), form);
    }
}

/// Lets real time pass: what is measured here is time itself.
async fn until_elapsed(instant: Instant) {
    tokio::time::sleep_until(instant.into()).await;
}

/// 20 % around a second, and what a busy machine adds.
fn assert_silence(silence: Duration, form: Form) {
    let busy = Duration::from_millis(700);
    let (shortest, longest) = (Duration::from_millis(790), Duration::from_millis(1_200));
    assert!(
        silence >= shortest && silence <= longest + busy,
        "{form:?}: {silence:?}"
    );
}

#[tokio::test]
async fn an_event_is_told_in_the_same_words_by_every_form() {
    let hub = TestHub::start().await;
    let texts = [
        "",
        "  two spaces",
        "a\nb",
        "a\r\nb\rc\n",
        "\u{1f600} \u{2028} \\\" \t",
        "data: x",
    ];
    let mut streams = Vec::new();
    for form in Form::ALL {
        streams.push(hub.subscribe(form, "/a").await);
    }
    for text in texts {
        // The three line ends are one to every reader of an event stream.
        let read = text.replace("\r\n", "\n").replace('\r', "\n");
        hub.publish("/a?event=%C3%A9+e", text).await;
        for stream in &mut streams {
            let event = stream.next().await;
            assert_eq!(
                (event.event_type.as_str(), event.data),
                ("\u{e9} e", read.clone())
            );
        }
    }
}
