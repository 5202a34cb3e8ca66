//! For tests: a real hub on port 0, and those who talk to it over real sockets.
//!
//! A test reads as a script: start a [`TestHub`], open [`Subscriber`]s, publish, expect. Nothing
//! sleeps; everything waits for what it expects, up to a [`DEADLINE`], and panics when it does not
//! come.
//!
//! - `hub`: the hub under test and where it listens;
//! - `ask`: one request and its whole answer;
//! - `connection`: the HTTP connection below a request;
//! - `subscriber`: an open event stream, in whatever form;
//! - `reading`: events out of the bytes of a form;
//! - `pipe`: a publisher that streams its body;
//! - `raw`: a socket on which every byte is the test's;
//! - [`disk`]: a disk that fails, fills up and loses its power;
//! - [`load`]: publishers and subscribers for campaigns, against a hub that may vanish;
//! - [`journal`], [`checker`]: what they were told, and whether the hub kept its word.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod ask;
pub mod checker;
mod connection;
pub mod disk;
mod hub;
pub mod journal;
pub mod load;
mod pipe;
mod raw;
mod reading;
mod subscriber;

use std::future::Future;
use std::time::Duration;

pub use ask::{Answer, Ask, Stored};
pub use connection::{Connection, Protocol};
pub use hub::{Address, TestHub, TestHubBuilder};
pub use pipe::Pipe;
pub use raw::RawConnection;
pub use reading::{Item, Received};
pub use subscriber::{Form, Opening, Subscriber};

/// Longer than any single step takes on a busy machine, and short enough to wait for.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for what is expected.
///
/// # Panics
/// When it does not come before the [`DEADLINE`]; the message names it.
pub async fn expect<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_elapsed) => panic!("waited {DEADLINE:?} in vain for {what}"),
    }
}

/// Waits until a condition holds that nothing announces, looking again and again.
///
/// # Panics
/// When it does not hold before the [`DEADLINE`].
pub async fn until<Fut: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> Fut) {
    expect(what, async {
        while !holds().await {
            // tidy: allow(sleep-in-test): the one place that polls, within a deadline.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
