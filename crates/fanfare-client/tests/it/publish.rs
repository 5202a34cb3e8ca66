//! Publishing one event or a ready body: what goes over the wire, and what is sent twice.

use std::time::Duration;

use fanfare_client::{
    Client, Loss, NewEvent, Publication, PublishError, Receipt, RetryPolicy, Unreachable,
};

use crate::script::{AwaitClose, Read, Scripted, Write, answer};

const STORED: &str = r#"{"topic":"chat","id":"e-7","count":1,"durability":"memory","later":true}"#;

fn stored() -> crate::script::Act {
    answer(201, "content-type: application/json\r\n", STORED)
}

fn brisk() -> RetryPolicy {
    let (first, cap) = (Duration::from_millis(1), Duration::from_millis(5));
    RetryPolicy {
        first,
        cap,
        ..RetryPolicy::at_most(3)
    }
}

fn key(request: &str) -> String {
    request
        .lines()
        .find_map(|it| it.strip_prefix("idempotency-key: "))
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn an_event_is_one_request_and_the_connection_is_kept() {
    let mut server = Scripted::play([vec![
        Read("hello"),
        stored(),
        Read("two"),
        stored(),
        AwaitClose,
    ]])
    .await;
    let client = Client::new(&server.url).unwrap();
    let event = NewEvent::new("hello")
        .event_type("a&b")
        .unwrap()
        .retry(Duration::from_secs(2));
    let receipt: Receipt = client.publish("a/b ü", event).await.unwrap();
    assert_eq!(
        (
            receipt.id.as_str(),
            receipt.count,
            receipt.durability.as_str()
        ),
        ("e-7", 1, "memory")
    );
    client.publish("chat", "two").await.unwrap();
    let (first, second) = (server.report().await, server.report().await);
    assert!(
        first.starts_with("POST /a/b%20%C3%BC?event=a%26b&retry=2000 HTTP/1.1\r\n"),
        "{first}"
    );
    assert!(
        first.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"),
        "{first}"
    );
    assert!(first.contains("\r\ncontent-length: 5\r\n"), "{first}");
    assert_ne!(key(&first), key(&second));
}

#[tokio::test]
async fn ending_a_topic_needs_no_event() {
    let mut server =
        Scripted::play([vec![Read("\r\n\r\n"), stored(), Read("bye"), stored()]]).await;
    let client = Client::new(&server.url).unwrap();
    client.end("chat").await.unwrap();
    client.publish("chat", "bye").ending().await.unwrap();
    for _ in 0..2 {
        let request = server.report().await;
        assert!(
            request.starts_with("POST /chat?end HTTP/1.1\r\n"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_second_try_carries_the_same_key() {
    let mut server = Scripted::play([
        vec![Read("hello"), answer(503, "retry-after: 0\r\n", "")],
        vec![Read("hello"), Write("HTTP/1.1 2".into())],
        vec![Read("hello"), stored()],
    ])
    .await;
    let client = Client::new(&server.url).unwrap();
    client
        .publish("chat", "hello")
        .retry(brisk())
        .await
        .unwrap();
    let keys = [
        server.report().await,
        server.report().await,
        server.report().await,
    ]
    .map(|it| key(&it));
    assert_eq!(keys[0].len(), 32);
    assert!(keys.iter().all(|it| *it == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn the_callers_key_and_content_type_are_used_as_they_are() {
    let mut server = Scripted::play([vec![Read("[1]"), stored()]]).await;
    let client = Client::new(&server.url).unwrap();
    let body = Publication::body("application/json", "[1]");
    client
        .publish("chat", body)
        .idempotency_key("order-42")
        .await
        .unwrap();
    let request = server.report().await;
    assert_eq!(key(&request), "order-42");
    assert!(
        request.contains("\r\ncontent-type: application/json\r\n"),
        "{request}"
    );

    let error = client
        .publish("chat", "x")
        .idempotency_key("a\nb")
        .await
        .unwrap_err();
    assert!(
        matches!(error, PublishError::Field("idempotency key")),
        "{error}"
    );
}

#[tokio::test]
async fn a_kept_connection_that_died_costs_no_error() {
    let mut server =
        Scripted::play([vec![Read("one"), stored()], vec![Read("two"), stored()]]).await;
    let client = Client::new(&server.url).unwrap();
    let never = RetryPolicy::at_most(0);
    client
        .publish("chat", "one")
        .retry(never.clone())
        .await
        .unwrap();
    client.publish("chat", "two").retry(never).await.unwrap();
    assert_ne!(key(&server.report().await), key(&server.report().await));
}

#[tokio::test]
async fn a_refusal_is_final_and_keeps_its_code() {
    let problem = r#"{"detail":"the topic ended","code":"topic_ended"}"#;
    let refusal = answer(409, "content-type: application/problem+json\r\n", problem);
    let server = Scripted::play([vec![Read("x"), refusal]]).await;
    let error = Client::new(&server.url)
        .unwrap()
        .publish("chat", "x")
        .await
        .unwrap_err();
    let PublishError::Refused(problem) = error else {
        panic!("{error}")
    };
    assert_eq!(
        (problem.status.as_u16(), problem.code.as_str()),
        (409, "topic_ended")
    );
}

#[tokio::test]
async fn when_the_tries_are_used_up_the_last_refusal_is_the_error() {
    let server = Scripted::play([(); 4].map(|()| vec![Read("x"), answer(503, "", "")])).await;
    let client = Client::new(&server.url).unwrap();
    let error = client
        .publish("chat", "x")
        .retry(brisk())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, PublishError::Refused(it) if it.status == 503),
        "{error}"
    );
}

#[tokio::test]
async fn an_unreachable_hub_is_said_at_once_if_the_policy_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&url).unwrap();
    let long = Duration::from_secs(3_600);
    let policy = RetryPolicy {
        first: long,
        cap: long,
        unreachable: Unreachable::GiveUp,
        ..brisk()
    };
    let publish = client.publish("chat", "x").retry(policy);
    let error = tokio::time::timeout(crate::script::DEADLINE, publish.into_future())
        .await
        .unwrap();
    assert!(
        matches!(error, Err(PublishError::Lost(Loss::Unreachable { .. }))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let leads = answer(308, "location: https://hub.example/chat\r\n", "");
    let server = Scripted::play([vec![Read("x"), leads]]).await;
    let error = Client::new(&server.url)
        .unwrap()
        .publish("chat", "x")
        .await
        .unwrap_err();
    assert!(
        matches!(&error, PublishError::Redirect(it) if it == "https://hub.example/chat"),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_without_a_receipt_is_an_error() {
    let server = Scripted::play([vec![Read("x"), answer(200, "", "<html>")]]).await;
    let error = Client::new(&server.url)
        .unwrap()
        .publish("chat", "x")
        .await
        .unwrap_err();
    assert!(matches!(error, PublishError::NoReceipt { .. }), "{error}");
}
