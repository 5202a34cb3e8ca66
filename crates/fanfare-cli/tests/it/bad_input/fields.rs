//! What is published in each field arrives as exactly that one event, or is refused.

use std::fmt::Write as _;

use serde_json::Value;

use super::hub::Hub;
use super::report::Trial;
use super::wire::{read_answer, read_more, send};
use super::{Case, check, request};

const GROWN_KIB_MAX: u64 = 16 << 10;

/// Every kind of control character: C0 with a meaning of its own somewhere, DEL, C1.
const CONTROLS: &[(&str, &str)] = &[
    ("NUL", "\0"),
    ("TAB", "\t"),
    ("LF", "\n"),
    ("CR", "\r"),
    ("CRLF", "\r\n"),
    ("ESC", "\u{1b}"),
    ("DEL", "\u{7f}"),
    ("C1 NEL", "\u{85}"),
    ("C1 CSI", "\u{9b}"),
];

/// Texts that are not UTF-8.
const NOT_UTF_8: &[(&str, &[u8])] = &[
    ("a lone continuation byte", b"a\x80b"),
    ("an overlong slash", b"a\xc0\xafb"),
    ("an overlong NUL", b"a\xc0\x80b"),
    ("a surrogate", b"a\xed\xa0\x80b"),
    ("a truncated character", b"a\xe2\x82"),
    ("beyond U+10FFFF", b"a\xf4\x90\x80\x80b"),
    ("0xFF 0xFE", b"\xff\xfe"),
];

pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "%{byte:02x}").unwrap();
    }
    text
}

#[test]
fn a_control_character_is_refused_wherever_it_would_break_a_line() {
    let mut trial = Trial::at("publish: fields");
    let mut cases = Vec::new();
    for (name, control) in CONTROLS {
        let text = format!("x{control}y");
        let escaped = escaped(text.as_bytes());
        let path = format!("/{escaped}");
        cases.push(Case::post(
            &format!("{name} in the topic"),
            &path,
            "400 bad_topic",
        ));
        let query = format!("/a?event={escaped}");
        cases.push(Case::post(
            &format!("{name} in event="),
            &query,
            "400 bad_event_type",
        ));
        let query = format!("/a?retry={escaped}");
        cases.push(Case::post(
            &format!("{name} in retry="),
            &query,
            "400 bad_query",
        ));
        let query = format!("/a?end={escaped}");
        cases.push(Case::post(
            &format!("{name} in end="),
            &query,
            "400 bad_query",
        ));
    }
    for (name, bytes) in NOT_UTF_8 {
        let escaped = escaped(bytes);
        let post = |door: &str, target: String, answer| {
            Case::post(&format!("{name} in {door}"), &target, answer)
        };
        cases.push(post("the topic", format!("/{escaped}"), "400 bad_topic"));
        cases.push(post(
            "event=",
            format!("/a?event={escaped}"),
            "400 bad_query",
        ));
        cases.push(post(
            "retry=",
            format!("/a?retry={escaped}"),
            "400 bad_query",
        ));
        cases.push(post(
            "a name of the query",
            format!("/a?{escaped}=1"),
            "400 bad_query",
        ));
        let body = request("POST", "/a", "", bytes);
        cases.push(Case::new(
            format!("{name} in the body"),
            body,
            "400 bad_body",
        ));
    }
    for (name, target, answer) in [
        (
            "an event type of the hub",
            "/a?event=fanfare.end",
            "400 bad_event_type",
        ),
        (
            "an event type of 257 bytes",
            &*format!("/a?event={}", "e".repeat(257)),
            "400 bad_event_type",
        ),
        ("no event type", "/a?event=", "400 bad_event_type"),
        ("a retry below 0", "/a?retry=-1", "400 bad_query"),
        (
            "a retry of 2^64",
            "/a?retry=18446744073709551616",
            "400 bad_query",
        ),
        ("two event types", "/two?event=first&event=second", "201"),
    ] {
        cases.push(Case::post(name, target, answer));
    }
    check(&mut trial, &cases);
    trial.end(GROWN_KIB_MAX, &[("two", 1)]);
}

