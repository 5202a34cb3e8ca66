//! How much one client may take, by its address and by its subject.

use std::time::{Duration, Instant};

use fanfare_http::Proxies;
use fanfare_hub::Limits;
use fanfare_testkit::{Ask, Form, Protocol, TestHub, TestHubBuilder, until};

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::access::bearer::{Bearing, builder, claims, rights, sign};

/// A hub that trusts this machine to say who its clients are.
fn behind_proxy(change: impl FnOnce(&mut Limits)) -> TestHubBuilder {
    let proxies = Proxies::parse(["127.0.0.1"]).unwrap();
    TestHub::builder().limits(change).proxies(proxies)
}

fn from(ask: Ask, client: &str) -> Ask {
    ask.header("x-forwarded-for", client)
}

fn of(subject: &str) -> String {
    let mut claims = claims(rights(&["**"], &["**"]));
    claims.sub = Some(subject.to_owned());
    sign(&claims)
}

#[tokio::test]
async fn a_client_has_so_many_streams_over_whatever_door() {
    let hub = behind_proxy(|limits| limits.address_connections_max = Form::ALL.len() + 1)
        .start()
        .await;
    let stream = |client| from(hub.fetch("/a"), client);
    let mut open = Vec::new();
    for form in Form::ALL {
        open.push(stream("192.0.2.1").subscribe(form).await);
    }
    let second = stream("192.0.2.1").over(Protocol::Http2);
    open.push(second.subscribe(Form::Sse).await);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let refused = stream("6.6.6.6, 192.0.2.1").over(protocol).send().await;
        assert_eq!(
            (refused.status, &*refused.code()),
            (429, "too_many_streams")
        );
    }
    // Others are not refused, and who closes one may open one.
    let _other = stream("192.0.2.2").subscribe(Form::Sse).await;
    open.clear();
    until("the streams are counted as closed", || async {
        stream("192.0.2.1").status().await == 200
    })
    .await;
}

#[tokio::test]
async fn nobody_is_believed_who_is_not_trusted() {
    let hub = TestHub::builder().limits(|limits| limits.address_connections_max = 1);
    let hub = hub.start().await;
    let stream = || from(hub.fetch("/a"), "192.0.2.1");
    let _streams = (
        stream().subscribe(Form::Sse).await,
        stream().subscribe(Form::Sse).await,
    );
}

#[tokio::test]
async fn a_subject_has_so_many_streams_from_wherever() {
    let hub = builder(rights(&[], &[])).limits(|limits| limits.subject_streams_max = 2);
    let hub = hub.start().await;
    let stream = |subject| hub.fetch("/a").bearing(&of(subject));
    let first = stream("ann").subscribe(Form::Sse).await;
    let second = stream("ann")
        .over(Protocol::Http2)
        .subscribe(Form::Sse)
        .await;
    let refused = stream("ann").send().await;
    assert_eq!(
        (refused.status, &*refused.code()),
        (429, "too_many_streams")
    );
    let _other = stream("bob").subscribe(Form::Sse).await;
    drop((first, second));
    until("the streams are counted as closed", || async {
        stream("ann").status().await == 200
    })
    .await;
    // A token that names nobody serves many.
    let many = sign(&claims(rights(&[], &["**"])));
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(hub.fetch("/a").bearing(&many).subscribe(Form::Sse).await);
    }
}

#[tokio::test]
async fn a_publisher_that_is_too_fast_is_told_how_long_to_wait() {
    let hub = builder(rights(&["**"], &["**"]));
    let hub = hub.limits(|limits| {
        limits.subject_events_per_s = 1;
        limits.address_events_per_s = 1;
    });
    let hub = hub.start().await;
    let publish = |subject| hub.post("/a", "x").bearing(&of(subject));
    publish("ann").send().await.stored();
    let refused = publish("ann").send().await;
    assert_eq!((refused.status, &*refused.code()), (429, "too_many_events"));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    publish("bob").send().await.stored();
    // Whoever has no token is counted by the address, which this machine has none of.
    for _ in 0..20 {
        hub.post("/a", "x").send().await.stored();
    }
    let page = hub
        .fetch("/a?history=all")
        .header("accept", "application/json");
    assert_eq!(page.send().await.json().as_array().unwrap().len(), 22);
}

#[tokio::test]
async fn a_body_that_comes_too_fast_is_slowed_down_and_stored() {
    let hub = builder(rights(&[], &[])).limits(|limits| limits.subject_events_per_s = 100);
    let hub = hub.start().await;
    let started = Instant::now();
    let ask = hub.post("/a", "").bearing(&of("ann"));
    let mut pipe = ask
        .header("content-type", "application/x-ndjson")
        .pipe()
        .await;
    for _ in 0..6 {
        pipe.send("x\n".repeat(25)).await;
    }
    assert_eq!(pipe.finish().await.stored().count, 150);
    // A second's worth goes at once, and the rest at the rate.
    assert!(started.elapsed() >= Duration::from_millis(200));
}

/// Waits until another body of half of what all may have finds no room.
async fn more_than_half_is_held(hub: &TestHub) {
    until("half is held", || async {
        let half = hub.post("/c", "x".repeat(50_000));
        let half = half.header("content-type", "application/x-ndjson");
        half.send().await.status == 503
    })
    .await;
}

#[tokio::test]
async fn bodies_that_do_not_end_take_no_more_than_all_may() {
    let hub = TestHub::builder().limits(|limits| limits.bodies_bytes_max = 100_000);
    let hub = hub.start().await;
    let lines = "application/x-ndjson";
    let mut first = hub.pipe("/a", lines).await;
    first.send("x".repeat(60_000)).await;
    more_than_half_is_held(&hub).await;
    let mut second = hub.pipe("/a", lines).await;
    second.send("y".repeat(60_000)).await;
    let refused = second.answer().await;
    assert_eq!((refused.status, &*refused.code()), (503, "busy"));
    // What is whole is let go, and so makes room.
    first.send("\nz\n").await;
    until("there is room again", || async {
        let lines = hub.post("/b", "y".repeat(60_000));
        let lines = lines.header("content-type", "application/x-ndjson");
        lines.send().await.status == 201
    })
    .await;
    assert_eq!(first.finish().await.stored().count, 2);
}

#[tokio::test]
async fn a_message_that_does_not_end_is_counted_with_the_bodies() {
    let hub = TestHub::builder().limits(|limits| limits.bodies_bytes_max = 100_000);
    let hub = hub.start().await;
    let mut socket = hub.subscribe(Form::WebSocket, "/a").await;
    socket.opening().await;
    let text = |bytes: usize| format!("{{\"data\":\"{}\"}}", "x".repeat(bytes));
    for _ in 0..3 {
        socket.send(Message::text(text(60_000))).await;
        socket.next_message().await;
        socket.next_message().await;
    }
    let mut other = hub.pipe("/b", "application/x-ndjson").await;
    other.send("x".repeat(60_000)).await;
    more_than_half_is_held(&hub).await;
    socket.send(Message::text(text(60_000))).await;
    assert_eq!(socket.close_code().await, Some(CloseCode::Again));
}
