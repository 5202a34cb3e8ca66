//! Following topics: what to ask for, and the driver that keeps a stream alive until it is over.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use fanfare_sse::MAX_EVENT_BYTES_DEFAULT;
use futures_core::Stream;
use http::Method;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::address::{AddressError, Target};
use crate::attempt::{Answer, Attempt, Failure, OpenStream};
use crate::backoff::{RetryPolicy, dice};
use crate::client::Client;
use crate::credentials::Attempts;
use crate::event::{Event, Update};
use crate::form::Output;
use crate::history::History;
use crate::loss::Loss;
use crate::machine::{Machine, Next, Patience, State};
use crate::problem::Problem;

/// Bytes that are decoded at once: what lies decoded in memory stays a small multiple of it,
/// however tiny the events, and one larger event.
const PIECE_BYTES: usize = 8 << 10;

/// From the request to the head of the answer. A hub answers at once; a proxy may wake a machine.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// Silence after which a stream is taken for dead when it announces no heartbeat: three of 15 s.
const IDLE_MAX: Duration = Duration::from_secs(45);

/// The longest silence that an announced heartbeat can ask for: a typo must not keep a dead stream.
const ANNOUNCED_IDLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The silence that is too long for a stream with such heartbeats (PROTOCOL.md 4.2).
fn patience_with(heartbeat: Duration) -> Duration {
    (heartbeat.saturating_mul(5) / 2).min(ANNOUNCED_IDLE_MAX)
}

/// Why a subscriber stopped for good.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The hub refused in a way that another try would not change.
    #[error(transparent)]
    Refused(Problem),
    /// The answer is no stream.
    #[error("{address} answered `{content_type}`, which is no event stream")]
    NoStream {
        /// The URL that answered.
        address: String,
        /// Its content type.
        content_type: String,
    },
    /// The redirects lead nowhere, or never end.
    #[error("the redirect to `{0}` cannot be followed")]
    Redirect(String),
    /// The tries that the policy allows are used up.
    #[error(transparent)]
    GaveUp(Loss),
}

/// What to follow, and how; made by [`Client::subscribe`].
#[derive(Debug, Clone)]
#[must_use = "a subscription is nothing until it is opened"]
pub struct Subscribe {
    client: Client,
    topics: Vec<String>,
    /// What is followed instead of topics.
    target: Option<Target>,
    method: Method,
    body: Bytes,
    has_comments: bool,
    history: Option<History>,
    last_event_id: String,
    accept: &'static str,
    policy: RetryPolicy,
    /// The silence that the caller bears; else the hub's heartbeat tells.
    idle: Option<Duration>,
    event_bytes_max: usize,
    is_strict: bool,
}

impl Subscribe {
    pub(crate) fn new(client: Client, topic: String) -> Self {
        Self {
            client,
            topics: vec![topic],
            target: None,
            method: Method::GET,
            body: Bytes::new(),
            has_comments: false,
            history: None,
            last_event_id: String::new(),
            accept: crate::form::EVENT_STREAM,
            policy: RetryPolicy::default(),
            idle: None,
            event_bytes_max: MAX_EVENT_BYTES_DEFAULT,
            is_strict: false,
        }
    }

    pub(crate) fn at(client: Client, target: Target) -> Self {
        Self {
            target: Some(target),
            ..Self::new(client, String::new())
        }
    }

    /// Asks by another method than GET, and sends a body with each attempt. Asking again must be
    /// harmless, as it is for REPORT and for a POST that starts nothing.
    pub fn asking(mut self, method: Method, body: impl Into<Bytes>) -> Self {
        self.method = method;
        self.body = body.into();
        self
    }

    /// Reports comments, too.
    pub fn with_comments(mut self) -> Self {
        self.has_comments = true;
        self
    }

