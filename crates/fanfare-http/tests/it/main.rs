//! The hub over real sockets: every promise of the HTTP contract, provoked.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod access;
mod cors;
mod draining;
mod early;
mod ending;
mod everybody;
mod gaps;
mod handing;
mod idempotency;
mod kernel;
mod methods;
mod opening;
mod pages;
mod piping;
mod problems;
mod quotas;
mod refused;
mod resuming;
mod slow;
mod sockets;
mod storage;
mod sweeping;
mod telling;
mod tokens;
