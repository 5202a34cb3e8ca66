//! WebSocket: envelopes out, frames to publish in, on one socket.

use bytes::Bytes;
use fanfare_http::{Request, Response, websocket};
use fanfare_testkit::{Form, Received, Subscriber, TestHub, until};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

async fn socket(hub: &TestHub, path: &str) -> Subscriber {
    let mut socket = hub.subscribe(Form::WebSocket, path).await;
    socket.opening().await;
    socket
}

/// The next text frame, whatever it is.
async fn frame(socket: &mut Subscriber) -> Value {
    match socket.next_message().await {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?} instead of text"),
    }
}

/// Sends a frame and gives the answer that is not an event, and the events before it.
async fn send(socket: &mut Subscriber, text: impl Into<String>) -> Value {
    socket.send(Message::text(text.into())).await;
    loop {
        let answer = frame(socket).await;
        if answer.get("topic").is_none() {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_frame_is_published_and_acknowledged_under_its_ref() {
    let hub = TestHub::start().await;
    let mut other = hub.subscribe(Form::Sse, "/chat").await;
    let mut socket = socket(&hub, "/chat").await;
    for (sent, reference, event_type) in [
        (json!({"data": "1"}), Value::Null, "message"),
        (json!({"data": "2", "ref": 7}), json!(7), "message"),
        (
            json!({"data": "3", "ref": "a", "event": "note"}),
            json!("a"),
            "note",
        ),
    ] {
        socket.send(Message::text(sent.to_string())).await;
        let event = other.next().await;
        let mut frames = [frame(&mut socket).await, frame(&mut socket).await];
        // The event and its acknowledgement are told apart by their members, not by their order.
        frames.sort_by_key(|frame| frame.get("ack").is_none());
        let [answer, envelope] = frames;
        assert_eq!(answer["ref"], reference);
        assert_eq!(
            answer["ack"],
            json!({"topic": "chat", "id": event.id, "count": 1, "durability": "memory"})
        );
        assert_eq!(
            (&envelope["id"], &envelope["data"]),
            (&json!(event.id), &sent["data"])
        );
        assert_eq!(
            (&envelope["event"], event.event_type.as_str()),
            (&json!(event_type), event_type)
        );
    }
}

#[tokio::test]
async fn a_frame_may_name_another_topic() {
    let hub = TestHub::start().await;
    let mut other = hub.subscribe(Form::WebSocket, "/b/**").await;
    let mut socket = socket(&hub, "/a").await;
    let answer = send(&mut socket, r#"{"topic":"b/x y","data":"1"}"#).await;
    assert_eq!(answer["ack"]["topic"], "b/x y");
    let Received { topic, data, .. } = other.next().await;
    assert_eq!((topic.as_deref(), data.as_str()), (Some("b/x y"), "1"));
}

#[tokio::test]
async fn a_frame_that_is_refused_is_answered_and_the_socket_lives_on() {
    let hub = TestHub::start().await;
    hub.publish("/over?end", "x").await;
    let mut socket = socket(&hub, "/chat").await;
    for (frame, reference, code) in [
        ("hello", Value::Null, "bad_body"),
        ("{}", Value::Null, "bad_body"),
        (r#"{"data":1}"#, Value::Null, "bad_body"),
        (r#"{"data":"x","unknown":1}"#, Value::Null, "bad_body"),
        (r#"{"data":"x","ref":{}}"#, json!({}), "bad_body"),
        (
            r#"{"data":"x","topic":"a//b","ref":1}"#,
            json!(1),
            "bad_topic",
        ),
        (r#"{"data":"x","topic":"*","ref":1}"#, json!(1), "bad_topic"),
        (
            r#"{"data":"x","topic":"-/x","ref":1}"#,
            json!(1),
            "bad_topic",
        ),
        (
            r#"{"data":"x","event":"fanfare.end","ref":2}"#,
            json!(2),
            "bad_event_type",
        ),
        (
            r#"{"data":"x","event":"a\nb","ref":2}"#,
            json!(2),
            "bad_event_type",
        ),
        (
            r#"{"data":"x","topic":"over","ref":3}"#,
            json!(3),
            "topic_ended",
        ),
    ] {
        let answer = send(&mut socket, frame).await;
        assert_eq!(answer["error"]["code"], code, "{frame}");
        assert_eq!(answer["ref"], reference, "{frame}");
        assert!(answer["error"]["detail"].is_string());
    }
    socket.send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(frame(&mut socket).await["error"]["code"], "bad_body");
    assert_eq!(
        send(&mut socket, r#"{"data":"ok"}"#).await["ack"]["count"],
        1
    );
}

#[tokio::test]
async fn behind_a_pattern_a_frame_must_say_where_it_goes() {
    let hub = TestHub::start().await;
    let mut socket = socket(&hub, "/*").await;
    let answer = send(&mut socket, r#"{"data":"x"}"#).await;
    assert_eq!(answer["error"]["code"], "bad_topic");
    let answer = send(&mut socket, r#"{"data":"x","topic":"a"}"#).await;
    assert_eq!(answer["ack"]["topic"], "a");
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let hub = TestHub::start().await;
    let mut socket = socket(&hub, "/chat").await;
    socket
        .send(Message::Ping(Bytes::from_static(b"are you there")))
        .await;
    assert_eq!(
        socket.next_message().await,
        Message::Pong(Bytes::from_static(b"are you there"))
    );
}

#[tokio::test]
async fn a_client_that_closes_is_answered_and_forgotten() {
    let hub = TestHub::start().await;
    let mut socket = socket(&hub, "/chat").await;
    assert_eq!(hub.app().hub().subscribers_len(), 1);
    socket.send(Message::Close(None)).await;
    assert!(matches!(socket.next_message().await, Message::Close(_)));
    until("no subscriber", || async {
        hub.app().hub().subscribers_len() == 0
    })
    .await;
}

#[tokio::test]
async fn the_end_of_the_topic_closes_the_socket() {
    let hub = TestHub::start().await;
    let mut socket = socket(&hub, "/job").await;
    hub.publish("/job?end", "last").await;
    assert_eq!(socket.next_data().await, "last");
    assert_eq!(socket.next().await.event_type, "fanfare.end");
    assert_eq!(socket.close_code().await, Some(CloseCode::Normal));
    // Who comes back has nothing to wait for either: what a 204 is to others.
    let mut late = hub.subscribe(Form::WebSocket, "/job").await;
    assert_eq!(late.close_code().await, Some(CloseCode::Normal));
}

#[tokio::test]
async fn a_hub_that_stops_says_that_it_goes_away() {
    let hub = TestHub::start().await;
    let mut socket = socket(&hub, "/chat").await;
    hub.drain().await;
    assert_eq!(socket.close_code().await, Some(CloseCode::Away));
}

#[tokio::test]
async fn a_frame_that_is_too_large_ends_the_socket() {
    let hub = TestHub::builder()
        .limits(|limits| limits.event_bytes_max = 100)
        .start()
        .await;
    let mut socket = socket(&hub, "/chat").await;
    let fits = format!(r#"{{"data":"{}"}}"#, "x".repeat(101));
    assert_eq!(
        send(&mut socket, fits).await["error"]["code"],
        "event_too_large"
    );
    socket.send(Message::text("x".repeat(1_000))).await;
    assert!(matches!(socket.next_message().await, Message::Close(_)));
    until("no subscriber", || async {
        hub.app().hub().subscribers_len() == 0
    })
    .await;
}

/// A socket of the embedder's, which is quiet for as long as it is open.
async fn quiet(request: Request) -> Response {
    websocket::upgrade(request, |mut socket| async move {
        while let Some(Ok(_)) = socket.next().await {}
    })
}

#[tokio::test]
async fn a_socket_counts_among_the_connections() {
    for path in ["/chat", "/-/quiet"] {
        let hub = TestHub::builder().mount("/-/quiet", quiet);
        let hub = hub.limits(|limits| limits.connections_max = 2);
        let hub = hub.start().await;
        let first = hub.subscribe(Form::WebSocket, path).await;
        let _second = hub.subscribe(Form::WebSocket, path).await;
        // A third is closed before a byte is read.
        let refused = hub.fetch("/-/health/live").try_send().await;
        assert!(refused.is_none(), "{path}");
        drop(first);
        until("a place", || async {
            let live = hub.fetch("/-/health/live").try_send().await;
            live.is_some()
        })
        .await;
    }
}
