//! Publish and subscribe: where the log, the cursors and those who wait come together.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use arc_swap::{ArcSwap, Guard};

use crate::cursor::Cursor;
use crate::event::{Encoded, Kind, NewEvent, Timestamp};
use crate::grant::{MayAdminister, MayPublish, MaySubscribe};
use crate::limits::Limits;
use crate::log::{
    AppendError, Batch, IdempotencyKey, Located, Log, Pending, ReadBudget, ReadRequest, Reading,
    Receipt, Slice, TopicStatus,
};
use crate::page::PageReader;
use crate::subscription::{Gap, GapReason, Subscription};
use crate::topic::TopicName;
use crate::wakeups::{Bell, Hook, SubscriberId, Wakeups};

/// The hub: one log, many cursors. A cheap handle; clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

/// What the hub and its cursors share.
pub(crate) struct Shared {
    log: Arc<dyn Log>,
    wakeups: Arc<Wakeups>,
    limits: ArcSwap<Limits>,
    /// How many subscribers there are.
    subscribers: AtomicUsize,
    /// How many there ever were.
    admitted: AtomicU64,
}

/// One subscriber among those there may be; makes room for another when it is dropped.
pub struct Admission {
    shared: Arc<Shared>,
    id: SubscriberId,
}

impl Admission {
    fn new(shared: &Arc<Shared>) -> Result<Self, SubscribeError> {
        let max = shared.limits.load().subscribers_max;
        let before = shared.subscribers.fetch_add(1, Ordering::AcqRel);
        let id = SubscriberId(shared.admitted.fetch_add(1, Ordering::Relaxed) + 1);
        // Made first, so that one too many is taken off again when it is dropped.
        let admission = Self {
            shared: Arc::clone(shared),
            id,
        };
        if before >= max {
            return Err(SubscribeError::TooManySubscribers(max));
        }
        Ok(admission)
    }

    pub(crate) fn id(&self) -> SubscriberId {
        self.id
    }

    pub(crate) fn log(&self) -> &Arc<dyn Log> {
        &self.shared.log
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.shared.subscribers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is published in one go, stored whole or not at all.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Where, and that it may be.
    pub topic: MayPublish,
    /// What; may be empty when the topic is ended.
    pub events: Vec<NewEvent>,
    /// Whether nothing follows in this topic.
    pub ends_topic: bool,
    /// Makes it safe to retry.
    pub idempotency: Option<IdempotencyKey>,
}

/// How many topics a hub has of its own: that of [`TopicName::of_checks`].
const OWN_TOPICS: usize = 1;

/// Why nothing was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// There is no event, and the topic is not ended either.
    #[error("the body has no event")]
    NoEvent,
    /// The data of an event is larger than the limit.
    #[error(
        "the event has {bytes} bytes of data; this hub takes {max}: send a link to large content instead"
    )]
    EventTooLarge {
        /// Bytes of the data.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// An event is larger than the limit once it is encoded.
    #[error(
        "the event has {bytes} bytes once each of its lines carries `data: `; this hub takes {max}: send fewer lines"
    )]
    FrameTooLarge {
        /// Bytes of the encoded event.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// More events than one batch may have.
    #[error("the body has more than {0} events: split it, or stream it with a chunked body")]
    TooManyEvents(usize),
    /// The log refused.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// A page of history.
#[derive(Debug)]
pub struct Page {
    /// What was asked for and is gone.
    pub gap: Option<Gap>,
    /// The events, as many as the budget allowed.
    pub slice: Slice,
    /// Stands before them, for whoever wants them once more or piece by piece.
    pub reader: PageReader,
}

/// What a subscription comes to.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every one is open, and moved on at once"
)]
pub enum Subscribed {
    /// An open event stream.
    Open(Cursor),
    /// Everything of it has ended and was read: there is nothing to wait for.
    Over,
}

/// Why there is no event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The hub has as many subscribers as it may.
    #[error("the hub has as many subscribers as it may ({0})")]
    TooManySubscribers(usize),
}

