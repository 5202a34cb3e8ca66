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
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fanfare_hub::Hub;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::app::{App, Origin, Place, Settings};

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
    /// One for each connection, over all listeners.
    connections: Seats,
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
        Self {
            app,
            connections: Seats::default(),
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
                Ok((socket, peer)) => self.serve(socket, peer.ip(), tls.clone()),
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

    fn serve(&self, socket: TcpStream, peer: IpAddr, tls: Option<TlsAcceptor>) {
        let Some(place) = place(&self.app, &self.connections, peer) else {
            return;
        };
        let app = self.app.at(place);
        let run = connection::run(app.clone(), socket, tls);
        self.app.tasks().spawn(connection::unless_aborted(app, run));
    }
}

/// The connections of a server. A cheap handle.
#[derive(Clone, Debug, Default)]
struct Seats(Arc<AtomicUsize>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Seat(Seats);

impl Seats {
    /// Takes one more, unless there are as many as may be.
    fn take(&self, max: usize) -> Option<Seat> {
        // Made first, so that one too many is given back when it is dropped.
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        let seat = Seat(self.clone());
        (before < max).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A place for one more connection.
fn place(app: &App, connections: &Seats, peer: IpAddr) -> Option<Place> {
    let (settings, limits) = (app.settings(), app.hub().limits());
    // One more would take the descriptors that publishing and the log need.
    let Some(seat) = connections.take(limits.connections_max) else {
        tracing::debug!("as many connections as may be, closing a new one");
        app.metrics().turned_away("connections_max");
        return None;
    };
    let proxies = &settings.proxies;
    let Ok(slot) = app.quotas().connect(peer, proxies, &limits) else {
        tracing::debug!(%peer, "as many connections of this address as may be, closing a new one");
        app.metrics().turned_away("address_connections_max");
        return None;
    };
    let is_of_note = slot.is_some() || proxies.trusts(peer);
    let origin = is_of_note.then(|| Origin {
        peer: Some(peer),
        _slot: slot,
        ..Origin::default()
    });
    Some(Place {
        _seat: seat,
        _open: app.metrics().open_connection(),
        stream: None,
        origin: origin.map(Box::new),
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
