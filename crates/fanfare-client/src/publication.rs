//! What can be published: one event, a body that is ready, or a stream that is still being made.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use fanfare_sse::{Block, check_field, encode};
use futures_core::Stream;
use futures_util::StreamExt;

use crate::address::Query;
use crate::form::EVENT_STREAM;

/// An event to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    data: String,
    event_type: Option<String>,
    retry: Option<Duration>,
}

/// An event type with a control character, which no stream can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event type holds a control character")]
pub struct EventTypeError;

impl NewEvent {
    /// An event of type `message`.
    #[must_use]
    pub fn new(data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            event_type: None,
            retry: None,
        }
    }

    /// Sets the event type, the name that listeners are registered under.
    ///
    /// # Errors
    /// It holds a control character, such as a line break.
    pub fn event_type(self, event_type: impl Into<String>) -> Result<Self, EventTypeError> {
        let event_type = event_type.into();
        check_field(&event_type).ok().ok_or(EventTypeError)?;
        Ok(Self {
            event_type: Some(event_type),
            ..self
        })
    }

    /// Replaces the data and keeps the rest, for events of one kind.
    #[must_use]
    pub fn with_data(self, data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            ..self
        }
    }

    /// Tells subscribers how long to wait before they reconnect; counted in milliseconds.
    #[must_use]
    pub fn retry(self, wait: Duration) -> Self {
        Self {
            retry: Some(wait),
            ..self
        }
    }

    /// Says in a query what the body does not, for a request that carries this event alone.
    pub(crate) fn describe(&self, query: &mut Query) {
        if let Some(event_type) = &self.event_type {
            query.pair("event", event_type);
        }
        if let Some(ms) = self.retry_ms() {
            query.pair("retry", &ms.to_string());
        }
    }

    /// The body of a request that carries this event alone.
    pub(crate) fn into_data(self) -> Bytes {
        self.data.into()
    }

    fn retry_ms(&self) -> Option<u64> {
        self.retry
            .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    }

    /// The event as a block of a stream.
    fn block(&self) -> io::Result<Bytes> {
        let mut bytes = Vec::with_capacity(self.data.len() + 64);
        let event = self.event_type.as_deref();
        let block = Block {
            event,
            retry: self.retry_ms(),
            data: Some(&self.data),
            ..Block::default()
        };
        encode(&block, &mut bytes).map_err(io::Error::other)?;
        Ok(bytes.into())
    }
}

impl<T: Into<String>> From<T> for NewEvent {
    fn from(data: T) -> Self {
        Self::new(data)
    }
}

/// What one request publishes.
#[derive(Debug)]
pub struct Publication(pub(crate) Form);

/// The forms of a publication.
pub(crate) enum Form {
    /// No event, for ending a topic.
    Nothing,
    Event(NewEvent),
    Body {
        content_type: String,
        bytes: Bytes,
    },
    Stream {
        content_type: String,
        bytes: ByteStream,
    },
}

pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl<T: Into<NewEvent>> From<T> for Publication {
    fn from(event: T) -> Self {
        Self(Form::Event(event.into()))
    }
}

impl Publication {
    /// Events as they come: each is published as soon as the stream yields it.
    ///
    /// A stream is sent once and never again. What was stored before it broke stays stored.
    #[must_use]
    pub fn events(events: impl Stream<Item = NewEvent> + Send + 'static) -> Self {
        Self::try_events(events.map(Ok))
    }

    /// Events as they come, from a source that may fail, which breaks the request.
    #[must_use]
    pub fn try_events(events: impl Stream<Item = io::Result<NewEvent>> + Send + 'static) -> Self {
        Self::stream(EVENT_STREAM, events.map(|event| event?.block()))
    }

    /// A body that is still being made, passed through as it comes.
    ///
    /// Of a `text/event-stream` each block is published as it ends, of an `application/x-ndjson`
    /// each line; any other content type is one event. An error of the stream breaks the request,
    /// and so does an event stream that ends within an event.
    #[must_use]
    pub fn stream(
        content_type: impl Into<String>,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        Self(Form::Stream {
            content_type: content_type.into(),
            bytes: Box::pin(bytes),
        })
    }

    /// A body that is ready; all of its events are stored, or none.
    #[must_use]
    pub fn body(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self(Form::Body {
            content_type: content_type.into(),
            bytes: bytes.into(),
        })
    }

    /// No event at all, to end a topic.
    pub(crate) fn nothing() -> Self {
        Self(Form::Nothing)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Event(event) => event.fmt(f),
            Self::Body {
                content_type,
                bytes,
            } => write!(f, "{} bytes of {content_type}", bytes.len()),
            Self::Stream { content_type, .. } => write!(f, "a stream of {content_type}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_type_is_one_plain_line() {
        assert!(NewEvent::new("x").event_type("customEvent").is_ok());
        for bad in ["a\nb", "a\rb", "a\0", "a\u{85}"] {
            assert_eq!(
                NewEvent::new("x").event_type(bad),
                Err(EventTypeError),
                "{bad:?}"
            );
        }
    }
}
