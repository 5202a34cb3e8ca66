//! The pure core of the Fanfare push server.
//!
//! The hub keeps one log; a topic is a named sub-sequence of it; a subscriber is a cursor into it,
//! never a queue. This crate knows neither sockets nor files nor the clock: time is an argument,
//! waiting is a [`std::task::Waker`], and storage is whatever implements [`Log`].
//!
//! In reading order:
//!
//! - [`limits`]: every bound of the hub, with its default and its reason;
//! - [`position`]: `Seq`, `Epoch` and the event id that is made of them;
//! - [`topic`] and [`pattern`]: what can be published to and what can be subscribed to;
//! - [`event`]: an event before and after the log took it in;
//! - [`retention`]: the rule for dropping history;
//! - [`drops`]: remembering what was dropped;
//! - [`idempotency`]: which requests were stored already;
//! - [`log`]: the trait that every storage implements, and its errors;
//! - [`events`]: the events of a slice;
//! - [`reading`]: taking events out of a log within a budget;
//! - [`window`]: events in memory, in order, with an index by topic;
//! - [`memory`]: the log that is nothing but a window;
//! - [`subscription`]: what a subscriber asks for, and the gap it is told about;
//! - [`cursor`]: where a subscriber stands;
//! - [`pattern_index`]: finding patterns by the topics that they match;
//! - [`wakeups`]: who waits for which topic;
//! - [`hub`]: publish and subscribe;
//! - [`page`]: a page of history, piece by piece.

pub mod cursor;
pub mod drops;
pub mod event;
pub mod events;
pub mod grant;
pub mod hub;
pub mod idempotency;
pub mod limits;
pub mod log;
pub mod memory;
pub mod page;
pub mod pattern;
pub mod pattern_index;
pub mod position;
pub mod reading;
pub mod retention;
pub mod subscription;
pub mod topic;
pub mod wakeups;
pub mod window;

pub use cursor::{Cursor, Standing, Step};
pub use event::{Event, EventType, EventTypeError, NewEvent, Timestamp};
pub use events::Events;
pub use grant::{
    Credential, Denied, Grant, Lease, MayAdminister, MayPublish, MaySubscribe, Trusted,
};
pub use hub::{
    Admission, Hub, Joining, Page, Publication, PublishError, SubscribeError, Subscribed,
};
pub use limits::Limits;
pub use log::{
    AnswerTo, Answers, AppendError, Batch, Durability, Feed, FeedLoss, IdempotencyKey, Log, Lost,
    Missing, ReadBudget, Receipt, Slice, TopicStatus,
};
pub use memory::MemoryLog;
pub use page::PageReader;
pub use pattern::{Selector, SelectorError, TopicPattern};
pub use position::{Epoch, EventId, Seq};
pub use retention::{Retention, RetentionRules};
pub use subscription::{Gap, GapReason, Resume, Selection, SelectionError, Start, Subscription};
pub use topic::{TopicError, TopicName};
pub use wakeups::{Bell, SubscriberId};
