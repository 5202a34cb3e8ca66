//! The durable log as one sees it from outside: through its public face, over storage that fails.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod answers;
mod behind;
mod crash;
mod faults;
mod oracle;
mod space;
mod storage;
mod wait;
