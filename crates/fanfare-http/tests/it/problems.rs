//! Every problem code, each provoked once. The table at the end is all there are.

use std::time::Duration;

use fanfare_auth::{Auth, Claims, Key, Rights, Rules, SigningKey};
use fanfare_http::problem::CODES;
use fanfare_http::{Cors, Proxies};
use fanfare_hub::{AppendError, Limits};
use fanfare_testkit::{Answer, Form, TestHub, TestHubBuilder};
use http::{HeaderMap, Method, StatusCode};

async fn hub(limits: impl FnOnce(&mut Limits)) -> TestHub {
    TestHub::builder().limits(limits).start().await
}

async fn bad_topic() -> Answer {
    TestHub::start().await.fetch("/a//b").send().await
}

async fn bad_query() -> Answer {
    TestHub::start().await.fetch("/a?history=much").send().await
}

async fn bad_event_type() -> Answer {
    TestHub::start()
        .await
        .post("/a?event=a%0Ab", "x")
        .send()
        .await
}

async fn bad_header() -> Answer {
    let hub = TestHub::start().await;
    hub.post("/a", "x")
        .header("idempotency-key", "")
        .send()
        .await
}

async fn bad_body() -> Answer {
    TestHub::start()
        .await
        .post("/a", &b"caf\xe9"[..])
        .send()
        .await
}

async fn no_event() -> Answer {
    let hub = TestHub::start().await;
    let post = hub
        .post("/a", "\r\n\n")
        .header("content-type", "application/x-ndjson");
    post.send().await
}

async fn bad_upgrade() -> Answer {
    let hub = TestHub::start().await;
    let get = hub
        .fetch("/a")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    get.header("sec-websocket-version", "8").send().await
}

async fn too_many_topics() -> Answer {
    let hub = hub(|limits| limits.selectors_max = 2).await;
    hub.fetch("/a?topic=b&topic=c").send().await
}

async fn no_credential() -> Answer {
    let hub = TestHub::builder().auth(Auth::new(Rules::default()));
    hub.start().await.fetch("/a").send().await
}

async fn bad_credential() -> Answer {
    let rules = Rules {
        keys: vec![Key::new(None, "HS256", &[7; 32]).unwrap()],
        ..Rules::default()
    };
    let hub = TestHub::builder().auth(Auth::new(rules)).start().await;
    let ask = hub.fetch("/a");
    ask.header("authorization", "Bearer x").send().await
}

async fn not_granted() -> Answer {
    let secret = [7; 32];
    let claims = Claims {
        exp: u64::MAX / 1000,
        nbf: None,
        iat: None,
        jti: None,
        sub: None,
        iss: None,
        aud: None,
        fanfare: Rights::default(),
    };
    let key = SigningKey::new(None, "HS256", &secret).unwrap();
    let rules = Rules {
        keys: vec![Key::new(None, "HS256", &secret).unwrap()],
        ..Rules::default()
    };
    let hub = TestHub::builder().auth(Auth::new(rules)).start().await;
    let token = claims.sign(&key).unwrap();
    let ask = hub.fetch("/a");
    ask.header("authorization", format!("Bearer {token}"))
        .send()
        .await
}

async fn origin_not_allowed() -> Answer {
    let hub = TestHub::builder().cors(Cors::SameOrigin).start().await;
    hub.post("/a", "x")
        .header("origin", "https://evil.example")
        .send()
        .await
}

async fn not_found() -> Answer {
    TestHub::start().await.fetch("/-/nothing").send().await
}

async fn method_not_allowed() -> Answer {
    TestHub::start().await.ask(Method::PUT, "/a").send().await
}

async fn not_acceptable() -> Answer {
    TestHub::start()
        .await
        .fetch("/a")
        .header("accept", "text/html")
        .send()
        .await
}

async fn body_timeout() -> Answer {
    let hub = hub(|limits| limits.body_deadline = Duration::from_millis(200)).await;
    let mut raw = hub.raw().await;
    raw.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        .await;
    parse(&raw.read_through("}\n").await)
}

async fn idempotency_key_reused() -> Answer {
    let hub = TestHub::start().await;
    hub.post("/a", "x")
        .header("idempotency-key", "k")
        .send()
        .await
        .stored();
    hub.post("/a", "y")
        .header("idempotency-key", "k")
        .send()
        .await
}

async fn topic_ended() -> Answer {
    let hub = TestHub::start().await;
    hub.publish("/a?end", "x").await;
    hub.post("/a", "y").send().await
}

async fn event_too_large() -> Answer {
    let hub = hub(|limits| limits.event_bytes_max = 10).await;
    let lines = hub.post("/a", "short\n12345678901\n");
    lines
        .header("content-type", "application/x-ndjson")
        .send()
        .await
}

async fn body_too_large() -> Answer {
    let hub = hub(|limits| limits.body_bytes_max = 10).await;
    let lines = hub.post("/a", "12345\n67890\n");
    lines
        .header("content-type", "application/x-ndjson")
        .send()
        .await
}