impl Hub {
    /// A hub over a log. A log has one hub.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, limits: Limits) -> Self {
        let wakeups = Arc::new(Wakeups::default());
        log.observe(Arc::<Wakeups>::clone(&wakeups));
        Self {
            shared: Arc::new(Shared {
                log,
                wakeups,
                limits: ArcSwap::from_pointee(limits),
                subscribers: AtomicUsize::new(0),
                admitted: AtomicU64::new(0),
            }),
        }
    }

    /// The log below.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.shared.log
    }

    /// The bounds of this hub, as they are now.
    #[must_use]
    pub fn limits(&self) -> Guard<Arc<Limits>> {
        self.shared.limits.load()
    }

    /// Sets other bounds, as far as the running hub can keep them, and names those that it cannot.
    /// What is open already stays.
    pub fn set_limits(&self, limits: Limits) -> Vec<&'static str> {
        let (limits, kept) = limits.for_running(&self.limits());
        self.shared.limits.store(Arc::new(limits));
        kept
    }

    /// How many event streams are open.
    #[must_use]
    pub fn subscribers_len(&self) -> usize {
        self.shared.subscribers.load(Ordering::Acquire)
    }

    /// Publishes events to a topic. Answers when they are durable to the log's level.
    ///
    /// # Errors
    /// Nothing was stored, and the error says why.
    ///
    /// # Cancel safety
    /// Once the append began, dropping the future does not cancel it.
    pub async fn publish(
        &self,
        publication: Publication,
        now: Timestamp,
    ) -> Result<Receipt, PublishError> {
        let batch = self.batch(publication, now)?;
        Ok(self.shared.log.append(batch).await?)
    }

    /// Encodes a publication for the log, within the bounds of this hub.
    ///
    /// # Errors
    /// Says which bound it breaks.
    pub fn batch(&self, publication: Publication, now: Timestamp) -> Result<Batch, PublishError> {
        let limits = &**self.shared.limits.load();
        let Publication {
            topic,
            events,
            ends_topic,
            idempotency,
        } = publication;
        if events.is_empty() && !ends_topic {
            return Err(PublishError::NoEvent);
        }
        if events.len() > limits.batch_events_max {
            return Err(PublishError::TooManyEvents(limits.batch_events_max));
        }
        let mut encoded = Vec::with_capacity(events.len() + usize::from(ends_topic));
        for event in &events {
            encoded.push((encode(event, limits)?, Kind::Published));
        }
        let topic = topic.into_topic();
        if ends_topic {
            encoded.push((Encoded::end_of(&topic), Kind::End));
        }
        Ok(Batch {
            topic,
            events: encoded,
            idempotency,
            time: now,
        })
    }

    /// What is known of the one topic of a selection; `None` when there is nothing of it.
    pub async fn topic(&self, may: &MaySubscribe) -> Option<TopicStatus> {
        let topic = may.selection().single()?;
        self.shared.log.topic(topic).await
    }

    /// Topics in the order of their names, from behind `after`, without the hub's own.
    pub async fn topics(
        &self,
        _may: MayAdminister,
        after: Option<&TopicName>,
        limit: usize,
    ) -> Vec<TopicStatus> {
        let topics = self.shared.log.topics(after, limit + OWN_TOPICS).await;
        let others = topics.into_iter().filter(|status| !status.topic.is_own());
        others.take(limit).collect()
    }

    /// Drops a topic's history and its end. Answers how many events went.
    ///
    /// # Errors
    /// The log could not keep in mind that they are gone; they are still there.
    pub async fn forget(&self, _may: MayAdminister, topic: &TopicName) -> Result<u64, AppendError> {
        self.shared.log.forget(topic).await
    }

    /// Reads one page of what lies after the start, without waiting for more.
    pub async fn page(
        &self,
        subscription: Subscription,
        budget: ReadBudget,
        now: Timestamp,
    ) -> Page {
        let Subscription { selection, start } = subscription;
        let log = &self.shared.log;
        let selection = Arc::new(selection.into_selection());
        let located = log.locate(&selection, &start, now).await;
        let mut request = ReadRequest {
            selection,
            after: located.after,
            trims_seen: located.trims_seen,
            budget,
        };
        let mut gap = located.gap;
        loop {
            let slice = match log.read(&request) {
                Reading::Ready(slice) => slice,
                Reading::Later(fetch) => fetch.await,
            };
            // Retention may have gone on since the start was found.
            gap = gap.or_else(|| slice.gap(GapReason::Trimmed, request.after, log.epoch()));
            if !slice.events.is_empty() || !slice.has_more {
                let log = Arc::clone(log);
                let reader = PageReader::new(log, request);
                return Page { gap, slice, reader };
            }
            // A turn that only passed over events of others.
            request.after = slice.after;
            request.trims_seen = slice.trims_seen;
        }
    }

    /// Opens an event stream.
    ///
    /// # Errors
    /// When the hub has no room for another subscriber.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn subscribe(
        &self,
        subscription: Subscription,
        now: Timestamp,
    ) -> Result<Subscribed, SubscribeError> {
        let Subscription { selection, start } = subscription;
        let shared = &self.shared;
        let selection = Arc::new(selection.into_selection());
        let admission = Admission::new(shared)?;
        // Attached before it is placed: what is published from here on wakes it.
        let hook = Hook::new(&shared.wakeups, admission.id, &selection);
        let cursor = Cursor::new(admission, Arc::clone(&selection), Some(hook));
        let located = shared.log.locate(&selection, &start, now).await;
        Ok(placed(cursor, located))
    }

    /// Opens an event stream for a driver that has a bell, and looks for new events by itself.
    ///
    /// # Errors
    /// When the hub has no room for another subscriber.
    pub fn join(
        &self,
        subscription: Subscription,
        now: Timestamp,
    ) -> Result<Joining, SubscribeError> {
        let Subscription { selection, start } = subscription;
        let selection = Arc::new(selection.into_selection());
        let admission = Admission::new(&self.shared)?;
        let located = self.shared.log.locate(&selection, &start, now);
        Ok(Joining {
            cursor: Some(Cursor::new(admission, selection, None)),
            located,
        })
    }

    /// Has a bell rung whenever something becomes visible, for as long as the hub lives.
    pub fn hang(&self, bell: Arc<dyn Bell>) {
        self.shared.wakeups.hang(bell);
    }
}

