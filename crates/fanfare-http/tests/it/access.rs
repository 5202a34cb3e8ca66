//! Who may do what: rights for everybody, rights of a token, and how each door answers without.

pub(crate) mod bearer;
mod lapsing;

use fanfare_auth::{Claims, Rights};
use fanfare_http::Cors;
use fanfare_testkit::{Ask, Form, Protocol, TestHub};
use http::Method;

use bearer::{Bearing, builder, claims, hub, now_s, rights, sign, token};

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
    // Whom nobody named is any page at all: its cookie is not its word.
    let open = builder(Rights::default())
        .cors(Cors::AnyOrigin)
        .start()
        .await;
    let post = open.post("/a", "x").header("cookie", &cookie);
    assert_eq!(post.header("origin", app).send().await.status, 403);
    // The header wins: a page that has both is who the header says.
    let stranger = token(Rights::default());
    let both = hub.fetch("/a").header("cookie", &cookie).bearing(&stranger);
    assert_eq!(both.send().await.status, 403);
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
