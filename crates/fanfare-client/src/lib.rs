//! The client of a Fanfare hub: publishes events, and follows topics through lost connections
//! without losing an event. It speaks HTTP/1.1, over TLS for `https://`, and needs a Tokio runtime.
//!
//! Modules in reading order:
//!
//! - `client`: the handle from which everything starts.
//! - `credentials`: header fields that are made for each request.
//! - `publication`, `publish`, `outgoing`: what can be published, the request that does it, and the
//!   body that is still being made.
//! - `history`, `event`: what a subscriber asks for and what it gets.
//! - `subscribe`: the driver of a subscriber: link, decoding, delivery.
//! - `machine`, `backoff`: the states of a subscriber and the waits between them; pure.
//! - `attempt`: one request for a stream, with its redirects.
//! - `form`: the two forms of a stream, decoded.
//! - `transport`, `address`: connections, and where they lead.
//! - `problem`, `loss`: what goes wrong for good, and what may pass.

mod address;
mod attempt;
mod backoff;
mod client;
mod credentials;
mod event;
mod form;
mod history;
mod loss;
mod machine;
mod outgoing;
mod problem;
mod publication;
mod publish;
mod subscribe;
mod transport;

pub use address::{AddressError, HubUrl};
pub use backoff::{RetryPolicy, Unreachable};
pub use client::Client;
pub use credentials::{Attempted, CredentialsError};
pub use event::{Event, Gap, Update};
pub use history::{History, HistoryError};
pub use loss::Loss;
pub use machine::State;
pub use problem::{Problem, Stored};
pub use publication::{EventTypeError, NewEvent, Publication};
pub use publish::{Publish, PublishError, Receipt};
pub use subscribe::{Subscribe, SubscribeError, Subscriber};
