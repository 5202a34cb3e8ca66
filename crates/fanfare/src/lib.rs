//! Fanfare in your own server: publish events, and stream them to browsers over Server-Sent Events.
//!
//! A [`Hub`] keeps one log of events, in memory or in a folder. Publish to a topic from anywhere;
//! answer a request with a subscription and the browser follows, resumes after a lost connection,
//! and is told when something is gone.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = fanfare::Hub::in_memory();
//! hub.publish("chat", "hello").await?;
//!
//! // In a route of axum, hyper or whatever speaks `http`:
//! let headers = http::HeaderMap::new();
//! let response = hub.subscribe("chat").resume(&headers).respond().await;
//! # Ok(()) }
//! ```
//!
//! In reading order:
//!
//! - [`hub`]: the hub and how it is built;
//! - [`memory`]: what it may take at most;
//! - [`subscribe`]: a subscription, as a response or as a Rust stream;
//! - [`check`]: whether a hub does its work;
//! - [`server`]: the whole hub on a listener of its own;
//! - [`service`]: the whole hub as a service within another server.

pub mod check;
pub mod hub;
pub mod memory;
pub mod server;
pub mod service;
pub mod subscribe;

pub use check::Health;
pub use fanfare_auth as auth;
pub use fanfare_http::app::Answer;
pub use fanfare_http::{
    Body, COOKIE_DEFAULT, Carriers, Cors, Problem, Proxies, ProxyError, Request, RequestBody,
    Response, Route, collect, websocket,
};
pub use fanfare_hub::limits;
pub use fanfare_hub::{
    AppendError, Durability, EventId, EventType, EventTypeError, Gap, GapReason, Limits, NewEvent,
    PublishError, Receipt, Retention, RetentionRules, Selector, SelectorError, Timestamp,
    TopicError, TopicName,
};
pub use fanfare_log::OpenError;
pub use hub::{Hub, HubBuilder, HubError};
pub use server::{Controls, Server};
pub use service::Service;
pub use subscribe::{Event, EventStream, History, StreamItem, Subscribe};
