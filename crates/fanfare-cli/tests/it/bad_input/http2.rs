//! HTTP/2 with prior knowledge, frame by frame: malformed heads, frames out of place, floods.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use serde_json::Value;

use super::hub::Hub;
use super::report::Trial;
use super::wire::{read_more, send};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// One frame (RFC 9113 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, contents: &[u8]) -> Vec<u8> {
    let len = u32::try_from(contents.len()).unwrap().to_be_bytes();
    let mut frame = len[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(contents);
    frame
}

/// A head in HPACK, every field in full (RFC 7541 6.2.2).
pub(super) fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "hub.example"),
        (":path", path),
    ];
    let mut block = Vec::new();
    for (name, value) in pseudo.iter().chain(fields) {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

/// A string without Huffman coding; its length is an integer with a prefix of 7 bits.
fn text(block: &mut Vec<u8>, text: &str) {
    let len = text.len();
    if len < 127 {
        block.push(len as u8);
    } else {
        block.push(127);
        let mut rest = len - 127;
        while rest >= 128 {
            block.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend_from_slice(text.as_bytes());
}

/// A request with a body, on stream 1.
fn post(path: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, 1, &head("POST", path, fields));
    [head, frame(DATA, END_STREAM, 1, body)].concat()
}

/// A GET on any stream.
fn get(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let head = head("GET", "/-/health/live", fields);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)
}

/// What came back of interest.
#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    data: Vec<u8>,
    pongs: usize,
}

impl Reading {
    /// Reads frames to the one that decides: the end or reset of stream 1, or of the connection.
    fn verdict(&mut self, socket: &mut impl Read) -> String {
        loop {
            while let Some((kind, flags, stream, contents)) = self.next_frame() {
                let code = || {
                    contents[contents.len() - 4..]
                        .iter()
                        .fold(0, |code, byte| code << 8 | u32::from(*byte))
                };
                match kind {
                    DATA if stream == 1 => self.data.extend_from_slice(&contents),
                    RST_STREAM if stream == 1 => return format!("reset {}", code()),
                    GOAWAY => {
                        return format!(
                            "goaway {}",
                            u32::from_be_bytes(contents[4..8].try_into().unwrap())
                        );
                    }
                    PING => self.pongs += usize::from(flags & 1),
                    _ => {}
                }
                if matches!(kind, DATA | HEADERS) && stream == 1 && flags & END_STREAM != 0 {
                    return self.answer();
                }
            }
            if !read_more(socket, &mut self.bytes) {
                return "closed".to_owned();
            }
        }
    }

    fn next_frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let header = self.bytes.first_chunk::<9>()?;
        let [high, middle, low, kind, flags, stream @ ..] = *header;
        let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let end = 9 + len;
        if self.bytes.len() < end {
            return None;
        }
        let contents = self.bytes[9..end].to_vec();
        self.bytes.drain(..end);
        Some((kind, flags, u32::from_be_bytes(stream), contents))
    }

    /// The answer by its body: a problem, a receipt, or nothing to read.
    fn answer(&self) -> String {
        let Ok(body) = serde_json::from_slice::<Value>(&self.data) else {
            return "answered without a body".to_owned();
        };
        match body["code"].as_str() {
            Some(code) => format!("{} {code}", body["status"]),
            None => "answered".to_owned(),
        }
    }
}

fn open(hub: &Hub) -> TcpStream {
    let mut socket = hub.connect();
    send(&mut socket, PREFACE);
    send(&mut socket, &frame(SETTINGS, 0, 0, b""));
    socket
}

