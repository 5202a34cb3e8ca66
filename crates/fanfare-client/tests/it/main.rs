//! The client against scripted servers on real sockets: each says byte for byte what a hub, a proxy
//! or a broken network may say.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod credentials;
mod publish;
mod script;
mod stream;
mod subscribe;
mod tls;
