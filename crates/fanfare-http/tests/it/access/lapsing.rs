//! The end of a right while it is in use: streams, sockets and piped publishes.

use std::time::Duration;

use fanfare_auth::{Auth, Claims, Revocation, Rights, Rules};
use fanfare_http::clock;
use fanfare_testkit::{Form, Item, TestHub, until};

use super::bearer::{Bearing, claims, hub, now_s, rights, rules, sign, token};

/// The bound of GUARANTEES.md: a second after it expired, a stream has ended.
const AFTER_EXPIRY: Duration = Duration::from_secs(1);
const AFTER_REVOCATION: Duration = Duration::from_secs(5);

/// Reads to the end of a stream, and tells what the last event was and how long it took.
async fn end_of(mut subscriber: fanfare_testkit::Subscriber) -> (String, Duration) {
    let began = tokio::time::Instant::now();
    // Heartbeats would keep one that does not end from ever failing.
    let rest = tokio::time::timeout(2 * AFTER_REVOCATION, subscriber.rest()).await;
    let items = rest.expect("a stream whose right is over ends");
    let last = items.into_iter().rev().find_map(|item| match item {
        Item::Event(event) => Some(event),
        _ => None,
    });
    let last = last.expect("a stream tells why it ends");
    assert_eq!(last.event_type, "fanfare.lapse");
    (
        last.json()["reason"].as_str().unwrap().to_owned(),
        began.elapsed(),
    )
}

#[tokio::test]
async fn every_stream_ends_within_a_second_of_its_token() {
    let hub = hub(Rights::default()).await;
    for form in Form::ALL {
        let exp = now_s() + 2;
        let token = sign(&Claims {
            exp,
            ..claims(rights(&["a"], &["a"]))
        });
        let subscriber = hub.fetch("/a").bearing(&token).subscribe(form).await;
        let (reason, _) = end_of(subscriber).await;
        assert_eq!(reason, "expired", "{form:?}");
        let late = Duration::from_millis(clock::now().0.saturating_sub(exp * 1000));
        assert!(now_s() >= exp && late < AFTER_EXPIRY, "{form:?}: {late:?}");
        assert_eq!(
            hub.fetch("/a").bearing(&token).send().await.status,
            401,
            "{form:?}"
        );
    }
    until("nobody is left", async || {
        hub.app().hub().subscribers_len() == 0
    })
    .await;
}

#[tokio::test]
async fn a_piped_publish_ends_with_its_token() {
    let hub = hub(Rights::default()).await;
    let exp = now_s() + 2;
    let claims = Claims {
        exp,
        ..claims(rights(&["a"], &[]))
    };
    let pipe = hub
        .post("/a", "")
        .header("content-type", "application/x-ndjson");
    let mut pipe = pipe.bearing(&sign(&claims)).pipe().await;
    pipe.send("before\n").await;
    until("it is stored", async || hub.app().hub().log().last().0 == 1).await;
    until("the token has expired", async || now_s() >= exp).await;
    pipe.send("after\n").await;
    let answer = pipe.answer().await;
    let cause = answer.json()["cause"].as_str().map(str::to_owned);
    assert_eq!(
        (answer.status, cause.as_deref()),
        (500, Some("bad_credential")),
        "{answer:?}"
    );
    assert_eq!(hub.app().hub().log().last().0, 1);
}

