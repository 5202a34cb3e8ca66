//! The server under load: where it is, how it is subscribed to, how it is published to.
//!
//! Requests are made once for each connection. What differs from event to event has a fixed width
//! and is written over.

use std::net::SocketAddr;

use crate::mark::{self, SIGN, write_hex};

/// Digits of the time of sending.
const TIME_DIGITS: usize = 16;
/// Digits of the number of a topic.
const TOPIC_DIGITS: usize = 6;
/// Bytes of a payload that are not filling.
pub const PAYLOAD_BYTES_MIN: usize = TIME_DIGITS + mark::BYTES;

/// A server under load.
///
/// In paths and bodies `{topic}` is the number of the topic, `{n}` the mark with the number of the
/// event, `{time}` when it was due, in nanoseconds since 1970, in hexadecimal digits, and
/// `{payload}` filling, time and mark, as many bytes as are asked for. Only events with a mark are
/// found again.
#[derive(Clone, Debug)]
pub struct Target {
    /// How to subscribe.
    pub subscribe: Subscribe,
    /// How to publish.
    pub publish: Publish,
}

/// A subscriber's request.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Where.
    pub address: SocketAddr,
    /// What `Host` says.
    pub host: String,
    /// The path, and a query if there is one.
    pub path: String,
    /// More fields of the head.
    pub headers: Vec<(String, String)>,
}

/// A publisher's request.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Where.
    pub address: SocketAddr,
    /// What `Host` says.
    pub host: String,
    /// The method.
    pub method: String,
    /// The path, and a query if there is one.
    pub path: String,
    /// More fields of the head.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Subscribe {
    /// The request for one topic, from its beginning or after an id.
    pub(crate) fn request(&self, topic: u32, last_event_id: Option<&str>) -> Vec<u8> {
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n",
            self.path, self.host
        );
        push_fields(&mut text, &self.headers);
        if let Some(id) = last_event_id {
            text.push_str(&format!("Last-Event-ID: {id}\r\n"));
        }
        text.push_str("\r\n");
        let mut request = Form::parse(&text, mark::BYTES + TIME_DIGITS);
        request.set_topic(topic);
        request.bytes
    }
}

impl Publish {
    /// The request, with payloads of so many bytes.
    pub(crate) fn form(&self, payload_bytes: usize) -> Form {
        let body = Form::parse(&self.body, payload_bytes);
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\n",
            self.method, self.path, self.host
        );
        push_fields(&mut head, &self.headers);
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.bytes.len()));
        Form::parse(&head, payload_bytes).followed_by(body)
    }
}

impl Publish {
    /// The body alone, for transports that make their own heads.
    pub(crate) fn body_form(&self, payload_bytes: usize) -> Form {
        Form::parse(&self.body, payload_bytes)
    }
}

fn push_fields(head: &mut String, fields: &[(String, String)]) {
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
}

/// What stands at a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filling {
    Topic,
    Mark,
    Time,
}

/// A request with holes of fixed width.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    bytes: Vec<u8>,
    holes: Vec<(usize, Filling)>,
}

impl Form {
    fn parse(text: &str, payload_bytes: usize) -> Self {
        let filling = payload_bytes.saturating_sub(PAYLOAD_BYTES_MIN);
        let text = text.replace(
            "{payload}",
            &format!("{}{{time}}{{n}}", "x".repeat(filling)),
        );
        let mut form = Self {
            bytes: Vec::new(),
            holes: Vec::new(),
        };
        let mut rest = text.as_str();
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            form.bytes.extend_from_slice(before.as_bytes());
            let known = [
                ("{topic}", Filling::Topic, TOPIC_DIGITS),
                ("{n}", Filling::Mark, mark::BYTES),
                ("{time}", Filling::Time, TIME_DIGITS),
            ];
            let found = known.into_iter().find(|(name, ..)| from.starts_with(name));
            let Some((name, filling, width)) = found else {
                form.bytes.push(b'{');
                rest = &from[1..];
                continue;
            };
            form.holes.push((form.bytes.len(), filling));
            form.bytes.resize(form.bytes.len() + width, b'0');
            rest = &from[name.len()..];
        }
        form.bytes.extend_from_slice(rest.as_bytes());
        form
    }

    fn followed_by(mut self, other: Self) -> Self {
        let shift = self.bytes.len();
        self.bytes.extend(other.bytes);
        let holes = other.holes.into_iter();
        self.holes
            .extend(holes.map(|(at, filling)| (at + shift, filling)));
        self
    }

    /// Whether an event of it can be found again.
    pub(crate) fn has_mark(&self) -> bool {
        self.holes
            .iter()
            .any(|(_, filling)| *filling == Filling::Mark)
    }

    fn set_topic(&mut self, topic: u32) {
        for (at, filling) in &self.holes {
            if *filling == Filling::Topic {
                let mut rest = topic;
                for place in self.bytes[*at..*at + TOPIC_DIGITS].iter_mut().rev() {
                    *place = b'0' + (rest % 10) as u8;
                    rest /= 10;
                }
            }
        }
    }

    /// The request that publishes an event.
    pub(crate) fn fill(&mut self, topic: u32, number: u32, due_unix_ns: u64) -> &[u8] {
        self.set_topic(topic);
        for (at, filling) in &self.holes {
            let room = &mut self.bytes[*at..];
            match filling {
                Filling::Topic => {}
                Filling::Time => write_hex(due_unix_ns, &mut room[..TIME_DIGITS]),
                Filling::Mark => {
                    room[0] = SIGN;
                    write_hex(u64::from(number), &mut room[1..mark::BYTES]);
                }
            }
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_filled_again_and_again() {
        let publish = Publish {
            address: ([127, 0, 0, 1], 80).into(),
            host: "a".to_owned(),
            method: "POST".to_owned(),
            path: "/t-{topic}".to_owned(),
            headers: vec![("X".to_owned(), "{y}".to_owned())],
            body: r#"{"m":"{payload}"}"#.to_owned(),
        };
        let mut form = publish.form(27);
        assert!(form.has_mark());
        for (topic, number) in [(7, 42), (123_456, 255)] {
            let text = String::from_utf8(form.fill(topic, number, 16).to_vec()).unwrap();
            let head = format!("POST /t-{topic:06} HTTP/1.1\r\nHost: a\r\nX: {{y}}\r\n");
            let body = format!(r#"{{"m":"xx0000000000000010~{number:08x}"}}"#);
            assert_eq!(text, format!("{head}Content-Length: 35\r\n\r\n{body}"));
        }
    }

    #[test]
    fn a_subscriber_asks_for_its_topic_after_its_id() {
        let subscribe = Subscribe {
            address: ([127, 0, 0, 1], 80).into(),
            host: "a".to_owned(),
            path: "/t-{topic}".to_owned(),
            headers: Vec::new(),
        };
        let text = String::from_utf8(subscribe.request(3, Some("x-1"))).unwrap();
        assert!(text.starts_with("GET /t-000003 HTTP/1.1\r\n"));
        assert!(text.ends_with("\r\nLast-Event-ID: x-1\r\n\r\n"));
    }
}
