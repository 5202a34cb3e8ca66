//! The bodies that go in and out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fanfare_hub::limits::{REFUSED_BODY_BYTES_MAX, REFUSED_BODY_WAIT};
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::page::PageBody;
use crate::problem::Problem;
use crate::stream::EventBody;

/// An error of whoever sends the request body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A request body of any server.
pub type RequestBody = UnsyncBoxBody<Bytes, BoxError>;
/// A request as the routes see it.
pub type Request = http::Request<RequestBody>;
/// A response as the routes make it.
pub type Response = http::Response<Body>;

/// Makes one kind of body of any that a server hands in.
pub fn boxed<B>(body: B) -> RequestBody
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// A response body: nothing, some bytes, a page of history, or an event stream.
pub struct Body(Kind);

enum Kind {
    Whole(Bytes),
    Page(Box<PageBody>),
    Events(Box<EventBody>),
}

impl Body {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self(Kind::Whole(Bytes::new()))
    }

    /// The bytes of a body that is whole; those of a stream are not known.
    pub(crate) fn whole(&self) -> &[u8] {
        match &self.0 {
            Kind::Whole(bytes) => bytes,
            Kind::Page(_) | Kind::Events(_) => &[],
        }
    }

    /// Ends an event stream at the tail once it is so old; browsers ask again by themselves and
    /// resume. Any other body stays as it is.
    #[must_use]
    pub fn closes_after(self, age: Duration) -> Self {
        match self.0 {
            Kind::Events(events) => (*events).closes_after(age).into(),
            ends @ (Kind::Whole(_) | Kind::Page(_)) => Self(ends),
        }
    }

    /// Has an event stream hand out at most so many bytes at once, where more would only wait in
    /// the hub. A single larger event still goes out whole.
    #[must_use]
    pub(crate) fn in_turns_of(self, bytes: usize) -> Self {
        match self.0 {
            Kind::Events(events) => (*events).in_turns_of(bytes).into(),
            ends @ (Kind::Whole(_) | Kind::Page(_)) => Self(ends),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Kind::Whole(bytes.into()))
    }
}

impl From<EventBody> for Body {
    fn from(events: EventBody) -> Self {
        Self(Kind::Events(Box::new(events)))
    }
}

impl From<PageBody> for Body {
    fn from(page: PageBody) -> Self {
        Self(Kind::Page(Box::new(page)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Page(page) => framed(page.poll_piece(cx)),
            Kind::Events(events) => framed(events.poll_piece(cx)),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Page(_) | Kind::Events(_) => SizeHint::default(),
        }
    }
}

fn framed(piece: Poll<Option<Bytes>>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
    piece.map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
}

/// Reads a body of at most `max` bytes within the deadline.
///
/// # Errors
/// When it is larger, slower, or breaks off.
pub async fn collect(body: RequestBody, max: usize, deadline: Duration) -> Result<Bytes, Problem> {
    collect_while(body, max, deadline, |_bytes| true).await
}

/// The same, as long as there is room for what came.
pub(crate) async fn collect_while(
    mut body: RequestBody,
    max: usize,
    deadline: Duration,
    has_room: impl FnMut(usize) -> bool,
) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > max as u64 {
        dismiss(body).await;
        return Err(Problem::body_too_large(max));
    }
    match tokio::time::timeout(deadline, read(&mut body, max, has_room)).await {
        Err(_elapsed) => Err(timed_out(deadline)),
        Ok(Ok(whole)) => Ok(whole),
        Ok(Err(Unread::Broken(problem))) => Err(problem),
        Ok(Err(Unread::Refused(problem))) => {
            dismiss(body).await;
            Err(problem)
        }
    }
}

/// Reads and drops some of what a client is still sending, which may not look for an answer before
/// it has sent all: closing at once would reset the connection and the answer with it (RFC 9112
/// 9.6).
async fn dismiss(mut body: RequestBody) {
    let rest = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > REFUSED_BODY_BYTES_MAX {
                break;
            }
        }
    };
    // Either way the request is answered now.
    drop(tokio::time::timeout(REFUSED_BODY_WAIT, rest).await);
}

/// Why a body is not read to its end.
enum Unread {
    /// Nothing more comes.
    Broken(Problem),
    /// It is not wanted any more.
    Refused(Problem),
}

/// Reads the whole body.
async fn read(
    body: &mut RequestBody,
    max: usize,
    mut has_room: impl FnMut(usize) -> bool,
) -> Result<Bytes, Unread> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unread::Broken(broken(&*error)))?;
        // Trailers are nothing to us.
        let piece = frame.into_data().unwrap_or_default();
        let bytes = whole.len() + piece.len();
        if bytes > max {
            return Err(Unread::Refused(Problem::body_too_large(max)));
        }
        if !has_room(bytes) {
            return Err(Unread::Refused(Problem::busy()));
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(piece);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

pub(crate) fn timed_out(span: Duration) -> Problem {
    let detail = format!(
        "no body, or no more of it, came within {} s",
        span.as_secs()
    );
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
}

pub(crate) fn broken(error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::bad("bad_body", format!("the body broke off: {error}"))
}
