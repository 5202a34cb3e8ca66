//! What all requests share: the hub, the settings, and the word that it is time to stop.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use fanfare_auth::Auth;
use fanfare_hub::{Event, Hub, Lease, Publication, PublishError, Receipt};
use http::header::{HOST, UPGRADE};
use http::{HeaderMap, HeaderValue, Uri};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::address::Proxies;
use crate::auth::{Asker, Asking, Carriers};
use crate::body::{Request, Response};
use crate::clock;
use crate::cors::Cors;
use crate::envelope::Envelopes;
use crate::metrics::{Metrics, OpenStream};
use crate::negotiate::Form;
use crate::problem::Problem;
use crate::quota::{Quotas, Slot, Slots};
use crate::routes;
use crate::server::Seat;

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
    /// Who may do what; everybody everything unless it is set.
    pub auth: Auth,
    /// Where requests carry what says who sends them.
    pub carriers: Carriers,
    /// Whose word about the addresses of clients counts.
    pub proxies: Proxies,
    /// Where `GET /` leads a person.
    pub home: Option<String>,
    /// Routes of the embedder, by the prefix of their path.
    pub mounts: Vec<(String, Arc<dyn Route>)>,
}

/// Settings that can change while requests are answered: each request is answered by those that
/// it finds.
pub type SharedSettings = Arc<ArcSwap<Settings>>;

/// What all requests share. A cheap handle.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
    settings: SharedSettings,
    /// Who may do what, which changes in place.
    auth: Auth,
    /// What the connection below holds while it is open, which a WebSocket goes on to hold.
    place: Option<Arc<Place>>,
}

/// One connection among those there may be, and one more in the count.
pub(crate) struct Place {
    pub(crate) _seat: Seat,
    pub(crate) _open: OpenStream,
    /// The event stream that the connection has become.
    pub(crate) stream: Option<OpenStream>,
    /// Who is there; apart, because most connections of a crowd are idle and of no note.
    pub(crate) origin: Option<Box<Origin>>,
}

/// From where a connection is, and what is counted of it.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// Nobody knows of the machine's own, unless it is a proxy.
    pub(crate) peer: Option<IpAddr>,
    /// One among the connections that its address may have.
    pub(crate) _slot: Option<Slot>,
    /// One among the event streams that its client may have.
    pub(crate) _slots: Option<Box<Slots>>,
}

impl Place {
    /// From where the connection is.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.origin.as_ref().and_then(|origin| origin.peer)
    }

    /// Counts the connection as an event stream, too.
    pub(crate) fn count_stream(&mut self, app: &App, form: Form, slots: Option<Box<Slots>>) {
        if slots.is_some() {
            self.origin.get_or_insert_default()._slots = slots;
        }
        self.stream = Some(app.metrics().open_stream(form.media_type()));
    }
}

/// Something that serves connections beside the runtime, and has to be told how far a stop is.
pub(crate) trait Driver: Send + Sync {
    /// Nothing more is taken in.
    fn stop(&self);
    /// Streams end.
    fn drain(&self);
    /// Everything ends at once.
    fn abort(&self);
}