/// Checks what a connection that sends this is told.
fn check(trial: &Trial, cases: &[(&str, Vec<u8>, &str)]) {
    let mut wrong = Vec::new();
    for (name, sent, wanted) in cases {
        let answer = trial.case(name, |hub| {
            let mut socket = open(hub);
            send(&mut socket, sent);
            Reading::default().verdict(&mut socket)
        });
        if answer != *wanted {
            wrong.push(format!("{name}: {answer}, not {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn heads_that_break_http_2_are_refused() {
    let trial = Trial::at("HTTP/2 head");
    let long = "a".repeat(64 << 10);
    let raw = |block: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
    let mut twice = head("GET", "/a", &[]);
    twice.extend_from_slice(b"\0\x05:path\x02/b");
    check(
        &trial,
        &[
            ("a good publish", post("/good", &[], b"x"), "answered"),
            ("a NUL in :path", post("/a\0", &[], b"x"), "reset 1"),
            (
                "a CR in a value",
                post("/a", &[("x", "y\rz")], b"x"),
                "goaway 1",
            ),
            (
                "an LF in a value",
                post("/a", &[("x", "y\nz: a")], b"x"),
                "goaway 1",
            ),
            (
                "a name in upper case",
                post("/a", &[("X", "y")], b"x"),
                "goaway 1",
            ),
            (
                "a space in a name",
                post("/a", &[("x y", "z")], b"x"),
                "goaway 1",
            ),
            (
                "Connection",
                post("/a", &[("connection", "close")], b"x"),
                "reset 1",
            ),
            (
                "Transfer-Encoding",
                post("/a", &[("transfer-encoding", "chunked")], b"x"),
                "reset 1",
            ),
            ("two paths", raw(&twice), "reset 1"),
            ("no path", raw(b"\x82\x86"), "400 bad_topic"),
            ("garbage for HPACK", raw(&[0xff; 64]), "goaway 1"),
            (
                "a length that is not that of the body",
                post("/a", &[("content-length", "5")], b"x"),
                "reset 1",
            ),
            (
                "a topic with ..",
                post("/a/../b", &[], b"x"),
                "400 bad_topic",
            ),
            (
                "a topic with an escaped NUL",
                post("/a%00", &[], b"x"),
                "400 bad_topic",
            ),
            (
                "a body that is not UTF-8",
                post("/a", &[], b"\xff"),
                "400 bad_body",
            ),
            (
                "an event type with an LF",
                post("/a?event=x%0ay", &[], b"x"),
                "400 bad_event_type",
            ),
            (
                "5 GB, announced",
                frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &head("POST", "/a", &[("content-length", "5368709120")]),
                ),
                "413 body_too_large",
            ),
            (
                "a header of 64 KiB",
                long_head(&long),
                "answered without a body",
            ),
            (
                "100 fields",
                post("/good", &[("x", "y"); 100], b"x"),
                "answered",
            ),
            (
                "101 fields",
                post("/good", &[("x", "y"); 101], b"x"),
                "answered without a body",
            ),
        ],
    );
    trial.end(16 << 10, &[("good", 2)]);
}

/// A head that needs several frames.
fn long_head(value: &str) -> Vec<u8> {
    let block = head("GET", "/a", &[("x", value)]);
    let mut pieces = block.chunks(16 << 10).peekable();
    let mut frames = frame(HEADERS, END_STREAM, 1, pieces.next().unwrap());
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        frames.extend(frame(CONTINUATION, flags, 1, piece));
    }
    frames
}

#[test]
fn frames_out_of_place_end_the_connection() {
    let trial = Trial::at("HTTP/2 frames");
    let mut huge = frame(DATA, 0, 1, b"");
    huge[..3].fill(0xff);
    check(
        &trial,
        &[
            ("garbage", vec![0xff; 256], "goaway 6"),
            ("a frame of 16 MiB", huge, "goaway 6"),
            ("DATA on stream 0", frame(DATA, 0, 0, b"x"), "goaway 1"),
            (
                "DATA on an idle stream",
                frame(DATA, 0, 1, b"x"),
                "goaway 1",
            ),
            ("HEADERS on an even stream", get(2, &[]), "goaway 1"),
            (
                "CONTINUATION without HEADERS",
                frame(CONTINUATION, END_HEADERS, 1, b""),
                "goaway 1",
            ),
            (
                "PUSH_PROMISE from a client",
                frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
                "goaway 1",
            ),
            (
                "SETTINGS of 5 bytes",
                frame(SETTINGS, 0, 0, b"12345"),
                "goaway 1",
            ),
            (
                "an acknowledgement with contents",
                frame(SETTINGS, 1, 0, &[0; 6]),
                "goaway 1",
            ),
            (
                "a window of 2^31",
                frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]),
                "goaway 1",
            ),
            ("PING of 7 bytes", frame(PING, 0, 0, &[0; 7]), "goaway 1"),
            (
                "a window grown by 0",
                frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
                "goaway 1",
            ),
            (
                "a window grown too far",
                frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
                "goaway 3",
            ),
            (
                "RST_STREAM of an idle stream",
                frame(RST_STREAM, 0, 1, &[0; 4]),
                "goaway 1",
            ),
            (
                "a frame of no kind, then a request",
                [frame(99, 0, 0, b"x"), get(1, &[])].concat(),
                "answered",
            ),
            (
                "a stream that depends on itself",
                [frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]), get(1, &[])].concat(),
                "reset 1",
            ),
        ],
    );
    trial.end(16 << 10, &[]);
}

