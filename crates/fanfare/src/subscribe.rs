//! A subscription as an embedder builds it: answered as a response, or read as a Rust stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fanfare_http::{App, Problem, Response, clock, open_sse};
use fanfare_hub::{
    Cursor, EventId, Gap, ReadBudget, Resume, Selection, Selector, SelectorError, Slice, Start,
    Step, Subscribed, Subscription, Trusted,
};
use futures_core::Stream;
use http::HeaderMap;

/// Where a subscription starts that resumes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// At the oldest event that is kept.
    All,
    /// So many events before now.
    Last(u64),
    /// At the first event that is no older than this.
    Since(Duration),
}

/// A subscription that is being built. What is wrong with it shows at its end.
#[must_use = "a subscription does nothing until it is answered or read"]
pub struct Subscribe {
    app: App,
    selectors: Result<Vec<Selector>, SelectorError>,
    start: Start,
    on_close: Option<Box<dyn FnOnce() + Send>>,
}

impl Subscribe {
    pub(crate) fn new(app: App, topic: &str) -> Self {
        let subscribe = Self {
            app,
            selectors: Ok(Vec::new()),
            start: Start::Tail,
            on_close: None,
        };
        subscribe.and(topic)
    }

    /// Follows one more topic or pattern on the same stream.
    pub fn and(mut self, selector: &str) -> Self {
        self.selectors = self.selectors.and_then(|mut selectors| {
            selectors.push(Selector::parse(selector)?);
            Ok(selectors)
        });
        self
    }

    /// Starts in the past instead of now.
    pub fn history(mut self, history: History) -> Self {
        if !matches!(self.start, Start::Resume(_)) {
            self.start = match history {
                History::All => Start::All,
                History::Last(count) => Start::Last(count),
                History::Since(span) => Start::Since(span),
            };
        }
        self
    }

    /// Starts after the position in the request's `Last-Event-ID`, if it has one. Wins over a
    /// history: this is how a browser comes back.
    pub fn resume(mut self, headers: &HeaderMap) -> Self {
        if let Some(id) = headers.get("last-event-id") {
            let id = String::from_utf8_lossy(id.as_bytes());
            self.start = Start::Resume(Resume::parse(&id));
        }
        self
    }

    /// Has `hook` run when the subscriber is gone, for whatever reason.
    pub fn on_close(mut self, hook: impl FnOnce() + Send + 'static) -> Self {
        self.on_close = Some(Box::new(hook));
        self
    }

    /// Answers with a `text/event-stream`: 204 when the topic has ended and all of it was read, a
    /// problem when the subscription is refused.
    #[must_use]
    pub async fn respond(self) -> Response {
        let Self {
            app,
            selectors,
            start,
            on_close,
        } = self;
        let selection = selectors
            .map_err(Problem::from)
            .and_then(|selectors| Ok(Selection::new(selectors, &app.hub().limits())?))
            .map(|selection| Trusted.subscribe(selection));
        let opened = match selection {
            Ok(selection) => open_sse(&app, Subscription { selection, start }, on_close).await,
            Err(problem) => Err(problem),
        };
        opened.unwrap_or_else(Problem::into_response)
    }

    /// Reads the subscription in Rust.
    ///
    /// # Errors
    /// A selector that is none, or a hub that has no room; the problem says which.
    pub async fn stream(self) -> Result<EventStream, Problem> {
        let limits = self.app.hub().limits();
        let selection = Trusted.subscribe(Selection::new(self.selectors?, &limits)?);
        let budget = ReadBudget {
            bytes: limits.turn_bytes_max,
            events: limits.turn_events_max,
        };
        let subscription = Subscription {
            selection,
            start: self.start,
        };
        let cursor = match self.app.hub().subscribe(subscription, clock::now()).await? {
            Subscribed::Open(cursor) => Some(cursor),
            Subscribed::Over => None,
        };
        let epoch = self.app.hub().log().epoch();
        let unread = Vec::new().into_iter();
        Ok(EventStream {
            cursor,
            epoch,
            budget,
            unread,
            on_close: OnClose(self.on_close),
        })
    }
}

/// An event that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its position, to resume after.
    pub id: EventId,
    /// Where it was published.
    pub topic: String,
    /// Its type, `message` when the publisher gave none.
    pub event_type: String,
    /// Its text.
    pub data: String,
    /// When the hub accepted it, in milliseconds since the Unix epoch.
    pub time: u64,
}

/// What a subscription gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// An event.
    Event(Event),
    /// Something that was asked for is gone.
    Gap(Gap),
}

/// A subscription as a stream. Ends when all its topics have ended.
pub struct EventStream {
    cursor: Option<Cursor>,
    epoch: fanfare_hub::position::Epoch,
    budget: ReadBudget,
    /// What was read in one turn and not given yet; bounded by the budget.
    unread: std::vec::IntoIter<std::sync::Arc<fanfare_hub::Event>>,
    on_close: OnClose,
}

struct OnClose(Option<Box<dyn FnOnce() + Send>>);

impl Drop for OnClose {
    fn drop(&mut self) {
        if let Some(hook) = self.0.take() {
            hook();
        }
    }
}

impl EventStream {
    fn take_in(&mut self, slice: Slice) {
        let events = slice.events.to_vec();
        self.unread = events.into_iter();
    }

    fn event(&self, event: &fanfare_hub::Event) -> Event {
        let fields = event.fields();
        Event {
            id: event.id(self.epoch),
            topic: event.topic.to_string(),
            event_type: fields.event_type,
            data: fields.data,
            time: event.time.0,
        }
    }
}

impl Stream for EventStream {
    type Item = StreamItem;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<StreamItem>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.unread.next() {
                return Poll::Ready(Some(StreamItem::Event(this.event(&event))));
            }
            let Some(cursor) = &mut this.cursor else {
                // The hook has its moment when the stream ends, not when it is dropped later.
                this.on_close = OnClose(None);
                return Poll::Ready(None);
            };
            match ready!(cursor.poll_step(cx, this.budget)) {
                Step::Events(slice) => this.take_in(slice),
                Step::Gap(gap) => return Poll::Ready(Some(StreamItem::Gap(gap))),
                Step::Over => this.cursor = None,
            }
        }
    }
}
