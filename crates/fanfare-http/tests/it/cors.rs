//! Which pages may read and write (Fetch standard, CORS protocol; RFC 6455 10.2 for sockets).

use fanfare_http::Cors;
use fanfare_testkit::{Answer, Ask, Form, Protocol, TestHub};
use http::Method;

const APP: &str = "https://app.example";
const EVIL: &str = "https://evil.example";

async fn hub(cors: Cors) -> TestHub {
    TestHub::builder().cors(cors).start().await
}

fn listed() -> Cors {
    Cors::Origins(vec![APP.to_owned()])
}

async fn from(ask: Ask, origin: &str) -> Answer {
    ask.header("origin", origin).send().await
}

/// The origin that a page must have to read the answer.
fn readable_by(answer: &Answer) -> &str {
    let origin = answer.header("access-control-allow-origin");
    let is_named = !["", "*"].contains(&origin);
    let credentials = answer.header("access-control-allow-credentials");
    assert_eq!(credentials, if is_named { "true" } else { "" });
    origin
}

fn page(hub: &TestHub) -> Ask {
    hub.fetch("/a").header("accept", "application/json")
}

#[tokio::test]
async fn the_pages_that_may_read_are_named() {
    for (cors, origin, allowed) in [
        (Cors::AnyOrigin, EVIL, "*"),
        (listed(), APP, APP),
        (listed(), EVIL, ""),
        (listed(), "null", ""),
        (Cors::SameOrigin, APP, ""),
    ] {
        let hub = hub(cors.clone()).await;
        let answer = from(page(&hub), origin).await;
        assert_eq!(
            (answer.status, readable_by(&answer)),
            (200, allowed),
            "{cors:?}"
        );
        let varies = matches!(cors, Cors::Origins(_));
        assert_eq!(answer.header("vary") == "Origin", varies, "{cors:?}");
        let exposed = answer.header("access-control-expose-headers");
        for name in [
            "link",
            "retry-after",
            "fanfare-count",
            "idempotency-replayed",
        ] {
            assert_eq!(
                exposed.contains(name),
                !allowed.is_empty(),
                "{cors:?} {name}"
            );
        }
        // A page must be able to read why it was refused, too.
        let problem = from(hub.fetch("/a//b"), origin).await;
        assert_eq!((problem.status, readable_by(&problem)), (400, allowed));
    }
}

#[tokio::test]
async fn a_stream_carries_the_same_word() {
    let hub = hub(listed()).await;
    for (origin, allowed) in [(APP, Some(APP)), (EVIL, None)] {
        let stream = hub
            .fetch("/a")
            .header("origin", origin)
            .subscribe(Form::Sse)
            .await;
        let header = stream.headers().get("access-control-allow-origin");
        assert_eq!(header.map(|value| value.to_str().unwrap()), allowed);
    }
}

#[tokio::test]
async fn a_preflight_says_what_a_page_may_send() {
    for (cors, origin, allowed) in [
        (Cors::AnyOrigin, EVIL, "*"),
        (listed(), APP, APP),
        (listed(), EVIL, ""),
        (Cors::SameOrigin, APP, ""),
    ] {
        let hub = hub(cors.clone()).await;
        let ask = hub.ask(Method::OPTIONS, "/a");
        let ask = ask.header("access-control-request-method", "POST");
        let answer = from(ask, origin).await;
        assert_eq!(
            (answer.status, readable_by(&answer)),
            (204, allowed),
            "{cors:?}"
        );
        let is_allowed = !allowed.is_empty();
        for (name, value) in [
            ("access-control-allow-methods", "DELETE"),
            ("access-control-allow-headers", "last-event-id"),
            ("access-control-allow-headers", "idempotency-key"),
            ("access-control-allow-headers", "content-type"),
            ("access-control-max-age", "7200"),
        ] {
            assert_eq!(
                answer.header(name).contains(value),
                is_allowed,
                "{cors:?} {name}"
            );
        }
    }
}

#[tokio::test]
async fn only_pages_that_may_can_write() {
    for (cors, origin, status) in [
        (Cors::AnyOrigin, EVIL, 201),
        (listed(), APP, 201),
        (listed(), EVIL, 403),
        (listed(), "null", 403),
        (Cors::SameOrigin, APP, 403),
    ] {
        let hub = hub(cors.clone()).await;
        let posted = from(hub.post("/a", "x"), origin).await;
        assert_eq!(posted.status, status, "{cors:?} {origin}");
        let deleted = from(hub.ask(Method::DELETE, "/a"), origin).await;
        assert_eq!(deleted.status == 200, status == 201, "{cors:?} {origin}");
        // No page at all: curl, a server.
        assert_eq!(hub.post("/a", "x").send().await.status, 201);
    }
}

#[tokio::test]
async fn the_hubs_own_pages_may_write_over_every_protocol() {
    for cors in [Cors::SameOrigin, listed()] {
        let hub = hub(cors).await;
        let own = format!("http://{}", hub.address().0);
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let post = hub.post("/a", "x").over(protocol);
            let answer = from(post, &own).await;
            assert_eq!(answer.status, 201, "{protocol:?} {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_socket_opens_for_pages_that_may_write() {
    for (cors, origin, status) in [
        (Cors::AnyOrigin, EVIL, 101),
        (listed(), APP, 101),
        (listed(), EVIL, 403),
        (Cors::SameOrigin, EVIL, 403),
    ] {
        let hub = hub(cors.clone()).await;
        let mut raw = hub.raw().await;
        raw.send(format!(
            "GET /a HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nConnection: keep-alive, Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ))
        .await;
        let head = raw.read_through("\r\n\r\n").await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{cors:?} {head}"
        );
        let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        assert_eq!(head.contains(accept), status == 101, "{head}");
    }
}