struct Shared {
    hub: Hub,
    /// Events as JSON, for all who want them so.
    envelopes: Envelopes,
    metrics: Metrics,
    quotas: Quotas,
    started: Instant,
    /// Cancelled when nothing more is taken in: no publish, and no request on an idle connection.
    stop: CancellationToken,
    /// Publishes in flight: what streams are kept open for, so that they see it.
    publishes: TaskTracker,
    /// Cancelled when streams shall end.
    drain: CancellationToken,
    /// Connections, HTTP/2 streams and WebSockets: what a stop waits for.
    tasks: TaskTracker,
    /// Cancelled when it has waited long enough.
    abort: CancellationToken,
    /// Who else has to be told.
    drivers: Mutex<Vec<Weak<dyn Driver>>>,
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
                envelopes: Envelopes::new(hub.limits().envelope_bytes_max),
                metrics: Metrics::new(&hub),
                quotas: Quotas::default(),
                hub,
                started: Instant::now(),
                stop: CancellationToken::new(),
                publishes: TaskTracker::new(),
                drain,
                tasks,
                abort: CancellationToken::new(),
                drivers: Mutex::default(),
            }),
            auth: settings.auth.clone(),
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            place: None,
        }
    }

    /// The same application on one connection.
    pub(crate) fn at(&self, place: Place) -> Self {
        Self {
            place: Some(Arc::new(place)),
            ..self.clone()
        }
    }

    /// The same application as another listener or embedder shall see it.
    #[must_use]
    pub fn with_settings(&self, settings: SharedSettings) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            auth: settings.load().auth.clone(),
            settings,
            place: None,
        }
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// What is chosen now.
    #[must_use]
    pub fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// The line of an event in JSON.
    pub(crate) fn envelope(&self, event: &Event) -> Bytes {
        let epoch = self.hub().log().epoch();
        self.shared.envelopes.line(event, epoch)
    }

    /// Who may do what.
    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Finds out who sends a request, and what they may do.
    pub(crate) fn asker(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        writes: bool,
    ) -> Result<Asker, Problem> {
        let peer = self.place.as_ref().and_then(|place| place.peer());
        self.asker_at(peer, headers, uri, writes)
    }

    /// The same for a request that came from there.
    pub(crate) fn asker_at(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        uri: &Uri,
        writes: bool,
    ) -> Result<Asker, Problem> {
        let asking = Asking {
            headers,
            uri,
            peer,
            auth: self.auth(),
            settings: &self.settings(),
            quotas: self.quotas(),
            writes,
        };
        asking.asker()
    }

    /// Whether what somebody began may go on: its credential may have ended meanwhile.
    pub(crate) fn may_go_on(&self, lease: Option<&Lease>) -> Result<(), Problem> {
        let lapse = lease.and_then(|lease| self.auth().lapse(lease, clock::now()));
        lapse.map_or(Ok(()), |lapse| Err(Problem::lapsed(lapse)))
    }

    /// Counts one more event stream of whoever asks for it; nothing where nobody is charged.
    pub(crate) fn open_stream(&self, asker: &Asker) -> Result<Option<Box<Slots>>, Problem> {
        self.quotas()
            .open_stream(asker.payer(), &self.hub().limits())
    }

    /// How much each may take.
    pub(crate) fn quotas(&self) -> &Quotas {
        &self.shared.quotas
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Cancelled when nothing more is taken in: no connection, and no publish.
    #[must_use]
    pub fn stop_token(&self) -> &CancellationToken {
        &self.shared.stop
    }

    /// Cancelled when streams shall end, once what was being published is stored.
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

    /// Has a driver told how far a stop is, for as long as it lives.
    pub(crate) fn add_driver(&self, driver: Weak<dyn Driver>) {
        let drivers = self.shared.drivers.lock();
        drivers.unwrap_or_else(PoisonError::into_inner).push(driver);
    }

    fn tell_drivers(&self, tell: impl Fn(&dyn Driver)) {
        let drivers = self.shared.drivers.lock();
        let drivers = drivers.unwrap_or_else(PoisonError::into_inner);
        for driver in drivers.iter().filter_map(Weak::upgrade) {
            tell(&*driver);
        }
    }

    /// Runs a task that a stop waits for, and ends in the end.
    pub fn track(&self, task: impl Future<Output = ()> + Send + 'static) {
        let abort = self.shared.abort.clone();
        self.shared
            .tasks
            .spawn(async move { abort.run_until_cancelled(task).await });
    }

    /// Publishes, and counts what was stored.
    ///
    /// # Errors
    /// Nothing was stored, and the error says why.
    pub async fn publish(&self, publication: Publication) -> Result<Receipt, PublishError> {
        let receipt = self.hub().publish(publication, clock::now()).await?;
        if !receipt.is_replayed {
            self.metrics().published(receipt.count);
        }
        Ok(receipt)
    }

    /// Lets a publish in, unless the hub is stopping. Streams are not ended while the token lives.
    pub(crate) fn let_in(&self) -> Result<TaskTrackerToken, Problem> {
        // Counted first, looked at afterwards: a stop that comes in between waits for it.
        let token = self.shared.publishes.token();
        if self.is_draining() {
            return Err(Problem::draining());
        }
        Ok(token)
    }

    /// Answers one request, as a server does.
    pub async fn answer(&self, mut request: Request) -> Response {
        // HTTP/2 names the host in the URI (RFC 9113 8.3.1); CORS compares it with the origin.
        if !request.headers().contains_key(HOST)
            && let Some(authority) = request.uri().authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            request.headers_mut().insert(HOST, host);
        }
        // What an embedder's route needs to upgrade; other requests are spared the map.
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(self.clone());
        }
        routes::answer(self, request).await
    }

    /// Answers a request that is refused before its route is looked for.
    pub(crate) fn refuse(&self, problem: Problem) -> Response {
        self.metrics().refused(problem.code());
        problem.into_response()
    }

    /// Whether the hub is stopping.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.stop.is_cancelled()
    }

    /// Lets publishes in flight finish, then ends all streams with a spread `retry:`, and waits for
    /// both no longer than the drain deadline.
    pub async fn drain(&self) {
        self.shared.stop.cancel();
        self.tell_drivers(|driver| driver.stop());
        self.shared.publishes.close();
        self.shared.tasks.close();
        let deadline = self.hub().limits().drain_deadline;
        let end = async {
            // A publisher that is slow with its body leaves half of the time to the streams.
            drop(tokio::time::timeout(deadline / 2, self.shared.publishes.wait()).await);
            self.shared.drain.cancel();
            self.tell_drivers(|driver| driver.drain());
            self.shared.tasks.wait().await;
        };
        if tokio::time::timeout(deadline, end).await.is_err() {
            tracing::warn!(
                open = self.shared.tasks.len(),
                "drain deadline passed, closing the rest"
            );
            self.shared.abort.cancel();
            self.tell_drivers(|driver| driver.abort());
            self.shared.tasks.wait().await;
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
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
