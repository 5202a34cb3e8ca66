//! The binary as others see it: a process, its sockets and its output.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod access;
mod bad_input;
#[cfg(target_os = "linux")]
mod bench;
mod config;
mod discretion;
mod durable;
mod folder;
mod jwks;
mod program;
mod proxy;
mod publish;
mod relay;
mod subscribe;
mod supervise;
mod texts;
mod tls;
