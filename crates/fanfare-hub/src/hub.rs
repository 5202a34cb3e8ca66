//! Publish and subscribe: where the log, the cursors and those who wait come together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::task::AtomicWaker;

use crate::cursor::Cursor;
use crate::event::{Encoded, Kind, NewEvent, Timestamp};
use crate::limits::Limits;
use crate::log::{
    AppendError, Batch, IdempotencyKey, Log, ReadBudget, ReadRequest, Reading, Receipt, Slice,
};
use crate::subscription::{Gap, GapReason, Subscription};
use crate::topic::TopicName;
use crate::wakeups::{SubscriberId, Wakeups};

/// The hub: one log, many cursors. A cheap handle; clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

/// What the hub and its cursors share.
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) wakeups: Arc<Wakeups>,
    limits: Limits,
    subscribers: AtomicU64,
}

/// What is published in one go, stored whole or not at all.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Where.
    pub topic: TopicName,
    /// What; may be empty when the topic is ended.
    pub events: Vec<NewEvent>,
    /// Whether nothing follows in this topic.
    pub ends_topic: bool,
    /// Makes it safe to retry.
    pub idempotency: Option<IdempotencyKey>,
}

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
}

/// What a subscription comes to.
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
                limits,
                subscribers: AtomicU64::new(0),
            }),
        }
    }

    /// The log below.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.shared.log
    }

    /// The bounds of this hub.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// How many event streams are open.
    #[must_use]
    pub fn subscribers_len(&self) -> usize {
        self.shared.wakeups.len()
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
        let limits = &self.shared.limits;
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
        let mut encoded = Vec::with_capacity(events.len() + 1);
        for event in &events {
            encoded.push((encode(event, limits)?, Kind::Published));
        }
        if ends_topic {
            encoded.push((Encoded::end_of(&topic), Kind::End));
        }
        let batch = Batch {
            topic,
            events: encoded,
            idempotency,
            time: now,
        };
        Ok(self.shared.log.append(batch).await?)
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
        let selection = Arc::new(selection);
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
                return Page { gap, slice };
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
        let selection = Arc::new(selection);
        let waker = Arc::new(AtomicWaker::new());
        let id = SubscriberId(shared.subscribers.fetch_add(1, Ordering::Relaxed) + 1);
        let max = shared.limits.subscribers_max;
        if !shared.wakeups.attach(id, &selection, &waker, max) {
            return Err(SubscribeError::TooManySubscribers(max));
        }
        let mut cursor = Cursor::new(Arc::clone(shared), id, Arc::clone(&selection), waker);
        // Attached before it is placed: what is published from here on wakes it.
        let located = shared.log.locate(&selection, &start, now).await;
        if located.is_over && located.gap.is_none() {
            return Ok(Subscribed::Over);
        }
        cursor.place(located.after, located.trims_seen, located.gap);
        Ok(Subscribed::Open(cursor))
    }
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
