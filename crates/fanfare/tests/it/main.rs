//! The library as an embedder uses it: only through its public face, and seen from outside through
//! real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod axum_app;
mod checking;
mod keeping;
mod publishing;
mod serving;
mod streaming;
