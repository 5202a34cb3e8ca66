//! An event before the log took it in (`NewEvent`) and after (`Event`).
//!
//! The bytes of the `text/event-stream` block are made once, here; history, live delivery and every
//! subscriber use those same bytes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use fanfare_sse::Block;

use crate::limits::EVENT_TYPE_BYTES_MAX;
use crate::position::{Epoch, EventId, Seq};
use crate::topic::TopicName;

/// A wall-clock time in milliseconds since the Unix epoch. Only for people and for retention by
/// age: order and ids never depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time that lies `span` before this one.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(span_ms))
    }

    /// The time that lies `span` after this one.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(span_ms))
    }
}

/// The SSE `event:` field: 1 to 256 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventType(Arc<str>);

/// Why a text is not an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventTypeError {
    /// An empty type would read as `message` and be lost.
    #[error("the event type is empty: leave it out for `message`")]
    Empty,
    /// Longer than [`EVENT_TYPE_BYTES_MAX`] bytes.
    #[error("the event type is longer than {EVENT_TYPE_BYTES_MAX} bytes")]
    TooLong,
    /// CR or LF would start a new field in every reader; the others are never meant.
    #[error("the event type has a control character")]
    ControlCharacter,
    /// Starts with `fanfare.`, by which readers know the hub's own events.
    #[error("event types that start with `fanfare.` are the hub's own")]
    Reserved,
}

impl EventType {
    /// What every event of the hub itself starts with.
    pub const RESERVED_PREFIX: &'static str = "fanfare.";

    /// Accepts a publisher's event type.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, EventTypeError> {
        if text.is_empty() {
            return Err(EventTypeError::Empty);
        }
        if text.len() > EVENT_TYPE_BYTES_MAX {
            return Err(EventTypeError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(EventTypeError::ControlCharacter);
        }
        if text.starts_with(Self::RESERVED_PREFIX) {
            return Err(EventTypeError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An event as a publisher hands it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewEvent {
    /// The SSE event type; `None` reads as `message`.
    pub event_type: Option<EventType>,
    /// The text. On the wire it is split at CR, LF and CRLF, and readers join the lines with LF.
    pub data: String,
    /// The reconnection time that readers are told, in milliseconds.
    pub retry: Option<u64>,
}

impl NewEvent {
    /// An event of type `message` with this text.
    pub fn new(data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// Gives the event a type.
    ///
    /// # Errors
    /// Says which rule of event types the text breaks.
    pub fn event_type(mut self, text: &str) -> Result<Self, EventTypeError> {
        self.event_type = Some(EventType::parse(text)?);
        Ok(self)
    }

    /// Encodes the event, all but its id, which only the log can give.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        Encoded::new(&Block {
            id: None,
            event: self.event_type.as_ref().map(EventType::as_str),
            retry: self.retry,
            data: Some(&self.data),
        })
    }
}

impl<T: Into<String>> From<T> for NewEvent {
    fn from(data: T) -> Self {
        Self::new(data)
    }
}

/// An encoded block that has room in front for the `id:` line, so that giving it its id copies
/// nothing.
#[derive(Debug)]
pub struct Encoded {
    /// [`Encoded::ROOM`] spare bytes, then the block without its id line.
    buf: Vec<u8>,
}

impl Encoded {
    const ID_FIELD: &'static str = "id: ";
    /// Bytes of the longest id line.
    const ROOM: usize = Self::ID_FIELD.len() + EventId::TEXT_BYTES_MAX + 1;

    fn new(block: &Block<'_>) -> Self {
        // Held as long as the event, so without spare bytes at its end, and never moved again.
        let mut buf = Vec::with_capacity(Self::ROOM + fanfare_sse::encoded_len(block));
        buf.resize(Self::ROOM, 0);
        // An event type has no control character by its own invariant and the hub's own types have
        // none either, so the encoder has nothing to refuse.
        let encoded = fanfare_sse::encode(block, &mut buf);
        debug_assert!(encoded.is_ok());
        Self { buf }
    }

    /// Encodes the end of a topic, which is an event of the hub's own.
    #[must_use]
    pub fn end_of(topic: &TopicName) -> Self {
        let mut data = String::from("{\"topic\":\"");
        for character in topic.as_str().chars() {
            // Topic names have no control characters, so that these two are all JSON asks for.
            if matches!(character, '"' | '\\') {
                data.push('\\');
            }
            data.push(character);
        }
        data.push_str("\"}");
        Self::new(&Block {
            event: Some(Event::END_TYPE),
            data: Some(&data),
            ..Block::default()
        })
    }

    /// Bytes of the block without its id line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buf.len() - Self::ROOM
    }

    /// Whether nothing was encoded; a block is never empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Completes the block with its id.
    #[must_use]
    pub fn into_frame(mut self, id: EventId) -> Bytes {
        let line_end = Self::ROOM - 1;
        self.buf[line_end] = b'\n';
        let id_start = id.write_at_end(&mut self.buf[..line_end]);
        let start = id_start - Self::ID_FIELD.len();
        self.buf[start..id_start].copy_from_slice(Self::ID_FIELD.as_bytes());
        // A slice would cost another allocation; moving the start of an unshared buffer does not.
        let mut frame = Bytes::from(self.buf);
        frame.advance(start);
        frame
    }
}

/// Whether an event was published or marks the end of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What a publisher handed in.
    Published,
    /// Nothing follows in this topic.
    End,
}