async fn unsupported_encoding() -> Answer {
    let hub = TestHub::start().await;
    hub.post("/a", "x")
        .header("content-encoding", "gzip")
        .send()
        .await
}

async fn too_many_subscribers() -> Answer {
    let hub = hub(|limits| limits.subscribers_max = 1).await;
    let _only = hub.subscribe(Form::Sse, "/a").await;
    hub.fetch("/a").send().await
}

/// The hub's machine is a proxy, and the client one behind it.
async fn of_one_client(change: impl FnOnce(&mut Limits)) -> TestHub {
    let proxies = Proxies::parse(["127.0.0.1"]).unwrap();
    let hub = TestHub::builder().limits(change).proxies(proxies);
    hub.start().await
}

async fn too_many_streams() -> Answer {
    let hub = of_one_client(|limits| limits.address_connections_max = 1).await;
    let stream = || hub.fetch("/a").header("x-forwarded-for", "192.0.2.1");
    let _only = stream().subscribe(Form::Sse).await;
    stream().send().await
}

async fn too_many_events() -> Answer {
    let hub = of_one_client(|limits| limits.address_events_per_s = 1).await;
    let publish = || hub.post("/a", "x").header("x-forwarded-for", "192.0.2.1");
    publish().send().await.stored();
    publish().send().await
}

async fn busy() -> Answer {
    let hub = hub(|limits| limits.bodies_bytes_max = 10).await;
    let lines = hub.post("/a", "12345\n67890\n");
    lines
        .header("content-type", "application/x-ndjson")
        .send()
        .await
}

async fn partly_stored() -> Answer {
    let hub = TestHub::start().await;
    let mut pipe = hub.pipe("/a", "text/event-stream").await;
    pipe.send(&b"data: 1\n\ndata: \xff\n\n"[..]).await;
    pipe.answer().await
}

async fn outcome_unknown() -> Answer {
    let trouble = AppendError::Uncertain("the sync failed".to_owned());
    crate::storage::failed(trouble).await
}

async fn not_stored() -> Answer {
    let hub = hub(|limits| limits.topics_max = 1).await;
    hub.publish("/a", "x").await;
    hub.post("/b", "x").send().await
}

async fn draining() -> Answer {
    let hub = TestHub::start().await;
    let mut raw = hub.raw().await;
    raw.send(
        "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
         Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .await;
    // The hub asks for the body: the publish is under way and nothing of it is stored.
    raw.read_through("100 Continue\r\n\r\n").await;
    hub.drain().await;
    parse(&raw.read_to_end().await)
}

/// An answer of HTTP/1.1 whose body came whole.
fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let fields = lines.map(|line| line.split_once(": ").unwrap());
    let fields = fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    Answer {
        status: status.parse().unwrap(),
        headers: HeaderMap::from_iter(fields),
        body: body.to_owned().into(),
    }
}

fn assert_problem(code: &str, answer: &Answer) {
    let (status, _) = CODES.iter().find(|(_, known)| *known == code).unwrap();
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (*status, code),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.header("retry-after").is_empty(),
        !matches!(status, 429 | 503)
    );
    let problem = answer.json();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], *status);
    let title = StatusCode::from_u16(*status).unwrap().canonical_reason();
    assert_eq!(problem["title"].as_str(), title);
    assert!(problem["detail"].as_str().unwrap().len() > 10, "{problem}");
}

/// Makes a test of each, and a table of all.
macro_rules! provoked {
    ($($code:ident),* $(,)?) => {
        mod is_told {
            $(#[tokio::test]
            async fn $code() {
                super::assert_problem(stringify!($code), &super::$code().await);
            })*
        }

        const PROVOKED: &[&str] = &[$(stringify!($code)),*];
    };
}

provoked! {
    bad_topic, bad_query, bad_event_type, bad_header, bad_body, no_event, bad_upgrade,
    too_many_topics, no_credential, bad_credential, origin_not_allowed, not_granted, not_found, method_not_allowed, not_acceptable,
    body_timeout, idempotency_key_reused, topic_ended, event_too_large, body_too_large,
    unsupported_encoding, too_many_subscribers, too_many_streams, too_many_events,
    partly_stored, outcome_unknown, not_stored, draining, busy,
}

#[test]
fn every_code_there_is_has_its_test() {
    let codes: Vec<_> = CODES.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, PROVOKED);
}

/// A verbatim body that is too large is refused whether or not it says so beforehand.
#[tokio::test]
async fn a_large_body_is_refused_before_and_while_it_is_read() {
    let hub: TestHubBuilder = TestHub::builder();
    let hub = hub
        .limits(|limits| limits.event_bytes_max = 10)
        .start()
        .await;
    assert_eq!(hub.publish("/a", "1234567890").await.count, 1);
    assert_eq!(hub.post("/a", "12345678901").send().await.status, 413);
    let mut pipe = hub.pipe("/a", "text/plain").await;
    pipe.send("123456").await;
    pipe.send("78901").await;
    assert_eq!(pipe.answer().await.status, 413);
}
