//! What all requests share: the hub, the settings, and the word that it is time to stop.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanfare_hub::Hub;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::{Request, Response};
use crate::clock;
use crate::cors::Cors;
use crate::metrics::Metrics;
use crate::routes;

/// A response that is on its way.
pub type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Something of the embedder's that answers the requests below a prefix.
pub trait Route: Send + Sync + 'static {
    /// Answers one request. The path is the whole one, prefix included.
    fn call(&self, request: Request) -> Answer;
}

impl<F, Fut> Route for F
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    fn call(&self, request: Request) -> Answer {
        Box::pin(self(request))
    }
}

/// What the operator or the embedder chose.
#[derive(Clone, Default)]
pub struct Settings {
    /// Which pages of other origins may use the hub.
    pub cors: Cors,
    /// Where `GET /` leads a person.
    pub home: Option<String>,
    /// Routes of the embedder, by the prefix of their path.
    pub mounts: Vec<(String, Arc<dyn Route>)>,
}

/// What all requests share. A cheap handle.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
    settings: Arc<Settings>,
}

struct Shared {
    hub: Hub,
    metrics: Metrics,
    started: Instant,
    /// Cancelled when streams and idle connections shall end.
    drain: CancellationToken,
    /// Connections, HTTP/2 streams and WebSockets: what a stop waits for.
    tasks: TaskTracker,
    /// Cancelled when it has waited long enough.
    abort: CancellationToken,
}

impl App {
    /// An application over a hub. Must be called within a tokio runtime: it applies retention by
    /// age once a second until the last handle is dropped or the hub drains.
    #[must_use]
    pub fn new(hub: Hub, settings: Settings) -> Self {
        let drain = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(trim_by_age(hub.clone(), drain.clone()));
        Self {
            shared: Arc::new(Shared {
                metrics: Metrics::new(&hub),
                hub,
                started: Instant::now(),
                drain,
                tasks,
                abort: CancellationToken::new(),
            }),
            settings: Arc::new(settings),
        }
    }

    /// The same application as another listener or embedder shall see it.
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            settings: Arc::new(settings),
        }
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// What was chosen.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Cancelled when streams and idle connections shall end.
    #[must_use]
    pub fn drain_token(&self) -> &CancellationToken {
        &self.shared.drain
    }

    pub(crate) fn abort_token(&self) -> &CancellationToken {
        &self.shared.abort
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.shared.tasks
    }

    /// Runs a task that a stop waits for, and ends in the end.
    pub fn track(&self, task: impl Future<Output = ()> + Send + 'static) {
        let abort = self.shared.abort.clone();
        self.shared
            .tasks
            .spawn(async move { abort.run_until_cancelled(task).await });
    }

    /// Answers one request, as a server does.
    pub async fn answer(&self, mut request: Request) -> Response {
        request.extensions_mut().insert(self.clone());
        routes::answer(self, request).await
    }

    /// Whether the hub is stopping.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.drain.is_cancelled()
    }

    /// Ends all streams with a spread `retry:`, lets requests in flight finish, and waits for both
    /// no longer than the drain deadline.
    pub async fn drain(&self) {
        self.shared.drain.cancel();
        self.shared.tasks.close();
        let deadline = self.hub().limits().drain_deadline;
        if tokio::time::timeout(deadline, self.shared.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                open = self.shared.tasks.len(),
                "drain deadline passed, closing the rest"
            );
            self.shared.abort.cancel();
            self.shared.tasks.wait().await;
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.drain.cancel();
    }
}

async fn trim_by_age(hub: Hub, drain: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while drain.run_until_cancelled(ticks.tick()).await.is_some() {
        hub.log().trim(clock::now());
    }
}
