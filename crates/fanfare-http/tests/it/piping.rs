//! A live stream that is piped into a topic comes out at its subscribers block by block.

use std::time::{Duration, Instant};

use fanfare_testkit::{Form, Subscriber, TestHub, until};
use http::Method;

/// One stream of each form.
async fn everybody(hub: &TestHub, path: &str) -> Vec<Subscriber> {
    let mut streams = Vec::new();
    for form in Form::ALL {
        streams.push(hub.subscribe(form, path).await);
    }
    streams
}

/// Every stream receives this next.
async fn all_receive(streams: &mut [Subscriber], event_type: &str, data: &str) {
    for stream in streams {
        let event = stream.next().await;
        assert_eq!(
            (event.event_type.as_str(), event.data.as_str()),
            (event_type, data)
        );
    }
}

#[tokio::test]
async fn each_block_is_seen_before_the_next_is_sent() {
    let hub = TestHub::start().await;
    let mut streams = everybody(&hub, "/answer").await;
    let mut pipe = hub.pipe("/answer?end", "text/event-stream").await;
    let mut delays = Vec::new();
    for number in 0..100 {
        let sent = Instant::now();
        pipe.send(format!("event: token\nid: ignored\ndata: {number}\n\n"))
            .await;
        all_receive(&mut streams, "token", &number.to_string()).await;
        delays.push(sent.elapsed());
    }
    let stored = pipe.finish().await.stored();
    assert_eq!((stored.count, stored.topic.as_str()), (100, "answer"));
    all_receive(&mut streams, "fanfare.end", r#"{"topic":"answer"}"#).await;
    for mut stream in streams {
        assert_eq!(stream.next_item().await, None, "the stream ends");
    }
    delays.sort_unstable();
    println!(
        "from the publisher through the hub to 4 subscribers, debug build: median {:?}, max {:?}",
        delays[delays.len() / 2],
        delays[delays.len() - 1]
    );
}

#[tokio::test]
async fn a_piped_stream_may_be_cut_at_any_byte() {
    let hub = TestHub::start().await;
    let mut streams = everybody(&hub, "/answer").await;
    let mut pipe = hub.pipe("/answer", "text/event-stream").await;
    // Two-byte and four-byte characters, all three line ends, a comment; a byte order mark once.
    pipe.send("\u{feff}").await;
    let block = ": c\r\nevent: caf\u{e9}\rdata: \u{1f600}\r\ndata: two\n\n".as_bytes();
    for cut in 1..block.len() {
        pipe.send(&block[..cut]).await;
        pipe.send(&block[cut..]).await;
        all_receive(&mut streams, "caf\u{e9}", "\u{1f600}\ntwo").await;
    }
    assert_eq!(pipe.finish().await.stored().count as usize, block.len() - 1);
}

#[tokio::test]
async fn lines_are_piped_like_blocks() {
    let hub = TestHub::start().await;
    let mut streams = everybody(&hub, "/lines").await;
    let mut pipe = hub.pipe("/lines?event=line", "application/x-ndjson").await;
    for line in ["{\"n\":1}", "{\"n\":2}"] {
        pipe.send(line[..3].to_owned()).await;
        pipe.send(format!("{}\r\n", &line[3..])).await;
        all_receive(&mut streams, "line", line).await;
    }
    pipe.send("last").await;
    assert_eq!(pipe.finish().await.stored().count, 3);
    all_receive(&mut streams, "line", "last").await;
}

#[tokio::test]
async fn a_stream_that_breaks_keeps_what_was_stored_and_says_so() {
    let hub = TestHub::start().await;
    let mut stream = hub.subscribe(Form::Sse, "/answer").await;
    let mut pipe = hub.pipe("/answer", "text/event-stream").await;
    pipe.send("data: 1\n\ndata: 2\n\n").await;
    stream.take(2).await;
    pipe.send(&b"data: 3\n\ndata: \xff\n\ndata: 5\n\n"[..])
        .await;
    let answer = pipe.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (500, "partly_stored")
    );
    let (problem, last) = (answer.json(), stream.next().await);
    assert_eq!(problem["cause"], "bad_body");
    assert_eq!(problem["count"], 3);
    assert_eq!(problem["id"], last.id.as_str());
    assert_eq!(last.data, "3");
    hub.publish("/answer", "after").await;
    assert_eq!(stream.next_data().await, "after");
}

#[tokio::test]
async fn a_key_lets_a_broken_pipe_be_sent_again() {
    for content_type in ["text/event-stream", "application/x-ndjson"] {
        let hub = TestHub::start().await;
        let mut stream = hub.subscribe(Form::Sse, "/answer").await;
        let block = |number: usize| match content_type {
            "text/event-stream" => format!("data: {number}\n\n"),
            _ => format!("{number}\n"),
        };
        let post = || {
            let post = hub.ask(Method::POST, "/answer?end");
            post.header("content-type", content_type)
                .header("idempotency-key", "k")
        };
        let mut pipe = post().pipe().await;
        for number in 0..4 {
            pipe.send(block(number)).await;
            assert_eq!(stream.next_data().await, number.to_string());
        }
        // In the middle of the fifth.
        pipe.send(block(4)[..1].to_owned()).await;
        pipe.break_off();

        let mut again = post().pipe().await;
        for number in 0..10 {
            again.send(block(number)).await;
        }
        let stored = again.finish().await.stored();
        assert_eq!(stored.count, 10);
        for number in 4..10 {
            assert_eq!(stream.next_data().await, number.to_string());
        }
        let end = stream.next().await;
        assert_eq!(
            (end.event_type.as_str(), end.id),
            ("fanfare.end", stored.id.clone())
        );

        // All of it is there already: nothing more is stored, and the same id is answered.
        let mut third = post().pipe().await;
        for number in 0..10 {
            third.send(block(number)).await;
        }
        let third = third.finish().await.stored();
        assert_eq!(
            (third.id, third.count, third.is_replayed),
            (stored.id, 10, true)
        );
        // And another body under the same key is noticed.
        let mut other = post().pipe().await;
        other.send(block(7)).await;
        assert_eq!(other.finish().await.code(), "idempotency_key_reused");
    }
}

#[tokio::test]
async fn a_pipe_that_is_silent_for_too_long_is_answered() {
    let hub = TestHub::builder();
    let hub = hub.limits(|limits| limits.body_silence_max = Duration::from_millis(300));
    let hub = hub.start().await;
    let mut pipe = hub.pipe("/answer", "text/event-stream").await;
    pipe.send("data: 1\n\n").await;
    let answer = pipe.answer().await;
    assert_eq!(answer.code(), "partly_stored");
    assert_eq!(answer.json()["cause"], "body_timeout");
}

#[tokio::test]
async fn a_publisher_that_goes_away_leaves_what_it_sent() {
    let hub = TestHub::start().await;
    let mut pipe = hub.pipe("/answer", "text/event-stream").await;
    pipe.send("data: 1\n\ndata: unfinished").await;
    until("the first block", || async {
        hub.ask(Method::HEAD, "/answer")
            .send()
            .await
            .header("fanfare-count")
            == "1"
    })
    .await;
    pipe.break_off();
    let mut stream = hub.subscribe(Form::Sse, "/answer?history=all").await;
    assert_eq!(stream.next_data().await, "1");
    hub.publish("/answer", "next").await;
    assert_eq!(
        stream.next_data().await,
        "next",
        "an unfinished block is none"
    );
}
