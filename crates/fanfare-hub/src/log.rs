//! The `Log` trait: what the hub needs of a storage, be it memory, segments on disk or a cluster.
//!
//! ```text
//!   trimmed        kept                                not yet visible
//! ----------|------------------------------------|---------------------->  seq
//!         floor                                 last
//! ```
//!
//! Rules for whoever implements it:
//! - an event MUST be durable to the stated level before `read` returns it and before `append`
//!   answers; both see the same events;
//! - seqs MUST be dense and rise within an epoch, whatever the wall clock does;
//! - a batch MUST be stored whole or not at all;
//! - observers MUST be called after the events became visible.

mod once;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use self::once::{Awaited, Once};
use crate::event::{Encoded, Event, Kind, Timestamp};
use crate::events::Events;
use crate::position::{Epoch, EventId, Seq};
use crate::subscription::{Gap, GapReason, Selection, Start};
use crate::topic::TopicName;

/// A future that can be kept and moved between threads.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What an acknowledged event survives. The operator's choice, named in every publish answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: it lives as long as the process.
    Memory,
    /// The end of the process, but no power cut: it was handed to the system and is not synced.
    Written,
    /// A power cut: it was synced to the disk.
    Disk,
}

impl Durability {
    /// The level as it is named to publishers and operators.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Written => "written",
            Self::Disk => "disk",
        }
    }
}

/// What makes a retried publish safe: the publisher's key, and which request it was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key, unique within its topic.
    pub key: String,
    /// Which event of a streamed body; 0 for a body that is stored whole.
    pub part: u64,
    /// Digest of the request, so that a key that is used for something else is noticed.
    pub fingerprint: [u8; 32],
}

/// Events of one topic that are stored whole or not at all.
#[derive(Debug)]
pub struct Batch {
    /// Where they are published.
    pub topic: TopicName,
    /// The encoded blocks, in order, each with its kind.
    pub events: Vec<(Encoded, Kind)>,
    /// Makes the batch safe to retry.
    pub idempotency: Option<IdempotencyKey>,
    /// When the hub accepted them.
    pub time: Timestamp,
}

/// The log's word that a batch is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the last event stored.
    pub id: EventId,
    /// How many events the publisher handed in; the mark of a topic's end is not counted.
    pub count: u64,
    /// What they survive.
    pub durability: Durability,
    /// Whether an earlier request with the same idempotency key had stored them already.
    pub is_replayed: bool,
}

/// Why a batch was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The topic was ended.
    #[error("the topic was ended: publish to another one, or DELETE it to start anew")]
    TopicEnded,
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used for another request: use a new key for each event")]
    KeyReused,
    /// There are as many topics as the hub allows.
    #[error("the hub holds as many topics as it may ({0}): retire some, or raise the limit")]
    TooManyTopics(usize),
    /// The batch is larger than a log can store as a whole.
    #[error("the batch has {bytes} bytes; the log takes {max} at once: split it")]
    BatchTooLarge {
        /// Its bytes as they would be stored.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// The storage failed while the batch was on its way: it may be there after a restart, or not.
    #[error("whether the events are stored is not known: {0}")]
    Uncertain(String),
    /// The storage cannot take it now; nothing was stored.
    #[error("the log cannot store events now: {0}")]
    Unavailable(String),
}

/// How much one read may return.
#[derive(Clone, Copy, Debug)]
pub struct ReadBudget {
    /// Bytes of frames; one larger event is returned all the same.
    pub bytes: usize,
    /// Events.
    pub events: usize,
}

/// What a cursor asks the log.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// The topics and patterns to read.
    pub selection: Arc<Selection>,
    /// Everything up to here was read.
    pub after: Seq,
    /// The trims that the cursor knows of; see [`Slice::trims_seen`].
    pub trims_seen: u64,
    /// How much to return.
    pub budget: ReadBudget,
}

/// What lies after a cursor.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Events of the selection, in seq order.
    pub events: Events,
    /// Where the cursor stands now: nothing of the selection lies between the last event and here.
    pub after: Seq,
    /// Trims counted so far. Events trimmed later than this count were still the cursor's to read.
    pub trims_seen: u64,
    /// Events of the selection that were there to be read and are gone. They lie before the events
    /// of this slice.
    pub missing: Option<Missing>,
    /// Whether there was more than the budget allowed.
    pub has_more: bool,
    /// Whether every topic of the selection has ended and nothing of it is left to read.
    pub is_over: bool,
}

/// Events that a cursor had still to read and cannot read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Why they are gone.
    pub why: Lost,
    /// The oldest event of the selection that is left, or the tail.
    pub oldest: Seq,
}

/// Why events cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// They were dropped before the cursor came to them.
    Overtaken,
    /// What is on the disk is not what was written to it.
    Damaged,
}

impl Slice {
    /// The gap before these events, for a reader that stood at `after`.
    pub(crate) fn gap(&self, reason: GapReason, after: Seq, epoch: Epoch) -> Option<Gap> {
        let id = |seq| EventId { epoch, seq };
        let oldest = id(self.missing?.oldest);
        let first = self.events.first();
        let resumes_after = first.map_or(self.after, |event| event.seq.previous());
        Some(Gap {
            reason,
            asked: id(after).to_string(),
            oldest,
            resumes_after: id(resumes_after),
        })
    }
}

