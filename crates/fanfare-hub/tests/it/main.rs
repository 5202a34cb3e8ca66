//! Tests of the crate's public face, in one binary.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a failed unwrap is the failed test"
)]

mod answers;
mod concurrent;
mod fetching;
mod fixture;
mod follower;
mod gaps;
mod idempotency;
mod many_topics;
mod model;
mod random;
mod sharing;
mod starts;
mod wakeups;
mod world;
