//! Sockets: accepts connections, bounds them in number and in time, and lets them end.
//!
//! Where there is epoll, connections without TLS belong to the delivery shards, which hand on what
//! they have no business with; all others are tasks of the runtime.

mod connection;
#[cfg(target_os = "linux")]
mod door;
#[cfg(target_os = "linux")]
mod on_shards;
#[cfg(target_os = "linux")]
mod plain;
mod seldom;
#[cfg(target_os = "linux")]
mod unread;
#[cfg(target_os = "linux")]
mod wording;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanfare_hub::Hub;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::app::{App, Place, Settings};

/// How long to wait before accepting again when the process is out of descriptors. Connections
/// close all the time; trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Least time between two warnings of that. Whoever holds the descriptors must not fill the log,
/// and an operator looks no more often.
const WARNING_PAUSE: Duration = Duration::from_secs(10);

/// A server of one hub. A cheap handle; it may serve several listeners.
#[derive(Clone)]
pub struct Server {
    app: App,
    /// One permit for each connection, over all listeners.
    connections: Arc<Semaphore>,
    #[cfg(target_os = "linux")]
    shards: on_shards::Lazy,
}

impl Server {
    /// A server of this hub. Must be called within a tokio runtime.
    #[must_use]
    pub fn new(hub: Hub, settings: Settings) -> Self {
        Self::with_app(App::new(hub, settings))
    }

    /// A server of what is embedded elsewhere too.
    #[must_use]
    pub fn with_app(app: App) -> Self {
        let connections_max = app
            .hub()
            .limits()
            .connections_max
            .min(Semaphore::MAX_PERMITS);
        Self {
            app,
            connections: Arc::new(Semaphore::new(connections_max)),
            #[cfg(target_os = "linux")]
            shards: on_shards::Lazy::default(),
        }
    }

    /// Serves every connection as a task of the runtime, as on systems without epoll.
    #[must_use]
    pub fn on_runtime(self) -> Self {
        #[cfg(target_os = "linux")]
        self.shards.forgo();
        self
    }

    /// What the requests share.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Accepts connections until `stop` resolves. Connections live on; see [`Server::drain`].
    pub async fn accept(
        &self,
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        stop: impl Future<Output = ()>,
    ) {
        tokio::pin!(stop);
        #[cfg(target_os = "linux")]
        let listener = match &tls {
            None => match self.accept_on_shards(listener, &mut stop).await {
                None => return,
                Some(listener) => listener,
            },
            Some(_) => listener,
        };
        let tls = tls.map(TlsAcceptor::from);
        let mut warned = None;
        loop {
            let accepted = tokio::select! {
                () = &mut stop => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, _)) => self.serve(socket, tls.clone()),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    let is_due = warned.is_none_or(|at: Instant| at.elapsed() >= WARNING_PAUSE);
                    if is_due {
                        tracing::warn!(%error, "cannot accept connections, trying again");
                        warned = Some(Instant::now());
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Ends all streams with a spread `retry:`, lets requests in flight finish, and waits for both
    /// no longer than the drain deadline.
    pub async fn drain(&self) {
        self.app.drain().await;
    }

    fn serve(&self, socket: TcpStream, tls: Option<TlsAcceptor>) {
        let Some(place) = place(&self.app, &self.connections) else {
            return;
        };
        let app = self.app.at(place);
        let run = connection::run(app.clone(), socket, tls);
        self.app.tasks().spawn(connection::unless_aborted(app, run));
    }
}

/// A place for one more connection.
fn place(app: &App, connections: &Arc<Semaphore>) -> Option<Place> {
    // One more would take the descriptors that publishing and the log need.
    let Ok(permit) = Arc::clone(connections).try_acquire_owned() else {
        tracing::debug!("as many connections as may be, closing a new one");
        return None;
    };
    Some(Place {
        _permit: permit,
        _open: app.metrics().open_connection(),
        stream: None,
    })
}

/// Whether the trouble is that of the one connection that was to be accepted (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
