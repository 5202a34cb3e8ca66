//! Tests of the crate's public face, in one binary.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a failed unwrap is the failed test"
)]

mod fetching;
mod fixture;
mod follower;
mod gaps;
mod model;
mod random;
mod wakeups;
mod world;
