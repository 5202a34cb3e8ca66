//! The counter: a count each second, to a page of another origin, on a
//! stream that ends now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanfare::{Hub, Request, Response};
use http::header::{HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::{self, Instant};

use crate::while_watched::WhileWatched;

const TOPIC: &str = "playground/counter";
/// The pace of a count that people can follow.
const SECOND: Duration = Duration::from_secs(1);
/// Ten counts and a half: the end of a stream never meets a count.
const STREAM_AGE_MAX: Duration = Duration::from_millis(10_500);
/// Lets a page of another origin read how its browser fetched the stream
/// (Resource Timing).
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// The page behind the link with which a person accepts the certificate.
pub(crate) const ACCEPTED: &str = "counter/accepted";
pub(crate) const ACCEPTED_PAGE: &str = include_str!("../assets/accepted.html");

/// The route of the counter.
pub(crate) struct Counter {
    hub: Hub,
    timer: Arc<WhileWatched>,
}

impl Counter {
    pub(crate) fn new(hub: Hub) -> Self {
        let publisher = hub.clone();
        // The count survives the timer: it goes on where it stopped.
        let count = Arc::new(AtomicU64::new(0));
        let timer = WhileWatched::new(TOPIC, move || tick(publisher.clone(), Arc::clone(&count)));
        Self { hub, timer }
    }

    /// `GET event`: counts, for ten seconds. Then the stream ends, and
    /// the browser asks again by itself with the id of the last count it
    /// saw.
    pub(crate) fn event(&self, request: &Request) -> impl Future<Output = Response> + use<> {
        let watcher = self.timer.watch();
        let response = self
            .hub
            .subscribe(TOPIC)
            .resume(request.headers())
            .on_close(move || drop(watcher))
            .respond();
        async { with_timing(response.await.map(|body| body.closes_after(STREAM_AGE_MAX))) }
    }
}

/// Allows the page to see the protocol ("h2") of this response.
pub(crate) fn with_timing(mut response: Response) -> Response {
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(TIMING_ALLOW_ORIGIN, any);
    response
}

async fn tick(hub: Hub, count: Arc<AtomicU64>) {
    let mut seconds = time::interval_at(Instant::now() + SECOND, SECOND);
    loop {
        seconds.tick().await;
        let counter = count.fetch_add(1, Ordering::Relaxed) + 1;
        if let Err(error) = hub
            .publish(TOPIC, json!({ "counter": counter }).to_string())
            .await
        {
            tracing::warn!(target: "playground", %error, "counter: count not published");
        }
    }
}