/// An event that the log has taken in. Shared by everybody who reads it.
pub struct Event {
    /// Its place in the log.
    pub seq: Seq,
    /// When the hub accepted it.
    pub time: Timestamp,
    /// Where it was published.
    pub topic: TopicName,
    /// Published, or the end of the topic.
    pub kind: Kind,
    /// The `text/event-stream` block, id line and blank line included.
    pub frame: Bytes,
}

/// The fields of an event, read back from its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The event type, `message` when the publisher gave none.
    pub event_type: String,
    /// The text, its lines joined with LF.
    pub data: String,
}

impl Event {
    /// The event type that marks the end of a topic.
    pub const END_TYPE: &'static str = "fanfare.end";
    /// What an event costs in memory besides its frame: this struct, its two places in the window,
    /// the count of the frame's readers, and the allocator's share. Some 230 bytes before
    /// the first reader, 280 after. Counted so that a million empty events are not free.
    pub const OVERHEAD_BYTES: u64 = 260;

    /// Gives an encoded block its place.
    #[must_use]
    pub fn new(
        encoded: Encoded,
        kind: Kind,
        topic: TopicName,
        id: EventId,
        time: Timestamp,
    ) -> Self {
        Self {
            seq: id.seq,
            time,
            topic,
            kind,
            frame: encoded.into_frame(id),
        }
    }

    /// What the event counts against retention by bytes.
    #[must_use]
    pub fn cost_bytes(&self) -> u64 {
        self.frame.len() as u64 + Self::OVERHEAD_BYTES
    }

    /// Reads the fields back from the frame.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields {
            event_type: String::new(),
            data: String::new(),
        };
        // The frame is one of ours: one event, and as large as the hub's limits let it be.
        fanfare_sse::Decoder::with_max_event_bytes(usize::MAX).feed(&self.frame, |decoded| {
            if let fanfare_sse::Decoded::Event(event) = decoded {
                fields.event_type.push_str(event.event);
                fields.data.push_str(event.data);
            }
        });
        fields
    }

    /// The id that readers see.
    #[must_use]
    pub fn id(&self, epoch: Epoch) -> EventId {
        EventId {
            epoch,
            seq: self.seq,
        }
    }
}

impl fmt::Debug for Event {
    // Payloads never reach a log, not even through a forgotten `{:?}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("seq", &self.seq)
            .field("topic", &self.topic)
            .field("kind", &self.kind)
            .field("frame_bytes", &self.frame.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(encoded: Encoded, kind: Kind) -> Event {
        let id = EventId::parse("k3v9q2-7").unwrap();
        let topic = TopicName::parse("a\"\\b").unwrap();
        Event::new(encoded, kind, topic, id, Timestamp(0))
    }

    #[test]
    fn a_frame_is_the_block_with_its_id_in_front() {
        let new = NewEvent {
            retry: Some(3_000),
            ..NewEvent::new("one\r\ntwo\n").event_type("note").unwrap()
        };
        let event = stored(new.encode(), Kind::Published);
        assert_eq!(
            event.frame,
            "id: k3v9q2-7\nevent: note\nretry: 3000\ndata: one\ndata: two\ndata:\n\n".as_bytes()
        );
        let fields = event.fields();
        assert_eq!(
            (fields.event_type.as_str(), fields.data.as_str()),
            ("note", "one\ntwo\n")
        );
    }

    #[test]
    fn the_end_of_a_topic_names_it_in_json() {
        let topic = TopicName::parse("a\"\\b").unwrap();
        let fields = stored(Encoded::end_of(&topic), Kind::End).fields();
        assert_eq!(fields.event_type, Event::END_TYPE);
        assert_eq!(fields.data, r#"{"topic":"a\"\\b"}"#);
    }

    #[test]
    fn an_event_type_is_one_line_and_not_ours() {
        use EventTypeError::*;
        for (text, reason) in [
            ("", Empty),
            ("a\nb", ControlCharacter),
            ("a\rb", ControlCharacter),
            ("a\0", ControlCharacter),
            ("fanfare.gap", Reserved),
        ] {
            assert_eq!(EventType::parse(text), Err(reason), "{text:?}");
        }
        assert_eq!(EventType::parse(&"x".repeat(257)), Err(TooLong));
        assert!(EventType::parse("fanfares").is_ok());
    }
}
