//! A load engine for servers that speak Server-Sent Events. One thread and one epoll hold all
//! subscribers and all publishers; what arrives is counted, its order checked and its latency
//! recorded without an allocation or a copy per event, so that the server is what limits.
//!
//! In reading order: [`Target`] says what to ask for and what to send, [`Load`] opens subscribers
//! and publishers and drives them, [`scenario`] has the measurements that are made of that, and
//! [`usage`] reads what the server's processes cost meanwhile. Inside, `stream` takes the framing
//! of a response away, `mark` finds the events, and `ledger` knows which should come next.

#![cfg(target_os = "linux")]

mod answer;
mod check;
mod clock;
pub mod cores;
pub mod descriptors;
mod ledger;
mod load;
mod mark;
mod publisher;
mod refusal;
pub mod scenario;
pub mod stats;
mod stream;
mod subscriber;
mod target;
pub mod usage;

pub use check::{Board, Follower};
pub use ledger::Tally;
pub use load::{Load, Pace, Progress, Start, Watch};
pub use refusal::{Refusal, Role};
pub use stats::Latencies;
pub use target::{PAYLOAD_BYTES_MIN, Publish, Subscribe, Target};
