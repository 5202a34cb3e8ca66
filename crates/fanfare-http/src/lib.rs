//! HTTP for the hub: publish with POST, subscribe with GET, and the hub's own routes.
//!
//! This crate knows HTTP and nothing of files or brokers. In reading order:
//!
//! - [`server`]: sockets, TLS, connections, and how they end;
//! - [`app`]: what all requests share;
//! - `routes`: which request goes where;
//! - `publish` and `ingest`: POST, for whole bodies and for streams;
//! - `subscribe`, `negotiate` and `query`: GET, and what it asks for;
//! - [`stream`] and `envelope`: a cursor as a response body, in both its forms;
//! - `page` and [`websocket`]: the other two forms;
//! - `auth`: who asks, and what they may do;
//! - `address` and `quota`: where they are, and how much each may take;
//! - `own` and `metrics`: health, what the hub tells of itself;
//! - [`cors`], [`problem`], [`body`], [`clock`]: what they all use.

mod address;
pub mod app;
mod auth;
pub mod body;
pub mod clock;
pub mod cors;
mod envelope;
mod ingest;
mod metrics;
mod negotiate;
mod own;
mod page;
pub mod problem;
mod publish;
mod query;
mod quota;
mod routes;
pub mod server;
pub mod stream;
mod subscribe;
pub mod websocket;

pub use address::{Proxies, ProxyError};
pub use app::{App, Route, Settings};
pub use auth::{COOKIE_DEFAULT, Carriers};
pub use body::{Body, BoxError, Request, RequestBody, Response, collect};
pub use cors::Cors;
pub use problem::Problem;
pub use server::Server;
pub use stream::EventBody;
pub use subscribe::open_sse;
