//! Publishing a stream while it is being made.

use std::io;

use bytes::Bytes;
use fanfare_client::{Client, NewEvent, Publication, PublishError};
use futures_util::StreamExt;
use futures_util::stream::{iter, pending, unfold};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

use crate::script::{AwaitClose, DEADLINE, HEAD, Read, Scripted, answer};

const STORED: &str = r#"{"topic":"chat","id":"e-2","count":2}"#;

fn received<T: Send + 'static>(queue: Receiver<T>) -> impl futures_core::Stream<Item = T> + Send {
    unfold(queue, async |mut queue| {
        queue.recv().await.map(|item| (item, queue))
    })
}

#[tokio::test]
async fn each_event_leaves_before_the_next_exists() {
    let acts = vec![
        HEAD,
        Read("data: one\n\n\r\n"),
        Read("data: lines\n\n\r\n"),
        Read("0\r\n\r\n"),
        answer(201, "", STORED),
    ];
    let mut server = Scripted::play([acts]).await;
    let (events, queue) = channel(1);
    let client = Client::new(&server.url).unwrap();
    let publish = client
        .publish("chat", Publication::events(received(queue)))
        .ending();
    let published = tokio::spawn(publish.into_future());

    events.send(NewEvent::new("one")).await.unwrap();
    let head = server.report().await;
    assert!(head.starts_with("POST /chat?end HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\ncontent-type: text/event-stream\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\ntransfer-encoding: chunked\r\n"),
        "{head}"
    );
    assert!(server.report().await.ends_with("data: one\n\n\r\n"));
    events
        .send(NewEvent::new("two\nlines").event_type("x").unwrap())
        .await
        .unwrap();
    assert!(
        server
            .report()
            .await
            .ends_with("event: x\ndata: two\ndata: lines\n\n\r\n")
    );
    drop(events);
    let receipt = timeout(DEADLINE, published)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!((receipt.id.as_str(), receipt.count), ("e-2", 2));
}

#[tokio::test]
async fn bytes_pass_through_untouched() {
    let mut server = Scripted::play([vec![HEAD, Read("0\r\n\r\n"), answer(201, "", STORED)]]).await;
    let pieces = ["id: mine\nda", "ta: \u{1f600}\r\n\r", "\n"]
        .map(|it| Ok(Bytes::from_static(it.as_bytes())));
    let body = Publication::stream("text/event-stream", iter(pieces));
    Client::new(&server.url)
        .unwrap()
        .publish("chat", body)
        .await
        .unwrap();
    server.report().await;
    let chunks = "B\r\nid: mine\nda\r\nB\r\nta: \u{1f600}\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n";
    assert_eq!(server.report().await, chunks);
}

#[tokio::test]
async fn a_refusal_comes_while_the_stream_is_still_open() {
    let problem = r#"{"detail":"the topic ended","code":"topic_ended"}"#;
    let refusal = answer(409, "content-type: application/problem+json\r\n", problem);
    let server = Scripted::play([vec![HEAD, Read("data: one\n\n\r\n"), refusal, AwaitClose]]).await;
    let events = iter([NewEvent::new("one")]).chain(pending());
    let publish = Client::new(&server.url)
        .unwrap()
        .publish("chat", Publication::events(events));
    let error = timeout(DEADLINE, publish.into_future())
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(&error, PublishError::Refused(it) if it.code == "topic_ended"),
        "{error}"
    );
}

#[tokio::test]
async fn a_source_that_fails_breaks_the_request_instead_of_ending_it() {
    let mut server = Scripted::play([vec![HEAD, Read("data: one\n\n\r\n"), AwaitClose]]).await;
    let (pieces, queue) = channel(1);
    let body = Publication::stream("text/event-stream", received(queue));
    let publish = Client::new(&server.url).unwrap().publish("chat", body);
    let published = tokio::spawn(publish.into_future());
    pieces
        .send(Ok(Bytes::from_static(b"data: one\n\n")))
        .await
        .unwrap();
    server.report().await;
    server.report().await;
    pieces
        .send(Err(io::Error::other("the disk is gone")))
        .await
        .unwrap();
    let error = timeout(DEADLINE, published)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, PublishError::Source(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the input is cut short: the disk is gone"
    );
    // The last chunk, which would have ended the body in good order, was never sent.
    assert_eq!(server.report().await, "closed after 0 bytes");
}

#[tokio::test]
async fn a_hub_that_dies_under_a_stream_is_noticed_without_writing() {
    let server = Scripted::play([vec![HEAD, Read("data: one\n\n\r\n")]]).await;
    let events = iter([NewEvent::new("one")]).chain(pending());
    let publish = Client::new(&server.url)
        .unwrap()
        .publish("chat", Publication::events(events));
    let error = timeout(DEADLINE, publish.into_future())
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, PublishError::Lost(_)), "{error}");
}
