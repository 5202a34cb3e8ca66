//! Publishes any body in any pieces to a hub in memory and reads back what is stored: what was
//! accepted is there as an independent reading of the body has it, and what was refused whole has
//! left nothing.
//! The first byte of the input says the kind of body and whether it is streamed, the second the
//! size of pieces; the first line after them is the query, the rest the body.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use fanfare_http::body::boxed;
use fanfare_http::{App, Settings};
use fanfare_hub::{Epoch, Hub, Limits, MemoryLog, RetentionRules};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::Runtime;

#[path = "../../crates/fanfare-sse/tests/it/oracle.rs"]
mod oracle;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
});

fuzz_target!(|input: &[u8]| {
    let [kind, piece_bytes, rest @ ..] = input else {
        return;
    };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let query = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let post = Post {
        media: ["", "text/event-stream", "application/x-ndjson"][usize::from(kind % 3)],
        is_streamed: kind & 4 != 0,
        query: &query,
        body: parts.next().unwrap_or_default(),
        piece_bytes: usize::from(*piece_bytes).max(1),
    };
    RUNTIME.block_on(check(&post));
});

/// One publish.
struct Post<'a> {
    media: &'static str,
    is_streamed: bool,
    query: &'a str,
    body: &'a [u8],
    piece_bytes: usize,
}

async fn check(post: &Post<'_>) {
    let limits = Limits::default();
    let log = MemoryLog::new(Epoch::from_entropy(7), RetentionRules::default(), &limits);
    let app = App::new(Hub::new(Arc::new(log), limits), Settings::default());
    let Some(status) = send(&app, post).await else {
        return;
    };
    let stored = stored(&app).await;
    app.drain().await;
    let wanted = wanted(post);
    match status {
        StatusCode::CREATED => assert_eq!(stored, wanted.expect("only text is taken")),
        // What came before the trouble counts, and is said to.
        StatusCode::INTERNAL_SERVER_ERROR => {
            assert!(post.is_streamed && post.media != "");
            let wanted = wanted.unwrap_or_else(|before| before);
            assert!(!stored.is_empty() && wanted.starts_with(&stored));
        }
        status => {
            assert!(status.is_client_error(), "{status}");
            assert_eq!(stored, [], "{status}");
        }
    }
}

/// Sends the body as it is or in pieces; nothing when the query is none that HTTP could carry.
async fn send(app: &App, post: &Post<'_>) -> Option<StatusCode> {
    let request =
        Request::post(format!("/topic?{}", post.query)).header("content-type", post.media);
    let body = match post.is_streamed {
        false => boxed(Full::new(Bytes::copy_from_slice(post.body))),
        true => {
            let pieces: Vec<_> = post
                .body
                .chunks(post.piece_bytes)
                .map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::copy_from_slice(piece))))
                .collect();
            boxed(StreamBody::new(futures_util::stream::iter(pieces)))
        }
    };
    let request = request.body(body).ok()?;
    Some(app.answer(request).await.status())
}

/// Type and data of every event of the topic.
async fn stored(app: &App) -> Vec<(String, String)> {
    let request =
        Request::get("/topic?history=all&limit=100000").header("accept", "application/json");
    let empty = boxed(Full::new(Bytes::new()));
    let answer = app.answer(request.body(empty).expect("a request")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let page = answer.into_body().collect().await.expect("a page");
    let page: Vec<Value> = serde_json::from_slice(&page.to_bytes()).expect("JSON");
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    page.iter()
        .filter(|event| event["event"] != "fanfare.end")
        .map(|event| (text(event, "event"), text(event, "data")))
        .collect()
}

type Events = Vec<(String, String)>;

/// What the body says; an error has what it says before the first thing that is not text.
fn wanted(post: &Post<'_>) -> Result<Events, Events> {
    let own = event_type(post.query);
    let with_type = |data: String| (own.clone(), one_line_end(&data));
    match post.media {
        "application/x-ndjson" => {
            let mut events = Vec::new();
            for line in post.body.split(|byte| *byte == b'\n') {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let Ok(line) = std::str::from_utf8(line) else {
                    return Err(events);
                };
                if !line.is_empty() {
                    events.push(with_type(line.to_owned()));
                }
            }
            Ok(events)
        }
        "text/event-stream" => {
            // A body that ends is ended, even in the middle of a block.
            let body = [post.body, b"\n\n"].concat();
            let (seen, _) = oracle::read(&body, "", usize::MAX);
            let events = seen.into_iter().filter_map(|seen| match seen {
                oracle::Seen::Event { event, data, .. } if event == "message" => {
                    Some(with_type(data))
                }
                oracle::Seen::Event { event, data, .. } => Some((event, data)),
                _ => None,
            });
            Ok(events.collect())
        }
        _ => match std::str::from_utf8(post.body) {
            Ok("") if is_end(post.query) => Ok(Vec::new()),
            Ok(data) => Ok(vec![with_type(data.to_owned())]),
            Err(_) => Err(Vec::new()),
        },
    }
}

fn one_line_end(data: &str) -> String {
    data.replace("\r\n", "\n").replace('\r', "\n")
}

/// The last `event=` of a query that was accepted, decoded by a library of others.
fn event_type(query: &str) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let types = pairs
        .filter(|(name, _)| name == "event")
        .map(|(_, value)| value.into_owned());
    types.last().unwrap_or_else(|| "message".to_owned())
}

fn is_end(query: &str) -> bool {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let ends = pairs
        .filter(|(name, _)| name == "end")
        .map(|(_, value)| value.into_owned());
    ends.last()
        .is_some_and(|value| !["0", "false"].contains(&value.as_str()))
}
