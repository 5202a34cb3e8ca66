//! Sends any frames on a WebSocket to a hub in memory: nothing panics or hangs, each text is
//! answered once, and what is acknowledged is delivered as it was sent.
//! The input is a row of frames: a byte for the kind, a byte for the length, and the contents. A
//! kind with the highest bit sends the bytes as they are, without a frame.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fanfare_http::body::boxed;
use fanfare_http::{App, Request, Settings};
use fanfare_hub::{Epoch, Hub, Limits, MemoryLog, RetentionRules};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
});

const HANDSHAKE: &[u8] =
    b"GET /topic HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// More than any input of libFuzzer and all answers to it.
const PIPE_BYTES: usize = 1 << 20;
/// Nothing takes so long but what hangs.
const PATIENCE: Duration = Duration::from_secs(10);

const TEXT: u8 = 1;
const CLOSE: u8 = 8;

fuzz_target!(|input: &[u8]| {
    let checked = RUNTIME.block_on(async { tokio::time::timeout(PATIENCE, check(input)).await });
    checked.expect("the socket comes to an end");
});

async fn check(input: &[u8]) {
    let limits = Limits::default();
    let log = MemoryLog::new(Epoch::from_entropy(7), RetentionRules::default(), &limits);
    let app = App::new(Hub::new(Arc::new(log), limits), Settings::default());
    let (client, server) = tokio::io::duplex(PIPE_BYTES);
    let connection = tokio::spawn(serve(app.clone(), server));
    let (sent, is_clean) = frames(input);
    let said = talk(client, &sent).await;
    // Its end is that of the hub's side; what is wrong with the frames is told in a close.
    drop(connection.await);
    app.drain().await;
    let texts: Vec<_> = said
        .iter()
        .filter(|frame| frame.kind == TEXT)
        .map(|frame| serde_json::from_slice::<Value>(&frame.contents).expect("the hub speaks JSON"))
        .collect();
    let answers = |name: &str| texts.iter().filter(|text| !text[name].is_null()).count();
    let (taken, refused) = (answers("ack"), answers("error"));
    let asked = sent_texts(input);
    if is_clean {
        assert_eq!(taken + refused, asked.len(), "one answer each: {texts:?}");
    }
    // Everything that is delivered was sent by somebody here, in this order.
    let delivered: Vec<_> = texts
        .iter()
        .filter(|text| text["topic"] == "topic" && text["data"].is_string())
        .collect();
    assert!(delivered.len() <= taken, "{texts:?}");
    let data = asked.iter().filter_map(|text| {
        let sent: Value = serde_json::from_slice(text).ok()?;
        Some(one_line_end(sent["data"].as_str()?))
    });
    let mut data = data.collect::<Vec<_>>().into_iter();
    for event in delivered {
        let found = data.any(|sent| event["data"] == sent);
        assert!(found, "{event} was never sent: {texts:?}");
    }
}

async fn serve(app: App, server: DuplexStream) {
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let app = app.clone();
        async move {
            let request: Request = request.map(boxed);
            Ok::<_, std::convert::Infallible>(app.answer(request).await)
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    drop(connection.with_upgrades().await);
}

/// Sends the handshake and all frames, says that nothing more comes, and reads to the end.
async fn talk(mut client: DuplexStream, sent: &[u8]) -> Vec<Frame> {
    client.write_all(HANDSHAKE).await.expect("taken");
    client.write_all(sent).await.ok();
    // A close, so that the hub ends by itself whatever came before.
    client
        .write_all(&[0x80 | CLOSE, 0x80, 0, 0, 0, 0])
        .await
        .ok();
    client.shutdown().await.ok();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.ok();
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let head = head.expect("the handshake is answered");
    assert!(bytes.starts_with(b"HTTP/1.1 101"));
    read(&bytes[head + 4..])
}

/// A frame of the hub.
struct Frame {
    kind: u8,
    contents: Vec<u8>,
}

/// Takes frames of a server apart (RFC 6455 5.2): whole, not masked, nothing reserved.
fn read(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [first, len, rest @ ..] = bytes {
        assert_eq!(first & 0xf0, 0x80, "whole, and no reserved bit");
        let (len, rest) = match len {
            0..126 => (usize::from(*len), rest),
            126 => (usize::from(rest[0]) << 8 | usize::from(rest[1]), &rest[2..]),
            _ => panic!("no answer is so long"),
        };
        frames.push(Frame {
            kind: first & 0xf,
            contents: rest[..len].to_vec(),
        });
        bytes = &rest[len..];
    }
    frames
}

/// The pieces of the input: kind and contents.
fn pieces(input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let [kind, len, tail @ ..] = rest else {
            return None;
        };
        let (contents, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        Some((*kind, contents))
    })
}

/// The bytes of all frames, and whether each of them is a whole text in UTF-8 and nothing else.
fn frames(input: &[u8]) -> (Vec<u8>, bool) {
    let (mut sent, mut is_clean) = (Vec::new(), true);
    for (kind, contents) in pieces(input) {
        is_clean &= is_text(kind) && std::str::from_utf8(contents).is_ok();
        if kind & 0x80 != 0 {
            sent.extend_from_slice(contents);
            continue;
        }
        // Three of four are whole texts, so that most of an input is looked at.
        let first = if is_text(kind) {
            0x80 | TEXT
        } else {
            kind << 1
        };
        sent.push(first);
        match contents.len() {
            len @ 0..126 => sent.push(0x80 | len as u8),
            len => sent.extend([0x80 | 126, 0, len as u8]),
        }
        sent.extend([0; 4]);
        sent.extend_from_slice(contents);
    }
    (sent, is_clean)
}

fn is_text(kind: u8) -> bool {
    kind & 0x80 == 0 && kind & 3 != 0
}

fn sent_texts(input: &[u8]) -> Vec<&[u8]> {
    let texts = pieces(input).filter(|(kind, _)| is_text(*kind));
    texts.map(|(_, contents)| contents).collect()
}

fn one_line_end(data: &str) -> String {
    data.replace("\r\n", "\n").replace('\r', "\n")
}
