//! WebSocket: handshakes and frames that break RFC 6455, and frames whose contents are no event.

use std::io::Read;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::hub::Hub;
use super::report::Trial;
use super::wire::{read_answer, read_more, send};
use super::{Case, request};

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const FIN: u8 = 0x80;

/// A frame of a client, masked with zeros (RFC 6455 5.2).
fn frame(first: u8, contents: &[u8]) -> Vec<u8> {
    let mut frame = header(first, contents.len() as u64);
    frame.extend_from_slice(contents);
    frame
}

/// The header of such a frame, with whatever length.
fn header(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first];
    match len {
        0..126 => header.push(0x80 | len as u8),
        126..65_536 => {
            header.push(0x80 | 126);
            header.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend_from_slice(&len.to_be_bytes());
        }
    }
    header.extend_from_slice(&[0; 4]);
    header
}

fn text(contents: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | TEXT, contents.as_ref())
}

/// A socket after its handshake.
fn open(hub: &Hub, target: &str) -> Socket {
    let mut socket = hub.connect();
    let lines = [UPGRADE, VERSION, KEY].concat();
    send(&mut socket, &request("GET", target, &lines, b""));
    let answer = read_answer(&mut socket);
    assert_eq!(answer.status, 101, "{answer:?}");
    Socket {
        socket,
        bytes: answer.body,
    }
}

struct Socket {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Socket {
    /// Reads to the first frame that is an answer: `ack`, the code of an error, or a close.
    fn verdict(&mut self) -> String {
        loop {
            let Some((kind, contents)) = self.next_frame() else {
                return "closed".to_owned();
            };
            if kind == CLOSE {
                let code = contents.first_chunk().map(|code| u16::from_be_bytes(*code));
                return format!("close {}", code.unwrap_or(1005));
            }
            let Ok(said) = serde_json::from_slice::<Value>(&contents) else {
                continue;
            };
            if let Some(code) = said["error"]["code"].as_str() {
                return format!("{} {code}", said["error"]["status"]);
            }
            if said["ack"].is_object() {
                return "ack".to_owned();
            }
        }
    }

    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let [first, len, ..] = self.bytes[..] {
                let (len, start) = match len {
                    126 => (
                        self.bytes
                            .get(2..4)
                            .map(|len| usize::from(len[0]) << 8 | usize::from(len[1])),
                        4,
                    ),
                    // The hub's frames here are small.
                    len => (Some(usize::from(len)), 2),
                };
                if let Some(contents) = len.and_then(|len| self.bytes.get(start..start + len)) {
                    let contents = contents.to_vec();
                    self.bytes.drain(..start + contents.len());
                    return Some((first & 0xf, contents));
                }
            }
            if !read_more(&mut self.socket, &mut self.bytes) {
                return None;
            }
        }
    }
}

/// Publishes a frame on a socket of its own, and says `ack` or the problem.
pub(super) fn publish(hub: &Hub, event: &Value) -> String {
    let mut socket = open(hub, "/elsewhere");
    send(&mut socket.socket, &text(event.to_string()));
    socket.verdict()
}

#[test]
fn a_handshake_that_is_none_is_refused() {
    let mut trial = Trial::at("WebSocket handshake");
    let get = |name: &str, lines: &[&str], answer| {
        Case::new(name, request("GET", "/a", &lines.concat(), b""), answer)
    };
    let binary_key = "Sec-WebSocket-Key: \u{ff}\r\n";
    super::check(
        &mut trial,
        &[
            get("a good one", &[UPGRADE, VERSION, KEY], "101"),
            get("no key", &[UPGRADE, VERSION], "400 bad_upgrade"),
            get("no version", &[UPGRADE, KEY], "400 bad_upgrade"),
            get(
                "version 12",
                &[UPGRADE, "Sec-WebSocket-Version: 12\r\n", KEY],
                "400 bad_upgrade",
            ),
            get(
                "version 8 and 13",
                &[UPGRADE, "Sec-WebSocket-Version: 8, 13\r\n", KEY],
                "101",
            ),
            get(
                "no Connection",
                &["Upgrade: websocket\r\n", VERSION, KEY],
                "400 bad_upgrade",
            ),
            get(
                "an empty key",
                &[UPGRADE, VERSION, "Sec-WebSocket-Key: \r\n"],
                "400 bad_upgrade",
            ),
            get(
                "a key of 3 bytes",
                &[UPGRADE, VERSION, "Sec-WebSocket-Key: abc\r\n"],
                "400 bad_upgrade",
            ),
            get(
                "a key that is no base64",
                &[UPGRADE, VERSION, binary_key],
                "400 bad_upgrade",
            ),
            get(
                "a key of 30 KiB",
                &[
                    UPGRADE,
                    VERSION,
                    &format!("Sec-WebSocket-Key: {}\r\n", "a".repeat(30 << 10)),
                ],
                "400 bad_upgrade",
            ),
            get("two keys", &[UPGRADE, VERSION, KEY, KEY], "400 bad_upgrade"),
            get(
                "a protocol of 0xFF",
                &[UPGRADE, VERSION, KEY, "Sec-WebSocket-Protocol: \u{ff}\r\n"],
                "101",
            ),
            get(
                "permessage-deflate",
                &[
                    UPGRADE,
                    VERSION,
                    KEY,
                    "Sec-WebSocket-Extensions: permessage-deflate\r\n",
                ],
                "101",
            ),
            Case::new(
                "POST",
                request("POST", "/a", &[UPGRADE, VERSION, KEY].concat(), b"x"),
                "201",
            ),
            Case::new(
                "a bad topic",
                request("GET", "/a//b", &[UPGRADE, VERSION, KEY].concat(), b""),
                "400 bad_topic",
            ),
        ],
    );
    trial.end(16 << 10, &[("a", 1)]);
}

