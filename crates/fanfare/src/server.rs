//! The whole hub on listeners of its own.

use std::future::Future;
use std::sync::Arc;

use fanfare_auth::Auth;
use fanfare_http::{Carriers, Cors, Route, Settings};
use tokio::net::TcpListener;

use crate::hub::Hub;

/// A server of one hub: its routes, and those that are mounted beside them.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let hub = fanfare::Hub::in_memory();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:4000").await?;
/// let stop = async { drop(tokio::signal::ctrl_c().await) };
/// fanfare::Server::new(hub).serve(listener, stop).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Server {
    hub: Hub,
    settings: Settings,
}

impl Server {
    /// A server of this hub, for pages of its own origin.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self {
            hub,
            settings: Settings::default(),
        }
    }

    /// Sets which pages of other origins may use the hub.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.settings.cors = cors;
        self
    }

    /// Sets who may do what; everybody everything unless it is set. Routes that are mounted ask for
    /// themselves.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.settings.auth = auth;
        self
    }

    /// Sets where requests carry what says who sends them, besides the header.
    #[must_use]
    pub fn carriers(mut self, carriers: Carriers) -> Self {
        self.settings.carriers = carriers;
        self
    }

    /// Has `route` answer the requests below a prefix such as `/-/playground/`.
    #[must_use]
    pub fn mount(mut self, prefix: &str, route: impl Route) -> Self {
        self.settings
            .mounts
            .push((prefix.to_owned(), Arc::new(route)));
        self
    }

    /// Sets where `GET /` leads a person.
    #[must_use]
    pub fn home(mut self, path: impl Into<String>) -> Self {
        self.settings.home = Some(path.into());
        self
    }

    /// Serves HTTP/1.1, HTTP/2 by prior knowledge and WebSocket until `stop` resolves; then ends
    /// the streams, lets requests in flight finish, and returns.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        self.serve_all(vec![(listener, None)], stop).await;
    }

    /// Serves several listeners, those with a configuration over TLS. HTTP/2 is spoken where the
    /// configuration offers `h2` by ALPN.
    pub async fn serve_all(
        self,
        listeners: Vec<(TcpListener, Option<Arc<rustls::ServerConfig>>)>,
        stop: impl Future<Output = ()>,
    ) {
        let app = self.hub.app.with_settings(self.settings);
        let server = fanfare_http::Server::with_app(app.clone());
        for (listener, tls) in listeners {
            let (server, stop) = (server.clone(), app.stop_token().clone());
            app.track(async move { server.accept(listener, tls, stop.cancelled()).await });
        }
        stop.await;
        server.drain().await;
    }
}