/// What became visible after a place, over all topics: what a driver reads that follows the log for
/// many subscribers at once.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The events, in seq order.
    pub events: Vec<Arc<Event>>,
    /// Everything visible up to here is among the events, or is told by `lost`.
    pub after: Seq,
    /// See [`Slice::trims_seen`].
    pub trims_seen: u64,
    /// What was visible and is not among the events.
    pub lost: FeedLoss,
    /// Whether there was more than was asked for.
    pub has_more: bool,
}

/// Events that a feed does not have. Whoever is concerned reads for itself, and hears of the gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedLoss {
    /// None.
    Nothing,
    /// Some of these topics were dropped before they were read.
    Topics(Vec<TopicName>),
    /// Any: they are not in memory, or nobody knows their topics.
    Anything,
}

/// A read that is done, or one that has to fetch from storage first.
pub enum Reading {
    /// Served from memory.
    Ready(Slice),
    /// Below the in-memory tail; poll it, then ask again. The tail itself is always `Ready`: a
    /// reader that is told `Later` asks until it is not.
    Later(Pending<Slice>),
}

/// Where a subscription starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The cursor's first place: everything up to here counts as read.
    pub after: Seq,
    /// What was asked for and is not there.
    pub gap: Option<Gap>,
    /// See [`Slice::trims_seen`].
    pub trims_seen: u64,
    /// Whether nothing can ever follow.
    pub is_over: bool,
}

/// What is known of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicStatus {
    /// Its name.
    pub topic: TopicName,
    /// The oldest event kept.
    pub oldest: Option<Seq>,
    /// The newest event kept.
    pub newest: Option<Seq>,
    /// Events kept.
    pub events: u64,
    /// What they count against retention by bytes.
    pub bytes: u64,
    /// Whether the topic was ended.
    pub is_ended: bool,
}

/// Hears of events as they become visible.
pub trait Observer: Send + Sync {
    /// The topic has something new for those who wait at the tail.
    fn visible(&self, topic: &TopicName);
}

/// Takes the answers to appends.
///
/// Whoever implements it MUST NOT block and MUST NOT call back into the log: the log calls this
/// from its own thread, or within [`Log::append_to`] itself.
pub trait Answers: Send + Sync {
    /// The answer to the append that was handed in with this token.
    fn answer(&self, token: u64, result: Result<Receipt, AppendError>);

    /// Called after a run of answers, however short, so that whoever waits for them can be woken
    /// once rather than for each.
    fn wake(&self) {}
}

/// Where the answer to one append goes.
#[derive(Clone)]
pub struct AnswerTo {
    /// Who takes it.
    pub to: Arc<dyn Answers>,
    /// Says there which append it was.
    pub token: u64,
}

impl AnswerTo {
    /// Gives the answer to one append alone.
    pub fn send(self, result: Result<Receipt, AppendError>) {
        self.to.answer(self.token, result);
        self.to.wake();
    }
}

/// The log of the hub.
pub trait Log: Send + Sync + 'static {
    /// The present incarnation.
    fn epoch(&self) -> Epoch;

    /// The newest visible event, over all topics.
    fn last(&self) -> Seq;

    /// What acknowledged events survive.
    fn durability(&self) -> Durability;

    /// Stores a batch. It is answered exactly once, maybe before this returns.
    fn append_to(&self, batch: Batch, answer: AnswerTo);

    /// Stores a batch. The work goes on when the future is dropped.
    fn append(&self, batch: Batch) -> Pending<Result<Receipt, AppendError>> {
        let to = Arc::new(Once::default());
        let answered = Awaited(Arc::clone(&to));
        self.append_to(batch, AnswerTo { to, token: 0 });
        Box::pin(answered)
    }

    /// Reads what lies after a cursor.
    fn read(&self, request: &ReadRequest) -> Reading;

    /// Reads on from a place through all topics, for a reader that knows of `trims_seen` trims.
    /// Never waits: what is not in memory is a loss of the feed, whose readers read for themselves.
    fn feed(&self, after: Seq, trims_seen: u64, budget: ReadBudget) -> Feed;

    /// Finds where a subscription starts. A lookup, never a scan of what lies before.
    fn locate(&self, selection: &Arc<Selection>, start: &Start, now: Timestamp)
    -> Pending<Located>;

    /// What is known of a topic; `None` when nothing was ever published to it or all is forgotten.
    fn topic(&self, name: &TopicName) -> Pending<Option<TopicStatus>>;

    /// Topics in the order of their names, after the given one.
    fn topics(&self, after: Option<&TopicName>, limit: usize) -> Pending<Vec<TopicStatus>>;

    /// Drops a topic's history and its end. Answers how many events were dropped.
    fn forget(&self, name: &TopicName) -> Pending<Result<u64, AppendError>>;

    /// Applies retention by age. Call it every second or so.
    fn trim(&self, now: Timestamp);

    /// Whether a batch could be stored now; the reason when it could not.
    fn writable(&self) -> Result<(), AppendError>;

    /// Whether it will not take events again before it is opened anew.
    fn is_broken(&self) -> bool {
        false
    }

    /// Registers who is told of new events. Called once, by the hub.
    fn observe(&self, observer: Arc<dyn Observer>);
}
