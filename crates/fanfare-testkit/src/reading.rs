//! Events out of the bytes of a form, so that every form gives the same.

use std::collections::VecDeque;

use fanfare_sse::{Decoded, Decoder};
use serde_json::Value;

/// An event as a subscriber received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its id, as the subscriber would resume with it.
    pub id: String,
    /// Its type.
    pub event_type: String,
    /// Its text.
    pub data: String,
    /// Its topic, where the form tells it.
    pub topic: Option<String>,
}

impl Received {
    /// What every form tells.
    #[must_use]
    pub fn fields(&self) -> (&str, &str, &str) {
        (&self.id, &self.event_type, &self.data)
    }

    /// The text as JSON, as gaps and ends have it.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// Anything that came on an event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event, the hub's own among them.
    Event(Received),
    /// A reconnection time in milliseconds.
    Retry(u64),
    /// An id without an event: the starting position.
    Position(String),
    /// A sign of life.
    Heartbeat,
}

/// Takes bytes and gives items.
pub(crate) enum Reading {
    /// `text/event-stream`.
    Sse(Box<Decoder>),
    /// Lines of JSON; holds the one that is not ended yet.
    Lines(Vec<u8>),
}

impl Reading {
    pub(crate) fn feed(&mut self, bytes: &[u8], items: &mut VecDeque<Item>) {
        match self {
            // Line by line, because what a block did is seen at its end.
            Self::Sse(decoder) => bytes
                .split_inclusive(|byte| *byte == b'\n')
                .for_each(|line| feed_sse(decoder, line, items)),
            Self::Lines(open_line) => {
                for byte in bytes {
                    if *byte == b'\n' {
                        items.push_back(envelope(&std::mem::take(open_line)));
                    } else {
                        open_line.push(*byte);
                    }
                }
            }
        }
    }
}

fn feed_sse(decoder: &mut Decoder, bytes: &[u8], items: &mut VecDeque<Item>) {
    let mut last_id = decoder.last_event_id().to_owned();
    decoder.feed(bytes, |decoded| match decoded {
        Decoded::Event(event) => {
            event.id.clone_into(&mut last_id);
            items.push_back(Item::Event(Received {
                id: event.id.to_owned(),
                event_type: event.event.to_owned(),
                data: event.data.to_owned(),
                topic: None,
            }));
        }
        Decoded::Retry(millis) => items.push_back(Item::Retry(millis)),
        Decoded::Comment(_) => items.push_back(Item::Heartbeat),
        other => panic!("the hub sent {other:?}"),
    });
    // The decoder does not announce an id that comes without an event.
    if decoder.last_event_id() != last_id {
        items.push_back(Item::Position(decoder.last_event_id().to_owned()));
    }
}

/// Reads a line or a frame.
pub(crate) fn envelope(line: &[u8]) -> Item {
    if line.is_empty() {
        return Item::Heartbeat;
    }
    let json: Value = serde_json::from_slice(line)
        .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(line)));
    event(&json)
}

/// Reads an envelope.
pub(crate) fn event(json: &Value) -> Item {
    let text = |name: &str| {
        let text = json[name].as_str();
        text.unwrap_or_else(|| panic!("no {name} in {json}"))
            .to_owned()
    };
    assert!(json["time"].is_u64(), "no time in {json}");
    if json["event"] == "fanfare.open" {
        return Item::Position(text("id"));
    }
    Item::Event(Received {
        id: text("id"),
        event_type: text("event"),
        data: text("data"),
        topic: Some(text("topic")),
    })
}
