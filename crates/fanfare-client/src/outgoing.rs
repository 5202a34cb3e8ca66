//! A body on its way to the hub while it is still being made: kept alive, and never ended within an
//! event.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use fanfare_sse::Decoder;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::form::EVENT_STREAM;
use crate::publication::ByteStream;

/// Silence in a streamed body after which a comment is sent. Proxies give up at 60 s.
const QUIET_MAX: Duration = Duration::from_secs(30);

/// What is known of a body under way.
struct Outgoing {
    source: ByteStream,
    /// Follows the blocks of an event stream; other bodies have none.
    blocks: Option<Decoder>,
    /// Dropped with the rest once the body was sent, or given up.
    _done: oneshot::Sender<()>,
}

/// Watches over a body. Also answers a receiver that wakes when the body was sent or dropped.
pub(crate) fn watched(
    content_type: &str,
    source: ByteStream,
) -> (ByteStream, oneshot::Receiver<()>) {
    let (done, is_done) = oneshot::channel();
    let is_event_stream = content_type.starts_with(EVENT_STREAM);
    let outgoing = Outgoing {
        source,
        blocks: is_event_stream.then(|| Decoder::new().without_comments()),
        _done: done,
    };
    let body = unfold(Some(outgoing), async |outgoing| outgoing?.next().await);
    (Box::pin(body), is_done)
}

impl Outgoing {
    /// The next piece, and what is left after it.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Option<Self>)> {
        let is_within_block = |blocks: &Decoder| blocks.has_open_block();
        loop {
            match timeout(QUIET_MAX, self.source.next()).await {
                Ok(Some(piece)) => {
                    if let (Ok(bytes), Some(blocks)) = (&piece, &mut self.blocks) {
                        blocks.feed(bytes, |_| {});
                    }
                    return Some((piece, Some(self)));
                }
                // The hub would take the beginning for the whole, since the request ended well.
                Ok(None) if self.blocks.as_ref().is_some_and(is_within_block) => {
                    let text = "it ended within an event, which an empty line would have completed";
                    return Some((
                        Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)),
                        None,
                    ));
                }
                Ok(None) => return None,
                Err(_) if self.blocks.as_ref().is_some_and(|it| !is_within_block(it)) => {
                    return Some((Ok(Bytes::from_static(b":\n")), Some(self)));
                }
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::{iter, pending};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_sends_comments_only_between_events() {
        for (content_type, sent, comes) in [
            (EVENT_STREAM, "data: a\n\n", Some(":\n")),
            (EVENT_STREAM, "data: a\n", None),
            ("application/x-ndjson", "line\n", None),
        ] {
            let source = iter([Ok(Bytes::from_static(sent.as_bytes()))]).chain(pending());
            let (mut body, _done) = watched(content_type, Box::pin(source));
            assert_eq!(body.next().await.unwrap().unwrap(), sent);
            let next = timeout(QUIET_MAX * 3, body.next()).await.ok();
            let next = next.map(|it| it.unwrap().unwrap());
            assert_eq!(next, comes.map(Bytes::from), "{sent}");
        }
    }

    #[tokio::test]
    async fn an_event_stream_that_is_cut_short_fails() {
        for (content_type, sent, is_whole) in [
            (EVENT_STREAM, "", true),
            (EVENT_STREAM, "data: a\r\r", true),
            (EVENT_STREAM, "data: a\n", false),
            (EVENT_STREAM, "data: a\n\nda", false),
            ("text/plain", "data: a", true),
        ] {
            let source = iter([Ok(Bytes::from_static(sent.as_bytes()))]);
            let (body, _done) = watched(content_type, Box::pin(source));
            let pieces: Vec<_> = body.collect().await;
            assert_eq!(pieces.iter().all(Result::is_ok), is_whole, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn the_end_of_a_body_is_told() {
        let (mut body, mut done) = watched(EVENT_STREAM, Box::pin(iter([Ok(Bytes::new())])));
        assert!(body.next().await.is_some());
        assert_eq!(done.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert!(body.next().await.is_none());
        assert_eq!(done.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
