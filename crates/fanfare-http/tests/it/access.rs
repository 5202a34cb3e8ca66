//! Who may do what: rights for everybody, rights of a token, and how each door answers without.

use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Auth, Claims, Key, Revocation, Rights, Rules, SigningKey};
use fanfare_http::{Cors, clock};
use fanfare_testkit::{Ask, Form, Item, Protocol, TestHub, TestHubBuilder, until};
use http::Method;

const SECRET: &[u8] = b"thirty-two bytes of a secret, and some more";
/// The bound of GUARANTEES.md: a second after it expired, a stream has ended.
const AFTER_EXPIRY: Duration = Duration::from_secs(1);
const AFTER_REVOCATION: Duration = Duration::from_secs(5);

fn now_s() -> u64 {
    clock::now().0 / 1000
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn rights(publish: &[&str], subscribe: &[&str]) -> Rights {
    Rights {
        publish: texts(publish),
        subscribe: texts(subscribe),
        admin: false,
    }
}

fn claims(fanfare: Rights) -> Claims {
    Claims {
        exp: now_s() + 60,
        nbf: None,
        iat: Some(now_s()),
        jti: None,
        sub: None,
        iss: None,
        aud: None,
        fanfare,
    }
}

fn sign(claims: &Claims) -> String {
    let key = SigningKey::new(None, "HS256", SECRET).unwrap();
    claims.sign(&key).unwrap()
}

fn token(fanfare: Rights) -> String {
    sign(&claims(fanfare))
}

fn rules(everybody: Rights) -> Rules {
    Rules {
        keys: vec![Key::new(None, "HS256", SECRET).unwrap()],
        everybody: Arc::new(everybody.to_grant().unwrap()),
        ..Rules::default()
    }
}

fn builder(everybody: Rights) -> TestHubBuilder {
    TestHub::builder().auth(Auth::new(rules(everybody)))
}

async fn hub(everybody: Rights) -> TestHub {
    builder(everybody).start().await
}

trait Bearing {
    fn bearing(self, token: &str) -> Self;
}

impl Bearing for Ask {
    fn bearing(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }
}

/// A handshake that is right in all but who sends it.
fn socket(ask: Ask) -> Ask {
    ask.header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// Every door that needs a right, as a request to it.
fn doors(hub: &TestHub) -> Vec<(&'static str, Ask)> {
    vec![
        ("publish", hub.post("/a", "x")),
        (
            "publish over HTTP/2",
            hub.post("/a", "x").over(Protocol::Http2),
        ),
        (
            "publish lines",
            hub.post("/a", "x\n")
                .header("content-type", "application/x-ndjson"),
        ),
        ("end", hub.post("/a?end", "")),
        (
            "subscribe",
            hub.fetch("/a").header("accept", "text/event-stream"),
        ),
        (
            "subscribe over HTTP/2",
            hub.fetch("/a").over(Protocol::Http2),
        ),
        (
            "lines",
            hub.fetch("/a").header("accept", "application/x-ndjson"),
        ),
        ("page", hub.fetch("/a").header("accept", "application/json")),
        ("pattern", hub.fetch("/**")),
        ("second topic", hub.fetch("/open?topic=a")),
        ("socket", socket(hub.fetch("/a"))),
        ("head", hub.ask(Method::HEAD, "/a")),
        ("forget", hub.ask(Method::DELETE, "/a")),
        ("topics", hub.fetch("/-/topics")),
        ("metrics", hub.fetch("/-/metrics")),
        ("info", hub.fetch("/-/info")),
        ("revoke", hub.post("/-/revoke", "{\"subject\":\"x\"}")),
    ]
}

#[tokio::test]
async fn without_a_credential_nothing_is_open_but_what_is_everybodys() {
    let hub = hub(rights(&["open"], &["open", "open/**"])).await;
    for (door, ask) in doors(&hub) {
        let answer = ask.send().await;
        assert_eq!(answer.status, 401, "{door}: {answer:?}");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer realm=\"fanfare\"",
            "{door}"
        );
    }
    hub.publish("/open", "x").await;
    let page = hub.fetch("/open").header("accept", "application/json");
    assert_eq!(page.send().await.json()[0]["data"], "x");
    for (path, status) in [
        ("/-/health/live", 200),
        ("/-/health/ready", 200),
        ("/-/openapi.json", 200),
        ("/-/nothing", 404),
    ] {
        assert_eq!(hub.fetch(path).send().await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_token_opens_what_it_names_and_nothing_else() {
    let hub = hub(Rights::default()).await;
    let writer = token(rights(&["a/*"], &[]));
    let reader = token(rights(&[], &["a/**"]));
    for (path, status) in [
        ("/a/x", 201),
        ("/a", 403),
        ("/a/x/y", 403),
        ("/b/x", 403),
        ("/a/%78", 201),
    ] {
        let answer = hub.post(path, "x").bearing(&writer).send().await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        if status == 403 {
            assert_eq!(answer.code(), "not_granted", "{path}");
        }
    }
    assert_eq!(
        hub.post("/a/x", "x").bearing(&reader).send().await.status,
        403
    );
    for (path, status) in [
        ("/a/x", 200),
        ("/a/**", 200),
        ("/a/*", 200),
        ("/a/*?topic=a/y/z", 200),
        ("/a", 403),
        ("/**", 403),
        ("/*/x", 403),
        ("/a/x?topic=b", 403),
    ] {
        let page = hub.fetch(path).header("accept", "application/json");
        let answer = page.bearing(&reader).send().await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    // Each form takes the same token, and shows the event that it may see.
    for form in Form::ALL {
        let ask = hub.fetch("/a/*?history=all").bearing(&reader);
        let mut subscriber = ask.subscribe(form).await;
        assert_eq!(subscriber.next_data().await, "x", "{form:?}");
    }
    let admin = Rights {
        admin: true,
        ..Rights::default()
    };
    let admin = token(admin);
    for (door, ask) in doors(&hub) {
        let is_operators = ["forget", "topics", "metrics", "info", "revoke"].contains(&door);
        let status = ask.bearing(&admin).send().await.status;
        assert_eq!(status, if is_operators { 200 } else { 403 }, "{door}");
    }
}

#[tokio::test]
async fn a_bad_credential_is_refused_where_none_is_needed() {
    let hub = hub(rights(&["**"], &["**"])).await;
    let expired = sign(&Claims {
        exp: now_s(),
        ..claims(rights(&["**"], &["**"]))
    });
    for token in [&*expired, "nonsense", "a.b.c", ""] {
        for ask in [
            hub.post("/a", "x"),
            hub.fetch("/a"),
            socket(hub.fetch("/a")),
        ] {
            let answer = ask.bearing(token).send().await;
            assert_eq!(
                (answer.status, &*answer.code()),
                (401, "bad_credential"),
                "{token}"
            );
            assert!(
                answer
                    .header("www-authenticate")
                    .ends_with("error=\"invalid_token\"")
            );
        }
    }
    assert_eq!(hub.app().hub().log().last().0, 0);
}

/// A hub without keys has nothing to hold a credential against, which may be meant for somebody in
/// front of it.
#[tokio::test]
async fn an_open_hub_looks_at_no_credential() {
    let hub = TestHub::start().await;
    for ask in [
        hub.post("/a", "x"),
        hub.post("/a", "x\n")
            .header("content-type", "application/x-ndjson"),
    ] {
        assert_eq!(
            ask.header("authorization", "Basic dTpw")
                .send()
                .await
                .status,
            201
        );
    }
    let page = hub
        .fetch("/a?access_token=x")
        .header("accept", "application/json");
    assert_eq!(page.bearing("x").send().await.status, 200);
}

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
async fn a_cookie_reads_for_any_page_and_writes_only_for_those_that_may() {
    let app = "https://app.example";
    let hub = builder(Rights::default())
        .cors(Cors::Origins(vec![app.to_owned()]))
        .start()
        .await;
    let cookie = format!(
        "theme=dark; fanfare_token={}",
        token(rights(&["a"], &["a"]))
    );
    let same = format!("http://{}", hub.address().0);
    for (fields, is_let_in) in [
        (&[][..], false),
        (&[("origin", app)], true),
        (&[("origin", &*same)], true),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("origin", "null")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "https://app.example.evil")], false),
        (
            &[
                ("origin", "https://evil.example"),
                ("sec-fetch-site", "same-origin"),
            ],
            false,
        ),
    ] {
        for (form, ask) in [
            ("post", hub.post("/a", "x")),
            (
                "form",
                hub.post("/a", "d=x")
                    .header("content-type", "application/x-www-form-urlencoded"),
            ),
            ("socket", socket(hub.fetch("/a"))),
        ] {
            let ask = fields
                .iter()
                .fold(ask.header("cookie", &cookie), |ask, (name, value)| {
                    ask.header(name, value)
                });
            let answer = ask.send().await.status;
            let wanted = match (is_let_in, form) {
                (false, _) => 403,
                (true, "socket") => 101,
                (true, _) => 201,
            };
            assert_eq!(answer, wanted, "{form} {fields:?}");
        }
    }
    let page = hub
        .fetch("/a")
        .header("accept", "application/json")
        .header("cookie", &cookie);
    assert_eq!(page.send().await.status, 200);
    let mut stream = hub
        .fetch("/a?history=1")
        .header("cookie", &cookie)
        .subscribe(Form::Sse)
        .await;
    assert_eq!(stream.next_data().await, "d=x");
    // The header wins: a page that has both is who the header says.
    let stranger = token(Rights::default());
    let both = hub.fetch("/a").header("cookie", &cookie).bearing(&stranger);
    assert_eq!(both.send().await.status, 403);
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

/// Without a right one learns nothing: neither by an answer nor by its absence. Ids are the hub's
/// count of all events, which is said in GUARANTEES.md, and are left out.
#[tokio::test]
async fn a_stranger_sees_the_same_with_and_without_private_traffic() {
    let mut seen = Vec::new();
    for is_busy in [false, true] {
        let hub = hub(rights(&[], &["open"])).await;
        let admin = token(rights(&["**"], &["**"]));
        let publish = async |topic: &str, text: &'static str| {
            hub.post(topic, text).bearing(&admin).send().await.stored();
        };
        publish("/open", "1").await;
        if is_busy {
            publish("/secret", "x").await;
            publish("/open/secret", "x").await;
        }
        publish("/open", "2").await;
        let mut transcript = Vec::new();
        for path in [
            "/secret",
            "/none",
            "/open/secret",
            "/open/none",
            "/**",
            "/*",
            "/open?topic=secret",
            "/open?topic=none",
            "/-/topics",
        ] {
            for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
                let answer = hub.ask(method.clone(), path).send().await;
                let text = answer
                    .text()
                    .replace("secret", "NAME")
                    .replace("none", "NAME");
                transcript.push(format!("{method} {} {text}", answer.status));
            }
        }
        let page = hub
            .fetch("/open")
            .header("accept", "application/json")
            .send()
            .await;
        let data: Vec<_> = page
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["data"].to_string())
            .collect();
        transcript.push(data.join(" "));
        let head = hub.ask(Method::HEAD, "/open").send().await;
        transcript.push(head.header("fanfare-count").to_owned());
        seen.push(transcript);
    }
    assert_eq!(seen[0], seen[1]);
    // A topic that is there and one that is not look the same, too.
    for pair in seen[1][..16].chunks(8) {
        assert_eq!(pair[..4], pair[4..]);
    }
}

