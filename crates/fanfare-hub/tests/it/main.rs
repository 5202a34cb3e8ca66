//! Tests of the crate's public face, in one binary.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a failed unwrap is the failed test"
)]

mod fixture;
mod gaps;