#[test]
fn floods_of_frames_are_cut_off_or_cost_nothing() {
    let trial = Trial::at("HTTP/2 floods");
    let reset = |stream| {
        [
            get(stream, &[]),
            frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]),
        ]
        .concat()
    };
    let resets: Vec<u8> = (0..20_000).flat_map(|index| reset(2 * index + 1)).collect();
    let self_made: Vec<u8> = (0..20_000)
        .flat_map(|index| {
            [
                get(2 * index + 1, &[]),
                frame(WINDOW_UPDATE, 0, 2 * index + 1, &[0; 4]),
            ]
            .concat()
        })
        .collect();
    let open_head = frame(HEADERS, END_STREAM, 1, &head("GET", "/a", &[]));
    let continuations = [
        open_head.clone(),
        frame(CONTINUATION, 0, 1, b"\0\x01x\x01y").repeat(100_000),
    ]
    .concat();
    let empty = [open_head, frame(CONTINUATION, 0, 1, b"").repeat(100_000)].concat();
    let settings = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9]).repeat(100_000);
    let data = [
        frame(HEADERS, END_HEADERS, 1, &head("POST", "/a", &[])),
        frame(DATA, 0, 1, b"").repeat(100_000),
    ]
    .concat();
    let last_ping = get(1, &[]);
    for (name, sent, wanted) in [
        ("20,000 streams, reset at once", resets, &["goaway 11"][..]),
        (
            "20,000 streams that the hub has to reset",
            self_made,
            &["goaway 1", "goaway 11", "reset 1"],
        ),
        (
            "100,000 CONTINUATION",
            continuations,
            &["goaway 11", "answered without a body"],
        ),
        ("100,000 empty CONTINUATION", empty, &["goaway 11"]),
        (
            "100,000 SETTINGS, then a request",
            [settings, get(1, &[])].concat(),
            &["answered", "goaway 11"],
        ),
        ("100,000 empty DATA", data, &["goaway 11"]),
        (
            "100,000 PING, then a request",
            [frame(PING, 0, 0, &[7; 8]).repeat(100_000), last_ping].concat(),
            &["answered", "goaway 11"],
        ),
    ] {
        let answer = trial.case(name, |hub| {
            let mut socket = open(hub);
            let mut pump = socket.try_clone().unwrap();
            // The hub may stop reading before it has been told everything.
            let pumping = thread::spawn(move || drop(pump.write_all(&sent)));
            let verdict = Reading::default().verdict(&mut socket);
            drop(socket.shutdown(Shutdown::Both));
            pumping.join().unwrap();
            verdict
        });
        assert!(wanted.contains(&&*answer), "{name}: {answer}");
    }
    trial.end(32 << 10, &[]);
}
