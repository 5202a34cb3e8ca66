//! Refusals that must reach the client: those of bodies that are too large, and those of writes to
//! mounted routes.

use std::time::Duration;

use fanfare_http::{Body, Cors, Response};
use fanfare_testkit::TestHub;

/// A client that sends all before it looks for an answer gets one, because the hub takes in some
/// of what it refused before it closes.
#[tokio::test]
async fn a_client_that_sends_all_first_is_told_that_it_was_too_much() {
    let hub = TestHub::builder()
        .limits(|limits| limits.event_bytes_max = 100_000)
        .start()
        .await;
    let mut client = hub.address().raw().await;
    client
        .send("POST /a HTTP/1.1\r\nhost: hub\r\ncontent-length: 900000\r\n\r\n")
        .await;
    client.send(vec![b'x'; 450_000]).await;
    // An answer now would come with the end of the connection, and the rest would meet a reset.
    let early = tokio::time::timeout(Duration::from_millis(100), client.read_through("\r\n"));
    assert!(early.await.is_err(), "refused within the body");
    client.send(vec![b'x'; 450_000]).await;
    let answer = client.read_through("\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

/// Asking to go on would have the client send what is refused already.
#[tokio::test]
async fn a_client_that_waits_for_leave_is_told_before_it_sends() {
    let hub = TestHub::start().await;
    let mut client = hub.address().raw().await;
    client
        .send("POST /a HTTP/1.1\r\nhost: hub\r\ncontent-length: 5000000000\r\nexpect: 100-continue\r\n\r\n")
        .await;
    let answer = client.read_through("\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_write_to_a_mounted_route() {
    let hub = TestHub::builder()
        .cors(Cors::Origins(vec!["https://app.example".to_owned()]))
        .mount("/-/mine/", |_| async { Response::new(Body::from("done")) })
        .start()
        .await;
    for (origin, status) in [("https://app.example", 200), ("https://evil.example", 403)] {
        let request = hub
            .address()
            .post("/-/mine/x", "body")
            .header("origin", origin);
        assert_eq!(request.send().await.status, status, "{origin}");
    }
}
