//! A hub that stops ends its streams cleanly and loses nothing that it acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanfare_hub::{NewEvent, Publication, TopicName, Trusted};
use fanfare_testkit::{
    Address, Connection, Form, Item, Protocol, RawConnection, Subscriber, TestHub, expect, until,
};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn streams_end_with_a_spread_retry() {
    let hub = TestHub::builder().limits(|limits| limits.retry = Duration::from_secs(1));
    let hub = hub.start().await;
    let mut streams = Vec::new();
    for number in 0..40 {
        let form = [Form::Sse, Form::SseOverHttp2][number % 2];
        let mut stream = hub.subscribe(form, "/a").await;
        stream.opening().await;
        streams.push(stream);
    }
    let mut lines = hub.subscribe(Form::Ndjson, "/a").await;
    lines.opening().await;
    hub.drain().await;
    let mut retries = BTreeSet::new();
    for mut stream in streams {
        match stream.rest().await[..] {
            [Item::Retry(retry)] => retries.insert(retry),
            ref other => panic!("{other:?} instead of a retry"),
        };
    }
    assert!(retries.len() > 20, "{retries:?}");
    assert!(
        retries.first() >= Some(&1_000) && retries.last() <= Some(&3_000),
        "{retries:?}"
    );
    assert!(
        retries.last() > Some(&2_000),
        "wider than at the opening: {retries:?}"
    );
    assert_eq!(lines.rest().await, []);
}

/// A POST that the hub has begun to read. `framing` is the header that says how long the body is.
async fn begun(hub: &TestHub, framing: &str) -> RawConnection {
    let mut raw = hub.raw().await;
    raw.send(format!(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n\
         Expect: 100-continue\r\n{framing}\r\n\r\n"
    ))
    .await;
    // The hub says so when it reads the body.
    raw.read_through("100 Continue\r\n\r\n").await;
    raw
}

async fn is_draining(hub: &TestHub) {
    until("the drain", || async { hub.app().is_draining() }).await;
}

#[tokio::test]
async fn a_publish_in_flight_is_stored_answered_and_seen() {
    let hub = TestHub::start().await;
    let mut streams = Vec::new();
    for form in Form::ALL {
        streams.push(hub.subscribe(form, "/a").await);
    }
    let mut raw = begun(&hub, "Content-Length: 8").await;
    raw.send("half").await;
    let publisher = async {
        is_draining(&hub).await;
        raw.send("done").await;
        raw.read_to_end().await
    };
    let ((), answer) = tokio::join!(hub.drain(), publisher);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    for mut stream in streams {
        assert_eq!(stream.next_data().await, "halfdone");
        assert!(
            !stream
                .rest()
                .await
                .iter()
                .any(|item| matches!(item, Item::Event(_)))
        );
    }
}

