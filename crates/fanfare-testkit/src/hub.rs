//! The hub under test: a server on port 0 over a memory log, and the address that it listens on.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use fanfare_auth::Auth;
use fanfare_http::{App, Cors, Proxies, Route, Server, Settings};
use fanfare_hub::{Epoch, Hub, Limits, Log, MemoryLog, Retention, RetentionRules};
use http::Method;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ask::{Ask, Stored};
use crate::pipe::Pipe;
use crate::raw::RawConnection;
use crate::subscriber::{Form, Subscriber};

/// Where a server listens: the start of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

impl Address {
    /// A request that can still be added to.
    pub fn ask(self, method: Method, path: &str) -> Ask {
        Ask::new(self, method, path)
    }

    /// A GET that can still be added to.
    pub fn fetch(self, path: &str) -> Ask {
        self.ask(Method::GET, path)
    }

    /// A POST that can still be added to.
    pub fn post(self, path: &str, body: impl Into<bytes::Bytes>) -> Ask {
        self.ask(Method::POST, path).body(body)
    }

    /// Publishes one event.
    ///
    /// # Panics
    /// When it was not stored.
    pub async fn publish(self, path: &str, body: &str) -> Stored {
        self.post(path, body.to_owned()).send().await.stored()
    }

    /// Publishes so many events, `0`, `1`, `2` and so on, in one batch.
    pub async fn publish_many(self, path: &str, count: usize) -> Stored {
        let lines: String = (0..count).map(|number| format!("{number}\n")).collect();
        let post = self.post(path, lines);
        let post = post.header("content-type", "application/x-ndjson");
        post.send().await.stored()
    }

    /// Opens an event stream. It is attached when this returns.
    pub async fn subscribe(self, form: Form, path: &str) -> Subscriber {
        self.fetch(path).subscribe(form).await
    }

    /// Starts a POST whose body is sent piece by piece.
    pub async fn pipe(self, path: &str, content_type: &str) -> Pipe {
        let post = self.ask(Method::POST, path);
        post.header("content-type", content_type).pipe().await
    }

    /// Opens a socket on which every byte is the test's.
    pub async fn raw(self) -> RawConnection {
        RawConnection::open(self).await
    }
}

/// A hub with a server on port 0. Ends when it is dropped.
pub struct TestHub {
    address: Address,
    server: Server,
    stop: CancellationToken,
}

/// What of a hub differs from the defaults.
#[derive(Default)]
pub struct TestHubBuilder {
    limits: Limits,
    retention: RetentionRules,
    settings: Settings,
    epoch: Option<Epoch>,
    listener: Option<TcpListener>,
}

/// Names the driver that hubs under test deliver with: `runtime`, or as a server chooses by itself.
/// The same tests pass with both.
const DRIVER: &str = "FANFARE_TEST_DRIVER";

fn driven(server: Server) -> Server {
    match std::env::var(DRIVER).as_deref() {
        Err(_) => server,
        Ok("runtime") => server.on_runtime(),
        Ok(other) => panic!("{DRIVER} is {other:?} and can only be `runtime`"),
    }
}

impl TestHub {
    /// A hub with default bounds.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A hub whose bounds are still to be set.
    #[must_use]
    pub fn builder() -> TestHubBuilder {
        TestHubBuilder::default()
    }

    /// Where the hub listens.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// The application behind the server.
    #[must_use]
    pub fn app(&self) -> &App {
        self.server.app()
    }

    /// Stops accepting and ends everything as a signal to the process does; returns when it ended.
    pub async fn drain(&self) {
        self.stop.cancel();
        self.server.drain().await;
    }
}

impl Deref for TestHub {
    type Target = Address;

    fn deref(&self) -> &Address {
        &self.address
    }
}

impl Drop for TestHub {
    fn drop(&mut self) {
        self.stop.cancel();
        // Streams end here; what is left of them ends with the runtime of the test.
        self.server.app().drain_token().cancel();
    }
}

impl TestHubBuilder {
    /// Changes bounds.
    #[must_use]
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Keeps so many events of each topic.
    #[must_use]
    pub fn keep_events(mut self, events_max: u64) -> Self {
        self.retention.topic = Retention {
            events_max,
            ..Retention::UNBOUNDED
        };
        self
    }

    /// Sets which pages may use the hub.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.settings.cors = cors;
        self
    }

    /// Sets who may do what.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.settings.auth = auth;
        self
    }

    /// Sets whose word about the addresses of clients counts.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.settings.proxies = proxies;
        self
    }

    /// Has `route` answer below a prefix.
    #[must_use]
    pub fn mount(mut self, prefix: &str, route: impl Route) -> Self {
        self.settings
            .mounts
            .push((prefix.to_owned(), Arc::new(route)));
        self
    }

    /// Sets where `GET /` leads a person.
    #[must_use]
    pub fn home(mut self, path: &str) -> Self {
        self.settings.home = Some(path.to_owned());
        self
    }

    /// Starts the incarnation of the log that these random bits make.
    #[must_use]
    pub fn epoch(mut self, entropy: u32) -> Self {
        self.epoch = Some(Epoch::from_entropy(entropy));
        self
    }

    /// Accepts on this listener, at which somebody may be waiting already.
    #[must_use]
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Starts the hub.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub async fn start(self) -> TestHub {
        let epoch = self.epoch.unwrap_or_else(|| Epoch::from_entropy(0x2bad));
        let log = MemoryLog::new(epoch, self.retention.clone(), &self.limits);
        self.start_on(Arc::new(log)).await
    }

    /// Starts the hub over a log of the test's own.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub async fn start_on(self, log: Arc<dyn Log>) -> TestHub {
        let server = driven(Server::new(Hub::new(log, self.limits), self.settings));
        let listener = match self.listener {
            Some(listener) => listener,
            None => TcpListener::bind("127.0.0.1:0").await.unwrap(),
        };
        let address = Address(listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let (accepting, stopped) = (server.clone(), stop.clone());
        tokio::spawn(async move {
            let stopped = stopped.cancelled();
            accepting.accept(listener, None, stopped).await;
        });
        TestHub {
            address,
            server,
            stop,
        }
    }
}
