//! What can be published: one event, a body that is ready, or a stream that is still being made.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use fanfare_sse::{Block, check_field, encode};
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::address::Query;
use crate::form::EVENT_STREAM;

/// Silence in a streamed body after which a comment is sent. Proxies give up at 60 s.
const QUIET_MAX: Duration = Duration::from_secs(30);

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
    /// each line; any other content type is one event. An error of the stream breaks the request.
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

/// Keeps a body alive while its source is quiet: comments, where the content type has any, at the
/// start of a line. Also answers a receiver that wakes when the body was read to its end or dropped.
pub(crate) fn enlivened(
    content_type: &str,
    source: ByteStream,
) -> (ByteStream, oneshot::Receiver<()>) {
    let (done, is_done) = oneshot::channel::<()>();
    let has_comments = content_type.starts_with(EVENT_STREAM);
    let stream = unfold(
        (source, true, done),
        move |(mut source, at_line_start, done)| async move {
            loop {
                match timeout(QUIET_MAX, source.next()).await {
                    Ok(None) => return None,
                    Ok(Some(item)) => {
                        let last = item.as_ref().ok().and_then(|bytes| bytes.last());
                        let at_line_start = last.map_or(at_line_start, |byte| *byte == b'\n');
                        return Some((item, (source, at_line_start, done)));
                    }
                    Err(_) if has_comments && at_line_start => {
                        return Some((Ok(Bytes::from_static(b":\n")), (source, true, done)));
                    }
                    Err(_) => {}
                }
            }
        },
    );
    (Box::pin(stream), is_done)
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
    use futures_util::stream::{iter, pending};

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

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_sends_comments_only_where_a_line_starts() {
        for (content_type, sent, comes) in [
            (EVENT_STREAM, "data: a\n", Some(":\n")),
            (EVENT_STREAM, "data: half", None),
            ("application/x-ndjson", "line\n", None),
        ] {
            let source = iter([Ok(Bytes::from_static(sent.as_bytes()))]).chain(pending());
            let (mut body, _done) = enlivened(content_type, Box::pin(source));
            assert_eq!(body.next().await.unwrap().unwrap(), sent);
            let next = timeout(QUIET_MAX * 3, body.next()).await.ok();
            assert_eq!(
                next.map(|it| it.unwrap().unwrap()),
                comes.map(Bytes::from),
                "{sent}"
            );
        }
    }

    #[tokio::test]
    async fn the_end_of_a_body_is_told() {
        let (mut body, mut done) = enlivened(EVENT_STREAM, Box::pin(iter([Ok(Bytes::new())])));
        assert!(body.next().await.is_some());
        assert_eq!(done.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert!(body.next().await.is_none());
        assert_eq!(done.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