/// A subscription whose start is being looked up.
pub struct Joining {
    /// Taken when the start is known.
    cursor: Option<Cursor>,
    located: Pending<Located>,
}

impl Future for Joining {
    type Output = Subscribed;

    /// # Panics
    /// When it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Subscribed> {
        let located = ready!(self.located.as_mut().poll(cx));
        let cursor = self.cursor.take();
        #[expect(clippy::expect_used, reason = "the contract of futures")]
        let cursor = cursor.expect("not polled after it was ready");
        Poll::Ready(placed(cursor, located))
    }
}

/// Puts a cursor where its subscription starts.
fn placed(mut cursor: Cursor, located: Located) -> Subscribed {
    if located.is_over && located.gap.is_none() {
        return Subscribed::Over;
    }
    cursor.place(located.after, located.trims_seen, located.gap);
    Subscribed::Open(cursor)
}

fn encode(event: &NewEvent, limits: &Limits) -> Result<Encoded, PublishError> {
    let (bytes, max) = (event.data.len(), limits.event_bytes_max);
    if bytes > max {
        return Err(PublishError::EventTooLarge { bytes, max });
    }
    let encoded = event.encode();
    let (bytes, max) = (encoded.len(), limits.frame_bytes_max);
    if bytes > max {
        return Err(PublishError::FrameTooLarge { bytes, max });
    }
    Ok(encoded)
}