#[tokio::test]
async fn a_publish_that_came_by_half_is_answered() {
    let hub = TestHub::start().await;
    let mut raw = hub.raw().await;
    let head = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\
                Content-Length: 8\r\n\r\n";
    // The answer to the first one says that the half behind it was read, too.
    raw.send(format!("{head}complete{head}half")).await;
    raw.read_through("}\n").await;
    let publisher = async {
        is_draining(&hub).await;
        raw.send("done").await;
        raw.read_to_end().await
    };
    let last = || hub.app().hub().log().last().0;
    let ((), answer) = tokio::join!(hub.drain(), publisher);
    // Either way the publisher knows.
    match last() {
        2 => assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}"),
        _ => {
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains(r#""code":"draining""#), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_streaming_publish_is_told_what_was_stored() {
    let hub = TestHub::start().await;
    let mut stream = hub.subscribe(Form::Sse, "/a").await;
    let mut raw = begun(&hub, "Transfer-Encoding: chunked").await;
    raw.send("4\r\n1\n2\n\r\n").await;
    let last = stream.take(2).await.pop().unwrap();
    hub.drain().await;
    let answer = raw.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    for part in [
        r#""code":"partly_stored""#.to_owned(),
        r#""cause":"draining""#.to_owned(),
        r#""count":2"#.to_owned(),
        format!(r#""id":"{}""#, last.id),
    ] {
        assert!(answer.contains(&part), "{part} in {answer}");
    }
}

/// Publishes until the hub takes no more, and gives what it acknowledged.
async fn publish_until_refused(hub: Address, name: usize) -> Vec<String> {
    let connection = Arc::new(Connection::open(hub, Protocol::Http1).await);
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let data = format!("{name} {number}");
        let post = hub.post("/a", data.clone()).on(&connection);
        match post.try_send().await {
            Some(answer) if answer.status == 201 => acknowledged.push(data),
            _ => break,
        }
    }
    acknowledged
}

/// The data of everything up to the end.
async fn read_all(mut stream: Subscriber) -> BTreeSet<String> {
    let items = stream.rest().await.into_iter();
    let data = items.filter_map(|item| match item {
        Item::Event(event) => Some(event.data),
        _ => None,
    });
    data.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_at_those_who_were_at_the_tail() {
    let (mut acknowledged, mut rounds) = (0, 0);
    for _ in 0..10 {
        let hub = TestHub::start().await;
        let (mut streams, mut publishers) = (JoinSet::new(), JoinSet::new());
        for form in Form::ALL.repeat(2) {
            streams.spawn(read_all(hub.subscribe(form, "/a").await));
        }
        for name in 0..8 {
            publishers.spawn(publish_until_refused(hub.address(), name));
        }
        until("some events", || async {
            hub.app().hub().log().last().0 > 100
        })
        .await;
        hub.drain().await;
        let published: BTreeSet<_> = publishers.join_all().await.into_iter().flatten().collect();
        for read in streams.join_all().await {
            let missing: Vec<_> = published.difference(&read).collect();
            assert!(
                missing.is_empty(),
                "acknowledged and not delivered: {missing:?}"
            );
        }
        acknowledged += published.len();
        rounds += 1;
    }
    println!("{acknowledged} events acknowledged in {rounds} hubs that stopped, none missing");
}

#[tokio::test]
async fn a_socket_gets_what_was_published_before_it_is_closed() {
    for _ in 0..10 {
        let hub = TestHub::start().await;
        let mut socket = hub.subscribe(Form::WebSocket, "/a").await;
        socket.opening().await;
        let publication = Publication {
            topic: Trusted.publish(TopicName::parse("a").unwrap()),
            events: vec![NewEvent::new("last words"); 3_000],
            ends_topic: false,
            idempotency: None,
        };
        // On the one thread of this test the socket sees the stop and the events together.
        hub.app().publish(publication).await.unwrap();
        // The kernel holds less than that for a reader that does not read.
        let ((), events) = tokio::join!(hub.drain(), socket.take(3_000));
        assert_eq!(events.len(), 3_000);
        assert_eq!(socket.close_code().await, Some(CloseCode::Away));
    }
}

#[tokio::test]
async fn a_hub_that_stops_is_not_ready() {
    let hub = TestHub::start().await;
    let ready = hub.fetch("/-/health/ready").send().await;
    assert_eq!(
        (ready.status, ready.json()["status"].as_str()),
        (200, Some("ready"))
    );
    let app = hub.app().clone();
    hub.drain().await;
    // Nobody is let in any more; an embedder's server may still ask.
    let body = fanfare_http::body::boxed(http_body_util::Empty::new());
    let request = http::Request::get("/-/health/ready").body(body).unwrap();
    assert_eq!(app.answer(request).await.status(), 503);
    let body = fanfare_http::body::boxed(http_body_util::Empty::new());
    let live = http::Request::get("/-/health/live").body(body).unwrap();
    assert_eq!(app.answer(live).await.status(), 200);
}

#[tokio::test]
async fn idle_connections_hold_nothing_up() {
    let hub = TestHub::start().await;
    let mut silent = hub.raw().await;
    let mut idle = hub.raw().await;
    idle.send("GET /-/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    idle.read_through("}\n").await;
    let second = Arc::new(Connection::open(hub.address(), Protocol::Http2).await);
    hub.fetch("/-/health/live")
        .over(Protocol::Http2)
        .on(&second)
        .send()
        .await;
    let started = Instant::now();
    hub.drain().await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        (silent.read_to_end().await, idle.read_to_end().await),
        (String::new(), String::new())
    );
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_the_stop_up_no_longer_than_the_deadline() {
    const DEADLINE: Duration = Duration::from_millis(700);
    let hub = TestHub::builder().limits(|limits| limits.drain_deadline = DEADLINE);
    let hub = hub.start().await;
    let mut stalled = hub.raw().await;
    stalled.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    stalled.read_through("retry: ").await;
    let line = "x".repeat(1_000_000);
    for _ in 0..40 {
        hub.publish("/a", &line).await;
    }
    let started = Instant::now();
    expect("the end of the drain", hub.drain()).await;
    let took = started.elapsed();
    assert!(
        took >= DEADLINE && took < DEADLINE + Duration::from_secs(4),
        "{took:?}"
    );
    // What the sockets held is read, and then it is over.
    assert!(stalled.read_to_end().await.len() < 40_000_000);
}
