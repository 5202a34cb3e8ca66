//! Whatever is published as data, as a type or as a topic arrives as exactly that one event, by
//! every way in, or is refused. Line ends are the one thing that an event stream cannot tell apart.

use std::net::TcpStream;

use serde_json::{Value, json};

use super::fields::{Parsed, corpus, escaped, parse_stream, unchunked, with_one_line_end};
use super::hub::Hub;
use super::report::Trial;
use super::request;
use super::websocket;
use super::wire::{read_answer, read_more, send};

/// What a trial may cost in memory: a stream, a socket, some hundred small events.
const GROWN_KIB_MAX: u64 = 16 << 10;

const SSE: &str = "Content-Type: text/event-stream\r\n";
const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";

/// One event on its way in.
#[derive(Clone, Copy)]
struct Sent<'a> {
    event_type: &'a str,
    data: &'a str,
}

/// A way to publish one event: what the hub said, or nothing when it cannot be said that way.
type Door = fn(&Hub, &str, Sent<'_>) -> Option<String>;

/// Every way in, by name.
const DOORS: [(&str, Door); 6] = [
    ("a body", body),
    ("a block", |hub, topic, sent| {
        let block = block(sent)?;
        let request = request("POST", format!("/{topic}"), SSE, block.as_bytes());
        Some(hub.exchange(&request).as_text())
    }),
    ("a streamed block", |hub, topic, sent| {
        streamed(hub, &format!("/{topic}"), SSE, &block(sent)?)
    }),
    ("a line", |hub, topic, sent| {
        let target = typed(topic, sent.event_type);
        let line = line(sent)?;
        let request = request("POST", target, NDJSON, line.as_bytes());
        Some(hub.exchange(&request).as_text())
    }),
    ("a streamed line", |hub, topic, sent| {
        streamed(hub, &typed(topic, sent.event_type), NDJSON, &line(sent)?)
    }),
    ("a frame", |hub, topic, sent| {
        let frame = json!({ "topic": topic, "event": sent.event_type, "data": sent.data });
        Some(websocket::publish(hub, &frame))
    }),
];

fn typed(topic: &str, event_type: &str) -> String {
    format!("/{topic}?event={}", escaped(event_type.as_bytes()))
}

fn body(hub: &Hub, topic: &str, sent: Sent<'_>) -> Option<String> {
    let target = typed(topic, sent.event_type);
    let fields = if sent.data.is_empty() {
        "Content-Length: 0\r\n"
    } else {
        ""
    };
    let request = request("POST", target, fields, sent.data.as_bytes());
    Some(hub.exchange(&request).as_text())
}

/// A block as HTML has it; a type with a line end cannot be said in one.
fn block(sent: Sent<'_>) -> Option<String> {
    let mut block = format!("event: {}\n", sent.event_type);
    if sent.event_type.contains(['\r', '\n']) {
        return None;
    }
    for line in with_one_line_end(sent.data).split('\n') {
        block.push_str(&format!("data: {line}\n"));
    }
    Some(block + "\n")
}

/// One line; there is none that holds a line end or nothing.
fn line(sent: Sent<'_>) -> Option<String> {
    let is_line = !sent.data.is_empty() && !sent.data.contains('\n') && !sent.data.ends_with('\r');
    is_line.then(|| format!("{}\n", sent.data))
}

/// Sends a body byte by byte, each in a chunk of its own.
fn streamed(hub: &Hub, target: &str, media: &str, body: &str) -> Option<String> {
    let lines = format!("Transfer-Encoding: chunked\r\n{media}");
    let mut sent = request("POST", target, &lines, b"");
    for byte in body.bytes() {
        sent.extend_from_slice(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']);
    }
    sent.extend_from_slice(b"0\r\n\r\n");
    Some(hub.exchange(&sent).as_text())
}

fn is_taken(answer: &str) -> bool {
    matches!(answer, "201" | "ack")
}

/// A subscriber that keeps all it reads.
struct Reader {
    socket: TcpStream,
    stream: Vec<u8>,
}

impl Reader {
    fn of(hub: &Hub, topic: &str) -> Self {
        let mut socket = hub.connect();
        send(&mut socket, &request("GET", format!("/{topic}"), "", b""));
        let answer = read_answer(&mut socket);
        assert_eq!(answer.status, 200, "{answer:?}");
        Self {
            socket,
            stream: answer.body,
        }
    }

    /// Everything up to the event that ends the test.
    fn events(mut self, hub: &Hub, topic: &str) -> Vec<Parsed> {
        hub.exchange(&request(
            "POST",
            format!("/{topic}?event=last"),
            "",
            b"last",
        ));
        while !self.stream.ends_with(b"data: last\n\n\r\n") {
            assert!(read_more(&mut self.socket, &mut self.stream), "it goes on");
        }
        let mut events = parse_stream(&unchunked(&self.stream));
        let last = events.pop().unwrap();
        assert_eq!(last.event_type, "last");
        events
    }
}

/// Publishes everything by every way, and compares what a subscriber and the history have with what
/// was taken.
fn check(door: &'static str, texts: &[String], sent: for<'a> fn(&'a str) -> Sent<'a>) {
    let trial = Trial::at(door);
    let reader = Reader::of(&trial.hub, "in");
    let mut taken: Vec<Sent<'_>> = Vec::new();
    for text in texts {
        for (name, publish) in DOORS {
            let sent = sent(text);
            let Some(answer) = publish(&trial.hub, "in", sent) else {
                continue;
            };
            trial.case(&format!("`{}` by {name}", text.escape_debug()), |_| {
                answer.clone()
            });
            let is_control = sent.event_type.contains(char::is_control);
            let is_own = sent.event_type.starts_with("fanfare.");
            assert_eq!(
                is_taken(&answer),
                !(is_control || is_own || sent.event_type.is_empty()),
                "{text:?} by {name}: {answer}"
            );
            assert!(
                is_taken(&answer) || answer == "400 bad_event_type",
                "{text:?} by {name}: {answer}"
            );
            if is_taken(&answer) {
                taken.push(sent);
            }
        }
    }
    let events = reader.events(&trial.hub, "in");
    assert_eq!(events.len(), taken.len(), "one event each");
    let stored = trial.hub.events("in");
    for ((sent, event), stored) in taken.iter().zip(&events).zip(&stored) {
        let data = with_one_line_end(sent.data);
        assert_eq!(event.event_type, sent.event_type);
        assert_eq!(event.data, data);
        assert_eq!(stored["event"], sent.event_type);
        assert_eq!(stored["data"], data);
        assert_eq!(stored["id"], event.id);
    }
    let count = taken.len() as u64 + 1;
    trial.end(GROWN_KIB_MAX, &[("in", count)]);
}

#[test]
fn data_stays_data_by_every_way_in() {
    check("publish: data by every way", &corpus(), |data| Sent {
        event_type: "kept",
        data,
    });
}

#[test]
fn a_type_stays_a_type_or_is_refused_by_every_way_in() {
    // An empty line of a type says nothing in a block, and the type would be another one there.
    let mut types = corpus();
    types.retain(|text| !text.is_empty() && text != "message");
    types.extend(["fanfare.end", "fanfare.gap", "fanfare", "é", "a:b", "a\tb"].map(str::to_owned));
    check("publish: types by every way", &types, |event_type| Sent {
        event_type,
        data: "kept",
    });
}

/// A topic is told back in the envelope of each event, in the listing and in the receipt.
#[test]
fn a_topic_stays_a_topic_or_is_refused_by_every_way_in() {
    let trial = Trial::at("publish: topics by every way");
    let mut taken = Vec::new();
    let mut texts = corpus();
    texts.push("a/b\u{2028}c/%41".to_owned());
    texts.retain(|text| !text.is_empty());
    for text in &texts {
        let by_path = request("POST", format!("/{}", escaped(text.as_bytes())), "", b"x");
        let by_path = trial.hub.exchange(&by_path).as_text();
        let by_frame = websocket::publish(&trial.hub, &json!({ "topic": text, "data": "x" }));
        trial.case(&format!("`{}`", text.escape_debug()), |_| {
            format!("{by_path}, {by_frame}")
        });
        assert_eq!(is_taken(&by_path), is_taken(&by_frame), "{text:?}");
        if is_taken(&by_path) {
            assert!(!text.contains(char::is_control), "{text:?}");
            let stored = trial.hub.events(&escaped(text.as_bytes()));
            let topics: Vec<_> = stored.iter().map(|event| &event["topic"]).collect();
            assert_eq!(topics, [&Value::from(text.as_str()); 2]);
            taken.push((text.as_str(), 2));
        } else {
            assert_eq!((&*by_path, &*by_frame), ("400 bad_topic", "400 bad_topic"));
        }
    }
    trial.end(GROWN_KIB_MAX, &taken);
}
