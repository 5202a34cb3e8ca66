//! The client against scripted servers on real sockets, each of which says byte for byte what a
//! hub, a proxy or a broken network may say; and against a real hub, where its own words matter.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod credentials;
mod heartbeat;
mod publish;
mod script;
mod stream;
mod subscribe;
mod tls;