#[tokio::test]
async fn what_is_revoked_ends_within_five_seconds_and_nothing_else_does() {
    let auth = Auth::new(rules(Rights::default()));
    let hub = TestHub::builder().auth(auth.clone()).start().await;
    let of = |subject: &str, id: &str| {
        let (sub, jti) = (Some(subject.to_owned()), Some(id.to_owned()));
        sign(&Claims {
            sub,
            jti,
            ..claims(rights(&[], &["a"]))
        })
    };
    for form in Form::ALL {
        let open = |token: String| hub.fetch("/a").bearing(&token).subscribe(form);
        let ada = format!("ada-{form:?}");
        let (by_id, by_subject, other) = (of("eve", &ada), of(&ada, "1"), of("bob", "2"));
        let streams = (
            open(by_id.clone()).await,
            open(by_subject.clone()).await,
            open(other).await,
        );
        let admin = token(Rights {
            admin: true,
            ..Rights::default()
        });
        for body in [
            format!("{{\"token\":\"{ada}\"}}"),
            format!("{{\"subject\":\"{ada}\"}}"),
        ] {
            let answer = hub.post("/-/revoke", body).bearing(&admin).send().await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        for stream in [streams.0, streams.1] {
            let (reason, took) = end_of(stream).await;
            assert!(
                reason == "revoked" && took < AFTER_REVOCATION,
                "{form:?}: {reason} {took:?}"
            );
        }
        for token in [by_id, by_subject] {
            assert_eq!(hub.fetch("/a").bearing(&token).send().await.status, 401);
        }
        let mut other = streams.2;
        hub.app()
            .hub()
            .publish(publication("a"), clock::now())
            .await
            .unwrap();
        assert_eq!(other.next_data().await, "x");
        // Its key is taken away, and comes back for the next form.
        auth.replace(Rules {
            keys: Vec::new(),
            ..rules(Rights::default())
        });
        let (reason, took) = end_of(other).await;
        assert!(
            reason == "revoked" && took < AFTER_REVOCATION,
            "{form:?}: {reason} {took:?}"
        );
        auth.replace(rules(Rights::default()));
    }
}

fn publication(topic: &str) -> fanfare_hub::Publication {
    fanfare_hub::Publication {
        topic: fanfare_hub::Trusted.publish(fanfare_hub::TopicName::parse(topic).unwrap()),
        events: vec![fanfare_hub::NewEvent::new("x")],
        ends_topic: false,
        idempotency: None,
    }
}

#[tokio::test]
async fn a_socket_publishes_nothing_once_its_token_is_revoked() {
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
    let hub = hub(Rights::default()).await;
    let claims = Claims {
        jti: Some("1".to_owned()),
        ..claims(rights(&["a"], &["a"]))
    };
    let ask = hub.fetch("/a").bearing(&sign(&claims));
    let mut socket = ask.subscribe(Form::WebSocket).await;
    socket.opening().await;
    let revocation = Revocation::Token("1".to_owned());
    let auth = &hub.app().settings().auth;
    auth.revoke(revocation, clock::now()).unwrap();
    socket.send(Message::text(r#"{"data":"x"}"#)).await;
    let Message::Text(answer) = socket.next_message().await else {
        panic!("no answer")
    };
    assert!(answer.contains("bad_credential"), "{answer}");
    assert_eq!(hub.app().hub().log().last().0, 0);
    // It is looked at within seconds, and closed with a word.
    let Message::Text(last) = socket.next_message().await else {
        panic!("no last word")
    };
    assert!(last.contains("fanfare.lapse"), "{last}");
    assert_eq!(socket.close_code().await, Some(CloseCode::Policy));
}

#[tokio::test]
async fn revocations_are_bounded_and_say_what_they_take() {
    let hub = hub(Rights::default()).await;
    let admin = token(Rights {
        admin: true,
        ..Rights::default()
    });
    for body in [
        "",
        "{}",
        "{\"key\":\"x\"}",
        "[]",
        "{\"token\":\"\"}",
        "{\"token\":1}",
    ] {
        let answer = hub.post("/-/revoke", body).bearing(&admin).send().await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (400, "bad_body"),
            "{body}"
        );
    }
    let long = format!("{{\"token\":\"{}\"}}", "x".repeat(5_000));
    assert_eq!(
        hub.post("/-/revoke", long)
            .bearing(&admin)
            .send()
            .await
            .status,
        413
    );
    assert_eq!(
        hub.fetch("/-/revoke").bearing(&admin).send().await.status,
        405
    );
    let auth = Auth::open();
    let revoked = |number: usize| auth.revoke(Revocation::Token(number.to_string()), clock::now());
    assert!((0..10_000).all(|number| revoked(number).is_ok()));
    assert!(revoked(10_000).is_err() && revoked(0).is_ok());
}

#[tokio::test]
async fn a_socket_publishes_only_where_its_token_may() {
    use tokio_tungstenite::tungstenite::Message;
    let hub = hub(Rights::default()).await;
    let token = token(rights(&["a"], &["a", "b"]));
    let mut socket = hub
        .fetch("/a")
        .bearing(&token)
        .subscribe(Form::WebSocket)
        .await;
    socket.opening().await;
    for (frame, code) in [
        (r#"{"data":"x"}"#, None),
        (r#"{"data":"x","topic":"b"}"#, Some("not_granted")),
        (r#"{"data":"x","topic":"a/b"}"#, Some("not_granted")),
    ] {
        socket.send(Message::text(frame)).await;
        let answer = loop {
            let Message::Text(text) = socket.next_message().await else {
                continue;
            };
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            if json.get("ack").is_some() || json.get("error").is_some() {
                break json;
            }
        };
        assert_eq!(answer["error"]["code"].as_str(), code, "{frame}: {answer}");
    }
    assert_eq!(hub.app().hub().log().last().0, 1);
}
