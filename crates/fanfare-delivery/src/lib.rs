//! Moves events from cursors to sockets, as fast as the kernel takes them.
//!
//! One thread per core, each with its own epoll, its own connections and its own lists of who
//! follows which topic. A shard follows the whole log with one cursor; what became visible is laid
//! out once for each topic and sent with one call to each subscriber, and what is published
//! meanwhile rides in the next sweep. A socket that does not take bytes is left alone until it
//! does; its subscriber is then a cursor that reads the log by itself.
//!
//! The crate knows sockets and cursors, and of protocols only how a body is framed: requests are
//! read, and answers are worded, by whoever implements [`Door`].
//!
//! In reading order:
//!
//! - [`door`]: what the driver asks of a protocol;
//! - [`shards`]: all shards of a server;
//! - `inbox`, `alarm`: what a shard is told by others, and how it wakes;
//! - `framing`: the chunks in which everything is sent;
//! - `table`, `wheel`, `socket`: connections by number, their timers, their system calls;
//! - `interests`: who follows which topic;
//! - `strip`, `tape`, `lately`: what is new in a topic, what was sent of it, and what was read of
//!   its past, for those who come for the same;
//! - `stream`: one subscriber;
//! - `shard`: the loop of one thread, and in its modules what a turn of it does.
//!
//! On systems without epoll the crate is empty.
#![cfg(target_os = "linux")]

mod alarm;
pub mod door;
mod framing;
mod inbox;
mod interests;
mod lately;
mod leases;
mod shard;
pub mod shards;
mod socket;
mod stream;
mod strip;
mod table;
mod tape;
mod wheel;

/// What threads share without a lock; `models/` puts its own in the place.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicU8, Ordering};
}

pub use door::{Door, Handed, Knock, Opening, Stay};
pub use shard::bytes_of_a_subscriber;
pub use shards::Shards;
pub use socket::prepare;