/// Checks what a socket of topic `a` is told when it sends this.
fn check(trial: &Trial, cases: &[(&str, Vec<u8>, &str)]) {
    let mut wrong = Vec::new();
    for (name, sent, wanted) in cases {
        let answer = trial.case(name, |hub| {
            let mut socket = open(hub, "/a");
            send(&mut socket.socket, sent);
            socket.verdict()
        });
        if answer != *wanted {
            wrong.push(format!("{name}: {answer}, not {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn frames_that_break_the_protocol_end_the_socket() {
    let trial = Trial::at("WebSocket frames");
    let close = |code: u16| frame(FIN | CLOSE, &code.to_be_bytes());
    let unmasked = [&[FIN | TEXT, 12][..], b"{\"data\":\"x\"}"].concat();
    let fragments = [
        frame(TEXT, &vec![b' '; 1 << 20]),
        frame(0, &vec![b' '; 1 << 20]).repeat(8),
    ]
    .concat();
    let crumbs = [
        frame(TEXT, b""),
        frame(0, b"").repeat(50_000),
        frame(FIN, b"{\"data\":\"x\"}"),
    ]
    .concat();
    check(
        &trial,
        &[
            ("unmasked", unmasked, "close 1002"),
            (
                "a reserved bit",
                frame(FIN | 0x40 | TEXT, b"x"),
                "close 1002",
            ),
            ("a reserved kind", frame(FIN | 3, b"x"), "close 1002"),
            (
                "a reserved kind of control",
                frame(FIN | 11, b""),
                "close 1002",
            ),
            (
                "a frame of 2^63 bytes, announced",
                header(FIN | TEXT, 1 << 63),
                "close 1009",
            ),
            (
                "a frame of 7 MiB, announced",
                header(FIN | TEXT, 7 << 20),
                "close 1009",
            ),
            ("9 MiB in fragments", fragments, "close 1009"),
            ("50,000 empty fragments", crumbs, "ack"),
            ("a fragment of nothing", frame(FIN, b"x"), "close 1002"),
            (
                "a text within a text",
                [frame(TEXT, b"x"), text("y")].concat(),
                "close 1002",
            ),
            (
                "a ping of 126 bytes",
                frame(FIN | PING, &[b'x'; 126]),
                "close 1002",
            ),
            ("a ping in fragments", frame(PING, b"x"), "close 1002"),
            (
                "a text that is not UTF-8",
                text(b"{\"data\":\"\xff\"}"),
                "close 1007",
            ),
            (
                "a text with a surrogate",
                text(b"{\"data\":\"\xed\xa0\x80\"}"),
                "close 1007",
            ),
            ("a close of 1 byte", frame(FIN | CLOSE, b"x"), "close 1002"),
            ("a close with code 999", close(999), "close 1002"),
            ("a close with code 1005", close(1005), "close 1002"),
            ("a close with code 65535", close(65_535), "close 1002"),
            (
                "a close that is not UTF-8",
                frame(FIN | CLOSE, b"\x03\xe8\xff"),
                "close 1007",
            ),
            ("a close with code 4000", close(4000), "close 4000"),
            ("HTTP", request("GET", "/a", "", b""), "close 1002"),
        ],
    );
    trial.end(48 << 10, &[("a", 1)]);
}

#[test]
fn frames_that_are_no_event_are_answered_and_not_stored() {
    let trial = Trial::at("WebSocket publish");
    let event = |value: Value| text(value.to_string());
    let nested = |open: &str, close: &str| {
        text(format!(
            "{{\"data\":\"x\",\"ref\":{}{}}}",
            open.repeat(100_000),
            close.repeat(100_000)
        ))
    };
    let with_ref = |reference: &str| text(format!("{{\"data\":\"x\",\"ref\":{reference}}}"));
    let mut cases = vec![
        (
            "binary",
            frame(FIN | BINARY, b"{\"data\":\"x\"}"),
            "400 bad_body",
        ),
        ("nothing", text(""), "400 bad_body"),
        ("no JSON", text("hello"), "400 bad_body"),
        ("half of JSON", text("{\"data\":"), "400 bad_body"),
        ("an array", text("[\"x\"]"), "400 bad_body"),
        ("no data", event(json!({})), "400 bad_body"),
        (
            "data is a number",
            event(json!({ "data": 1 })),
            "400 bad_body",
        ),
        (
            "data is null",
            event(json!({ "data": null })),
            "400 bad_body",
        ),
        (
            "data twice",
            text("{\"data\":\"x\",\"data\":\"y\"}"),
            "400 bad_body",
        ),
        (
            "data with half a surrogate",
            text("{\"data\":\"\\ud800\"}"),
            "400 bad_body",
        ),
        (
            "data with a raw LF",
            text("{\"data\":\"x\ny\"}"),
            "400 bad_body",
        ),
        (
            "a member that nobody knows",
            event(json!({ "data": "x", "id": "1" })),
            "400 bad_body",
        ),
        (
            "the topic is a number",
            event(json!({ "data": "x", "topic": 1 })),
            "400 bad_body",
        ),
        ("the ref is an object", with_ref("{}"), "400 bad_body"),
        ("the ref is true", with_ref("true"), "400 bad_body"),
        ("the ref is 1e400", with_ref("1e400"), "400 bad_body"),
        ("the ref is -0.0e-999", with_ref("-0.0e-999"), "ack"),
        (
            "the ref has 100,000 digits",
            with_ref(&"9".repeat(100_000)),
            "400 bad_body",
        ),
        ("100,000 arrays", nested("[", "]"), "400 bad_body"),
        ("100,000 objects", nested("{\"a\":", "}"), "400 bad_body"),
        ("100,000 arrays, not ended", nested("[", ""), "400 bad_body"),
        (
            "data of 1 MiB and a byte",
            event(json!({ "data": "x".repeat((1 << 20) + 1) })),
            "413 event_too_large",
        ),
        (
            "1 MiB of newlines",
            event(json!({ "data": "\n".repeat(1 << 20) })),
            "413 event_too_large",
        ),
        (
            "the topic is a pattern",
            event(json!({ "data": "x", "topic": "*" })),
            "400 bad_topic",
        ),
        (
            "the topic is ..",
            event(json!({ "data": "x", "topic": "a/../b" })),
            "400 bad_topic",
        ),
        (
            "the topic is the hub's",
            event(json!({ "data": "x", "topic": "-/info" })),
            "400 bad_topic",
        ),
        (
            "the topic is empty",
            event(json!({ "data": "x", "topic": "" })),
            "400 bad_topic",
        ),
        (
            "the topic has 513 bytes",
            event(json!({ "data": "x", "topic": "a".repeat(513) })),
            "400 bad_topic",
        ),
        (
            "the event type is the hub's",
            event(json!({ "data": "x", "event": "fanfare.end" })),
            "400 bad_event_type",
        ),
        (
            "the event type is empty",
            event(json!({ "data": "x", "event": "" })),
            "400 bad_event_type",
        ),
    ];
    for control in ["\0", "\n", "\r", "\r\n", "\u{1b}", "\u{7f}", "\u{85}"] {
        let odd = format!("x{control}data: pwn");
        cases.push((
            "a control character in the topic",
            event(json!({ "data": "x", "topic": odd })),
            "400 bad_topic",
        ));
        cases.push((
            "a control character in the event type",
            event(json!({ "data": "x", "event": odd })),
            "400 bad_event_type",
        ));
        cases.push((
            "a control character in the data",
            event(json!({ "data": odd, "topic": "controls" })),
            "ack",
        ));
        cases.push((
            "a control character in the ref",
            event(json!({ "data": "x", "ref": odd })),
            "ack",
        ));
    }
    check(&trial, &cases);
    assert_eq!(
        trial.hub.events("controls").len(),
        7,
        "one event for each control character"
    );
    trial.end(48 << 10, &[("a", 8), ("controls", 7)]);
}

/// The socket goes on after a frame that was refused.
#[test]
fn a_refused_frame_does_not_end_the_socket() {
    let trial = Trial::at("WebSocket publish");
    let answers = trial.case("bad, good, bad, good", |hub| {
        let mut socket = open(hub, "/a");
        let mut answers = Vec::new();
        for sent in ["[", "{\"data\":\"1\"}", "{}", "{\"data\":\"2\"}"] {
            send(&mut socket.socket, &text(sent));
            answers.push(socket.verdict());
        }
        answers.join(", ")
    });
    assert_eq!(answers, "400 bad_body, ack, 400 bad_body, ack");
    trial.end(16 << 10, &[("a", 2)]);
}

/// A client that sends and never reads gets no memory for the answers that it does not take.
#[test]
fn frames_without_end_from_a_client_that_never_reads_are_held_back() {
    let trial = Trial::at("WebSocket flood");
    let answer = trial.case("up to 64 MiB of bad frames, no answer read", |hub| {
        let mut socket = open(hub, "/a").socket;
        socket
            .set_write_timeout(Some(std::time::Duration::from_secs(1)))
            .unwrap();
        let frames = text("[").repeat(64 << 10);
        let mut sent = 0;
        while sent < 64 << 20 && std::io::Write::write_all(&mut socket, &frames).is_ok() {
            sent += frames.len();
        }
        let held_back = if sent < 64 << 20 {
            "held back"
        } else {
            "took everything"
        };
        drop(socket.read(&mut [0; 16]));
        held_back.to_owned()
    });
    assert_eq!(answer, "held back");
    trial.end(16 << 10, &[]);
}