    /// Follows another topic or pattern on the same stream.
    pub fn and(mut self, topic: impl Into<String>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// Starts in the past instead of at the tail.
    pub fn history(mut self, history: History) -> Self {
        self.history = Some(history);
        self
    }

    /// Resumes after an event id, which wins over the history.
    pub fn resume_after(mut self, id: impl Into<String>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Prefers envelopes, in which each event carries its topic and time.
    pub fn with_envelopes(mut self) -> Self {
        self.accept = "application/x-ndjson, text/event-stream;q=0.5";
        self
    }

    /// Tries again as `policy` says; by default for ever.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Takes a stream for dead after so much silence; by default two and a half of the heartbeats
    /// that the hub announces, or 45 s when it announces none.
    pub fn idle_timeout(mut self, silence: Duration) -> Self {
        self.idle = Some(silence);
        self
    }

    /// Drops events whose data (or envelope) is longer; by default 16 MiB.
    pub fn event_bytes_max(mut self, bytes: usize) -> Self {
        self.event_bytes_max = bytes;
        self
    }

    /// Does exactly what the standard has an `EventSource` do (HTML 9.2), in place of what serves
    /// better: every refusal is final, waits are as long as `retry:` says and 3 s before that,
    /// silence is never taken for a loss, and only 204 tells that the topics ended.
    pub fn strict_browser(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Makes the subscriber. It connects when it is first asked for an update.
    ///
    /// # Errors
    /// A topic is empty.
    pub fn open(self) -> Result<Subscriber, AddressError> {
        let mut open_topics = Some(self.topics.clone());
        if self
            .topics
            .iter()
            .any(|topic| topic.split('/').any(|part| part.starts_with('*')))
        {
            // A pattern may still match topics that do not exist yet: only the hub knows its end.
            open_topics = None;
        }
        let target = match self.target {
            // It may not even be a hub's: only its server knows when it is over.
            Some(target) => {
                open_topics = None;
                target
            }
            None => self.client.subscription(&self.topics, self.history)?,
        };
        let attempt = Attempt {
            target,
            method: self.method,
            body: self.body,
            has_comments: self.has_comments,
            client: self.client,
            accept: self.accept,
            last_event_id: self.last_event_id,
            event_bytes_max: self.event_bytes_max,
            attempts: Attempts::default(),
            is_strict: self.is_strict,
        };
        let machine = match self.is_strict {
            true => Machine::strict(),
            false => Machine::new(
                self.policy,
                Patience {
                    head: HEAD_MAX,
                    idle: self.idle.unwrap_or(IDLE_MAX),
                },
            ),
        };
        if self.is_strict {
            open_topics = None;
        }
        Ok(Subscriber {
            machine,
            link: Link::Idle,
            updates: VecDeque::new(),
            failure: None,
            delivered_id: attempt.last_event_id.clone(),
            // The standard knows no silence that is too long.
            hears_heartbeat: self.idle.is_none() && !self.is_strict,
            attempt,
            open_topics,
        })
    }
}

/// A stream of [`Update`]s that reconnects and resumes by itself. Dropping it hangs up.
#[derive(Debug)]
pub struct Subscriber {
    machine: Machine,
    /// The request to repeat; its `last_event_id` is where the next one resumes.
    attempt: Attempt,
    link: Link,
    /// Decoded and not yet handed over.
    updates: VecDeque<Update>,
    /// The error to hand over once, after the updates.
    failure: Option<SubscribeError>,
    /// The id of what was handed over last.
    delivered_id: String,
    /// Whether the hub's heartbeat says what silence is too long.
    hears_heartbeat: bool,
    /// The topics that have not ended; `None` when a pattern is among them.
    open_topics: Option<Vec<String>>,
}

/// The subscriber's end of the wire.
enum Link {
    Idle,
    Asking(Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>),
    Reading(Box<OpenStream>),
}

impl Subscriber {
    /// Answers where the subscriber stands.
    #[must_use]
    pub fn state(&self) -> &State {
        self.machine.state()
    }

    /// The position after everything that was handed over; empty when the server gave none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.delivered_id
    }

    /// Waits for the next update. `None` says that the topics ended, for good.
    ///
    /// # Errors
    /// Once, when another try makes no sense; `None` follows.
    ///
    /// # Cancel safety
    /// Cancelling loses nothing: a request under way goes on at the next call.
    pub async fn next(&mut self) -> Option<Result<Update, SubscribeError>> {
        loop {
            if let Some(update) = self.updates.pop_front() {
                return Some(Ok(self.hand_over(update)));
            }
            if let Some(error) = self.failure.take() {
                return Some(Err(error));
            }
            let deadline = self.machine.wait(now())?;
            self.step(Instant::from_std(deadline)).await;
        }
    }

    /// The same updates as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = Result<Update, SubscribeError>> + Send {
        futures_util::stream::unfold(self, async |mut subscriber| {
            subscriber.next().await.map(|update| (update, subscriber))
        })
    }

    fn hand_over(&mut self, update: Update) -> Update {
        self.machine.progressed();
        if let Some(event) = update.event().filter(|event| !event.id.is_empty()) {
            self.delivered_id.clone_from(&event.id);
        }
        update
    }

    /// Makes one step of the link, or lets the deadline pass.
    async fn step(&mut self, deadline: Instant) {
        match &mut self.link {
            Link::Idle if matches!(self.machine.state(), State::Connecting) => {
                self.attempt.attempts.next();
                self.link = Link::Asking(Box::pin(self.attempt.clone().run()));
            }
            Link::Idle => {
                sleep_until(deadline).await;
                self.expired();
            }
            Link::Asking(answer) => match timeout_at(deadline, answer).await {
                Ok(answer) => self.answered(answer),
                Err(_) => self.expired(),
            },
            Link::Reading(stream) if stream.rest.is_empty() => {
                let frame = timeout_at(deadline, stream.body.frame()).await;
                match frame {
                    Err(_) => self.expired(),
                    Ok(None) => self.ended(),
                    Ok(Some(Err(error))) => self.lost(error.into()),
                    Ok(Some(Ok(frame))) => {
                        stream.rest = frame.into_data().unwrap_or_default();
                        self.machine.progressed();
                    }
                }
            }
            Link::Reading(_) => self.read(),
        }
    }

    fn answered(&mut self, answer: Result<Answer, Failure>) {
        match answer {
            Ok(Answer::Stream(stream)) => {
                self.machine.opened(now());
                if self.hears_heartbeat {
                    let announced = stream.heartbeat.map(patience_with);
                    self.machine.bears(announced.unwrap_or(IDLE_MAX));
                }
                self.attempt.attempts = Attempts::default();
                self.link = Link::Reading(stream);
                self.updates.push_back(Update::Opened);
            }
            Ok(Answer::NothingMore) => self.close(None),
            Err(Failure::Lost(why)) => self.lost(why),
            Err(Failure::Final(SubscribeError::Refused(problem)))
                if self
                    .attempt
                    .attempts
                    .may_refresh(self.attempt.client.credentials(), &problem) =>
            {
                // Still connecting: the next step asks at once.
                self.link = Link::Idle;
                self.machine.progressed();
            }
            Err(Failure::Final(error)) => self.close(Some(error)),
        }
    }

    /// Decodes the next piece of what came.
    fn read(&mut self) {
        let Link::Reading(stream) = &mut self.link else {
            return;
        };
        let piece: Bytes = stream.rest.split_to(stream.rest.len().min(PIECE_BYTES));
        let mut out = Output::default();
        let result = stream.reader.feed(piece.chunk(), &mut out);
        self.attempt.last_event_id.clear();
        self.attempt
            .last_event_id
            .push_str(stream.reader.last_event_id());
        if let Some(wait) = out.retry {
            self.machine.advised(wait);
        }
        for update in &out.updates {
            if let Update::End(event) = update {
                self.topic_ended(event);
            }
        }
        self.updates = out.updates;
        if self.updates.is_empty() {
            self.delivered_id.clone_from(&self.attempt.last_event_id);
        }
        if let Err(why) = result {
            self.lost(why);
        }
    }

    fn topic_ended(&mut self, end: &Event) {
        #[derive(serde::Deserialize)]
        struct Ended {
            topic: String,
        }
        let named = serde_json::from_str::<Ended>(&end.data)
            .map(|it| it.topic)
            .ok();
        let ended = end.topic.clone().or(named);
        if let Some(open) = &mut self.open_topics {
            open.retain(|topic| Some(topic) != ended.as_ref());
        }
    }

    /// The body ended in good order: for good when every topic did, else for now.
    fn ended(&mut self) {
        if self.open_topics.as_ref().is_some_and(Vec::is_empty) {
            self.close(None);
        } else {
            self.lost(Loss::Ended);
        }
    }

    fn lost(&mut self, why: Loss) {
        let next = self.machine.lost(now(), why, dice());
        self.follow(next);
    }

    fn expired(&mut self) {
        let next = self.machine.expired(now(), dice());
        self.follow(next);
    }

    fn follow(&mut self, next: Next) {
        self.link = Link::Idle;
        match next {
            Next::Connect => {}
            Next::Wait(wait, why) => self.updates.push_back(Update::Waiting { wait, why }),
            Next::GiveUp(why) => self.failure = Some(SubscribeError::GaveUp(why)),
        }
    }

    fn close(&mut self, error: Option<SubscribeError>) {
        self.link = Link::Idle;
        self.machine.close();
        self.failure = error;
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Asking(_) => "Asking",
            Self::Reading(_) => "Reading",
        })
    }
}

/// The clock of the runtime, which tests can stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