#[test]
fn an_idempotency_key_is_one_line_of_ascii() {
    let mut trial = Trial::at("publish: Idempotency-Key");
    let post = |name: &str, key: &[u8], answer| {
        let mut sent =
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nIdempotency-Key: ".to_vec();
        sent.extend_from_slice(key);
        sent.extend_from_slice(b"\r\n\r\nx");
        Case::new(name, sent, answer)
    };
    let long = [b'k'; 256];
    check(
        &mut trial,
        &[
            post("NUL", b"k\0", "400, closed"),
            post("CR", b"k\rk", "400, closed"),
            post("ESC", b"k\x1b", "400, closed"),
            post("DEL", b"k\x7f", "400, closed"),
            // An LF ends the header, wherever it comes from; what follows is another one.
            post("LF and another header", b"k\nX: y", "201"),
            post("C1", "k\u{85}".as_bytes(), "400 bad_header"),
            post("not UTF-8", b"k\xff", "400 bad_header"),
            post("empty", b"", "400 bad_header"),
            post("256 bytes", &long, "400 bad_header"),
            post("255 bytes", &long[1..], "201"),
            post("64 KiB", &[b'k'; 64 << 10], "431, closed"),
            post("two keys", b"one\r\nIdempotency-Key: two", "400 bad_header"),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[("a", 2)]);
}

#[test]
fn blocks_with_fields_that_lie_are_one_faithful_event_or_refused() {
    let mut trial = Trial::at("publish: event-stream body");
    let post = |name: &str, body: &str, answer| {
        let sent = request(
            "POST",
            "/b",
            "Content-Type: text/event-stream\r\n",
            body.as_bytes(),
        );
        Case::new(name, sent, answer)
    };
    check(
        &mut trial,
        &[
            post(
                "NUL in event:",
                "event: a\0b\ndata: x\n\n",
                "400 bad_event_type",
            ),
            post(
                "ESC in event:",
                "event: a\u{1b}b\ndata: x\n\n",
                "400 bad_event_type",
            ),
            post(
                "TAB in event:",
                "event: a\tb\ndata: x\n\n",
                "400 bad_event_type",
            ),
            post(
                "DEL in event:",
                "event: a\u{7f}b\ndata: x\n\n",
                "400 bad_event_type",
            ),
            post(
                "C1 in event:",
                "event: a\u{85}b\ndata: x\n\n",
                "400 bad_event_type",
            ),
            post(
                "an event type of the hub",
                "event: fanfare.gap\ndata: x\n\n",
                "400 bad_event_type",
            ),
            post(
                "a good block before a bad one",
                "data: good\n\nevent: a\0b\ndata: x\n\n",
                "400 bad_event_type",
            ),
            post("comments only", ": x\n\n", "400 no_event"),
            // A retry that is no number is ignored, like every field that HTML does not know.
            post(
                "a retry that is no number",
                "retry: 1\u{b2}\nretry: -1\ndata: x\n\n",
                "201",
            ),
            post(
                "an id of the publisher",
                "id: aaaaaa-99999\0\nid: 7\ndata: x\n\n",
                "201",
            ),
            post(
                "fields that nobody knows",
                "DATA: y\nda ta: y\n\u{feff}data: y\ndata: x\n\n",
                "201",
            ),
        ],
    );
    for event in trial.hub.events("b") {
        assert_eq!(event["data"], "x", "{event}");
        assert_eq!(event["event"], "message", "{event}");
    }
    trial.end(GROWN_KIB_MAX, &[("b", 3)]);
}

/// Bodies that try to be more than data.
pub(super) fn corpus() -> Vec<String> {
    let mut corpus: Vec<_> = [
        "\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\n\r", "\u{2028}", "\u{85}", "\0",
        "\u{feff}",
    ]
    .map(|separator| {
        format!("x{separator}event: admin{separator}data: pwn{separator}id: 0{separator}retry: 0")
    })
    .into();
    corpus.extend(
        [
            "",
            "\n",
            "\r",
            "\r\n",
            "\n\n\n",
            " ",
            ":",
            ": comment",
            "data",
            "data:",
            "data: ",
            "event: admin\n\n",
            "id",
            "retry: 1",
            " leading",
            "trailing ",
            "a\rb",
            "\u{feff}bom",
            "\0\u{1}\u{1b}[2J\u{7f}",
            "0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "\"\\u0000\"",
            "\u{1f468}\u{200d}\u{1f469}",
            "\u{202e}rtl",
            "{\"id\":\"x\"}",
        ]
        .map(str::to_owned),
    );
    corpus
}

#[test]
fn data_that_looks_like_fields_stays_data() {
    let trial = Trial::at("publish: data");
    let corpus = corpus();
    let mut subscriber = trial.hub.connect();
    send(&mut subscriber, &request("GET", "/data", "", b""));
    let mut stream = read_answer(&mut subscriber).body;
    for data in &corpus {
        let answer = trial.case(&format!("`{}`", data.escape_debug()), |hub| {
            let mut sent = format!(
                "POST /data?event=kept HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
                data.len()
            );
            sent.push_str(data);
            hub.exchange(sent.as_bytes()).as_text()
        });
        assert_eq!(answer, "201", "{data:?}");
    }
    // What lies behind any of the corpus marks the end of the stream for this test.
    trial
        .hub
        .exchange(&request("POST", "/data?event=last", "", b"last"));
    while !stream.ends_with(b"data: last\n\n\r\n") {
        assert!(
            read_more(&mut subscriber, &mut stream),
            "the stream goes on"
        );
    }
    let mut events = parse_stream(&unchunked(&stream));
    let last = events.pop().unwrap();
    assert_eq!(
        (last.event_type.as_str(), last.data.as_str()),
        ("last", "last")
    );
    assert_same(&corpus, &events);
    assert_stored(&trial.hub, &corpus);
    let count = corpus.len() as u64 + 1;
    trial.end(GROWN_KIB_MAX, &[("data", count)]);
}

/// A line end is a line end: HTML knows three and gives back one.
pub(super) fn with_one_line_end(data: &str) -> String {
    data.replace("\r\n", "\n").replace('\r', "\n")
}

fn assert_same(corpus: &[String], events: &[Parsed]) {
    assert_eq!(events.len(), corpus.len(), "one event each: {events:?}");
    let mut ids: Vec<_> = events.iter().map(|event| &event.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), corpus.len(), "each event has its own id");
    for (data, event) in corpus.iter().zip(events) {
        assert_eq!(event.event_type, "kept", "{data:?}");
        assert_eq!(event.data, with_one_line_end(data));
    }
}

