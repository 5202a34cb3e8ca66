//! One connection between two readers: plain requests are read by the shards, and everything else
//! by hyper, from the first byte of it on. Nobody outside may notice where that changes.

use std::sync::Mutex;

use fanfare_testkit::{RawConnection, TestHub, until};

const POST: &str = "POST /a HTTP/1.1\r\nhost: hub\r\ncontent-length: 1\r\n\r\n";
const STREAM: &str = "GET /a HTTP/1.1\r\nhost: hub\r\naccept: text/event-stream\r\n\r\n";
/// Has a body of unknown length, which shards leave to hyper.
const CHUNKED: &str =
    "POST /a HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";

/// The id in the answer to a publish that was stored.
async fn stored(client: &mut RawConnection) -> String {
    let head = client.read_through("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
    let body = client.read_through("}\n").await;
    let id = body.split("\"id\":\"").nth(1).unwrap();
    id.split('"').next().unwrap().to_owned()
}

/// The starting position of a stream.
async fn opened(client: &mut RawConnection) -> String {
    let head = client.read_through("\r\n\r\n").await;
    // The line end of a page before it.
    let head = head.trim_start();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let block = client.read_block().await;
    let id = block.lines().find_map(|line| line.strip_prefix("id: "));
    id.expect("the first block has the position").to_owned()
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_order_and_the_stream_last() {
    let hub = TestHub::start().await;
    for others in [[POST, POST, POST], [POST, CHUNKED, POST], [CHUNKED; 3]] {
        let mut client = hub.address().raw().await;
        let mut bytes = String::new();
        for other in others {
            bytes.push_str(other);
            bytes.push_str(if other == POST { "x" } else { "" });
        }
        client.send(bytes + STREAM).await;
        let mut last = String::new();
        for _ in others {
            last = stored(&mut client).await;
        }
        assert_eq!(opened(&mut client).await, last, "{others:?}");
        hub.publish("/a", "live").await;
        assert!(client.read_block().await.contains("data: live"));
    }
}

/// The answer is larger than what a socket takes, so that most of it is owed when the stream is
/// asked for.
#[tokio::test]
async fn an_answer_that_is_still_owed_comes_whole_before_the_stream() {
    let hub = TestHub::start().await;
    let text = "x".repeat(500_000);
    for _ in 0..15 {
        hub.publish("/a", &text).await;
    }
    let mut client = hub.address().raw().await;
    let page = "GET /a?limit=15 HTTP/1.1\r\nhost: hub\r\naccept: application/json\r\n\r\n";
    client.send(format!("{page}{STREAM}")).await;
    let head = client.read_through("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let body = client.read_through("]").await;
    assert!(body.len() > 15 * text.len(), "{} bytes", body.len());
    // A long page is sent in chunks, as it is read; this is the last of them.
    client.read_through("\r\n0\r\n\r\n").await;
    opened(&mut client).await;
}

/// Nothing can be answered behind a stream, so that nothing of it may happen.
#[tokio::test]
async fn what_comes_behind_the_request_of_a_stream_is_not_done() {
    let hub = TestHub::start().await;
    let mut client = hub.address().raw().await;
    client.send(format!("{STREAM}{POST}x")).await;
    opened(&mut client).await;
    hub.publish("/a", "live").await;
    let block = client.read_block().await;
    assert!(block.contains("data: live"), "{block}");
    client.send(format!("{POST}x")).await;
    hub.publish("/a", "later").await;
    let block = client.read_block().await;
    assert!(block.contains("data: later"), "{block}");
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let hub = TestHub::start().await;
    let mut client = hub.address().raw().await;
    let mut last = String::new();
    for request in [format!("{POST}x"), CHUNKED.to_owned()] {
        for byte in request.bytes() {
            client.send([byte]).await;
            tokio::task::yield_now().await;
        }
        last = stored(&mut client).await;
    }
    for byte in STREAM.bytes() {
        client.send([byte]).await;
    }
    assert_eq!(opened(&mut client).await, last);
}

/// RFC 9112 7.1: no chunks to a client of HTTP/1.0; the end of the connection ends the stream.
#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks() {
    let hub = TestHub::start().await;
    let mut client = hub.address().raw().await;
    client
        .send("GET /a HTTP/1.0\r\nhost: hub\r\naccept: text/event-stream\r\n\r\n")
        .await;
    let head = client.read_through("\r\n\r\n").await.to_ascii_lowercase();
    assert!(!head.contains("transfer-encoding"), "{head}");
    hub.publish("/a", "live").await;
    let text = client.read_through("data: live\n\n").await;
    assert!(!text.contains('\r'), "{text:?}");
}

/// Whoever reads the connection in the end, its place is given back once.
#[tokio::test]
async fn connections_that_change_hands_are_counted_once() {
    let hub = TestHub::builder()
        .limits(|limits| limits.connections_max = 1)
        .start()
        .await;
    for requests in [
        format!("{POST}x{CHUNKED}"),
        format!("{CHUNKED}{POST}x"),
        format!("{POST}x{STREAM}"),
        format!("{CHUNKED}{STREAM}"),
    ] {
        let is_stream = requests.ends_with(STREAM);
        // The place of the one before is free a moment after it hung up.
        let client = Mutex::new(None);
        until("there is room for a connection", async || {
            let mut next = hub.address().raw().await;
            let is_in = next.is_answered(&requests).await;
            *client.lock().unwrap() = is_in.then_some(next);
            is_in
        })
        .await;
        let mut client = client.into_inner().unwrap().unwrap();
        stored(&mut client).await;
        match is_stream {
            true => drop(opened(&mut client).await),
            false => drop(stored(&mut client).await),
        }
    }
}
