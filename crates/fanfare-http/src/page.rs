//! One page of history as a JSON array, with a link to the next (RFC 8288).

use std::task::{Context, Poll};

use bytes::Bytes;
use fanfare_hub::log::{Pending, Reading};
use fanfare_hub::{Page, PageReader, ReadBudget, Seq, Slice, Start, Subscription};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::app::App;
use crate::body::{Body, Response};
use crate::clock;
use crate::envelope;

/// Events of a page when the client names no limit.
const LIMIT_DEFAULT: u64 = 100;

/// What a path may not hold as it is (RFC 3986 3.3), and what would end the link.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'%')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The same for a value of the query.
const QUERY: &AsciiSet = &PATH.add(b'&').add(b'+').add(b'=');

/// Answers one page. One that fits into a turn is answered whole; a longer one is read again, piece
/// by piece, as the client takes it: a page that nobody takes costs a place in the log.
pub(crate) async fn respond(app: &App, subscription: Subscription, limit: Option<u64>) -> Response {
    let limits = app.hub().limits();
    let limit = limit
        .unwrap_or(LIMIT_DEFAULT)
        .min(limits.history_events_max);
    let events = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
    let turn = ReadBudget {
        bytes: limits.turn_bytes_max,
        events,
    };
    let selectors = link_target(&subscription);
    let now = clock::now();
    let page = app.hub().page(subscription, turn, now).await;
    let gap = page.gap.as_ref().map(|gap| envelope::gap_line(gap, now));
    let (body, end) = if page.slice.has_more && page.slice.events.len() < events {
        let whole = ReadBudget {
            bytes: limits.body_bytes_max,
            events,
        };
        let end = find_end(&page, turn, whole).await;
        let body = PageBody::new(app.clone(), page.reader, gap, end.after);
        (Body::from(body), end)
    } else {
        let mut array = Array::default();
        array.extend(gap);
        array.extend(page.slice.events.iter().map(|event| app.envelope(event)));
        (Body::from(array.end()), End::of(&page.slice))
    };

    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if end.has_more {
        let after = fanfare_hub::EventId {
            epoch: app.hub().log().epoch(),
            seq: end.after,
        };
        let link = format!("<{selectors}last_event_id={after}&limit={limit}>; rel=\"next\"");
        // Everything in it was percent-encoded or is ours.
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(LINK, link);
        }
    }
    response
}

/// Where a page ends.
struct End {
    after: Seq,
    has_more: bool,
}

impl End {
    fn of(slice: &Slice) -> Self {
        Self {
            after: slice.after,
            has_more: slice.has_more,
        }
    }
}

/// Reads on behind the first slice of a page, turn by turn, and keeps nothing of it but where the
/// page ends.
async fn find_end(page: &Page, turn: ReadBudget, mut left: ReadBudget) -> End {
    let mut reader = page.reader.clone();
    let mut slice = page.slice.clone();
    loop {
        let bytes: usize = slice.events.pieces().map(Bytes::len).sum();
        left.bytes = left.bytes.saturating_sub(bytes);
        left.events = left.events.saturating_sub(slice.events.len());
        if !slice.has_more || left.bytes == 0 || left.events == 0 {
            return End::of(&slice);
        }
        reader.step_over(&slice);
        slice = match reader.read(ReadBudget {
            bytes: turn.bytes.min(left.bytes),
            events: left.events,
        }) {
            Reading::Ready(slice) => slice,
            Reading::Later(fetch) => fetch.await,
        };
        // Much of it may lie in memory, and others shall not wait until it is looked through.
        tokio::task::yield_now().await;
    }
}

/// A JSON array that is written line by line.
#[derive(Default)]
struct Array {
    bytes: Vec<u8>,
    /// Whether an element stands in it, here or in an earlier piece.
    has_begun: bool,
}

impl Array {
    fn extend(&mut self, lines: impl IntoIterator<Item = Bytes>) {
        for line in lines {
            self.bytes
                .extend_from_slice(if self.has_begun { b",\n" } else { b"[\n" });
            self.bytes.extend_from_slice(line.trim_ascii_end());
            self.has_begun = true;
        }
    }

    /// What was written since the last piece.
    fn piece(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).into()
    }

    fn end(mut self) -> Bytes {
        self.bytes
            .extend_from_slice(if self.has_begun { b"\n]\n" } else { b"[\n]\n" });
        self.bytes.into()
    }
}

/// A page that is read as the client takes it.
pub(crate) struct PageBody {
    app: App,
    reader: PageReader,
    /// A read that waits for storage.
    fetch: Option<Pending<Slice>>,
    /// The last event of the page.
    through: Seq,
    /// `None` after the last piece.
    array: Option<Array>,
}

impl PageBody {
    fn new(app: App, reader: PageReader, gap: Option<Bytes>, through: Seq) -> Self {
        let mut array = Array::default();
        array.extend(gap);
        Self {
            app,
            reader,
            fetch: None,
            through,
            array: Some(array),
        }
    }

    /// The next piece to send; `None` after the last one.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(mut array) = self.array.take() else {
            return Poll::Ready(None);
        };
        let Poll::Ready(slice) = self.poll_slice(cx) else {
            self.array = Some(array);
            return Poll::Pending;
        };
        // What was there when the page was begun may have been trimmed since.
        if let Some(gap) = self.reader.step_over(&slice) {
            array.extend([envelope::gap_line(&gap, clock::now())]);
        }
        let events = slice.events.iter();
        let events = events.filter(|event| event.seq <= self.through);
        array.extend(events.map(|event| self.app.envelope(event)));
        if !slice.has_more || self.reader.after() >= self.through {
            return Poll::Ready(Some(array.end()));
        }
        let piece = array.piece();
        self.array = Some(array);
        if piece.is_empty() {
            // A turn that only passed over events of others: let the others run too.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(piece))
    }

    fn poll_slice(&mut self, cx: &mut Context<'_>) -> Poll<Slice> {
        let mut fetch = match self.fetch.take() {
            Some(fetch) => fetch,
            None => {
                let limits = self.app.hub().limits();
                match self.reader.read(ReadBudget {
                    bytes: limits.turn_bytes_max,
                    events: limits.turn_events_max,
                }) {
                    Reading::Ready(slice) => return Poll::Ready(slice),
                    Reading::Later(fetch) => fetch,
                }
            }
        };
        let polled = fetch.as_mut().poll(cx);
        if polled.is_pending() {
            self.fetch = Some(fetch);
        }
        polled
    }
}

/// Where a page starts when the client does not say: a page from the tail would be empty.
pub(crate) const START_DEFAULT: Start = Start::All;

/// The path and query that select the same topics again.
fn link_target(subscription: &Subscription) -> String {
    let selection = subscription.selection.selection();
    let topics = selection.topics.iter().map(ToString::to_string);
    let mut names = topics.chain(selection.patterns.iter().map(ToString::to_string));
    let mut target = String::from("/");
    target.extend(
        names
            .next()
            .iter()
            .flat_map(|name| utf8_percent_encode(name, PATH)),
    );
    target.push('?');
    for name in names {
        target.push_str("topic=");
        target.extend(utf8_percent_encode(&name, QUERY));
        target.push('&');
    }
    target
}