fn assert_stored(hub: &Hub, corpus: &[String]) {
    let events = hub.events("data");
    for (data, event) in corpus.iter().zip(&events) {
        assert_eq!(event["data"], Value::String(with_one_line_end(data)));
        assert_eq!(event["event"], "kept");
    }
}

/// An event as a browser would dispatch it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) id: String,
    pub(super) event_type: String,
    pub(super) data: String,
}

/// The parser of HTML 9.2.6, written anew here: the hub's own would share its errors.
pub(super) fn parse_stream(stream: &str) -> Vec<Parsed> {
    let mut events = Vec::new();
    let (mut id, mut event_type, mut data) = (String::new(), String::new(), None::<String>);
    for line in with_one_line_end(stream).split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                let event_type = std::mem::take(&mut event_type);
                if let Some(data) = data.take() {
                    events.push(Parsed {
                        id: id.clone(),
                        event_type,
                        data,
                    });
                }
            }
            "data" => {
                let joined = data.take().map_or_else(String::new, |data| data + "\n");
                data = Some(joined + value);
            }
            "event" => value.clone_into(&mut event_type),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            _ => {}
        }
    }
    events
}

/// Takes the chunks of a body apart (RFC 9112 7.1).
pub(super) fn unchunked(body: &[u8]) -> String {
    let mut rest = body;
    let mut whole = Vec::new();
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        let chunk = &rest[at + 2..];
        whole.extend_from_slice(&chunk[..size]);
        rest = &chunk[size + 2..];
    }
    String::from_utf8(whole).unwrap()
}