/// What one door calls a topic, every other calls the same: no spelling leads past a right.
#[tokio::test]
async fn no_spelling_of_a_topic_leads_past_a_right() {
    let hub = hub(Rights::default()).await;
    let admin = token(rights(&["**"], &["**"]));
    hub.post("/secret", "x")
        .bearing(&admin)
        .send()
        .await
        .stored();
    let reader = token(rights(&["a"], &["a", "a/**"]));
    for path in [
        "/secret",
        "/%73ecret",
        "//secret",
        "/a/../secret",
        "/a/%2e%2e/secret",
        "/a/..%2fsecret",
        "/./secret",
        "/secret/",
        "/secret%00",
        "/SECRET",
        "/a%2fsecret/../../secret",
        "/a?topic=secret",
        "/a?topic=%73ecret",
        "/a?topic=..%2fsecret",
        "/a/%252e%252e/secret",
        "/se%63ret?x=/a",
        "/secret?topic=a",
        "/a//secret",
        "/*",
        "/%2A",
    ] {
        for ask in [
            hub.fetch(path).header("accept", "application/json"),
            hub.post(path, "x"),
            hub.ask(Method::HEAD, path),
        ] {
            let answer = ask.bearing(&reader).send().await;
            let is_theirs =
                answer.status == 400 || answer.status == 403 || !answer.text().contains("\"x\"");
            assert!(is_theirs, "{path}: {answer:?}");
            assert!(
                answer.status != 201 || answer.stored().topic == "a",
                "{path}: {answer:?}"
            );
        }
    }
    let page = hub
        .fetch("/secret")
        .header("accept", "application/json")
        .bearing(&admin);
    assert_eq!(page.send().await.json().as_array().unwrap().len(), 1);
}
