//! The whole hub on listeners of its own.

use std::future::Future;
use std::sync::Arc;

use fanfare_auth::Auth;
use fanfare_http::app::SharedSettings;
use fanfare_http::{Carriers, Cors, Proxies, Route, Settings};
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
    controls: Controls,
}

/// What of a server can be changed while it serves. A cheap handle.
#[derive(Clone, Default)]
pub struct Controls {
    settings: SharedSettings,
}

impl Controls {
    /// Sets which pages of other origins may use the hub.
    pub fn set_cors(&self, cors: Cors) {
        self.change(|settings| settings.cors = cors.clone());
    }

    /// Sets where requests carry what says who sends them, besides the header.
    pub fn set_carriers(&self, carriers: Carriers) {
        self.change(|settings| settings.carriers = carriers.clone());
    }

    /// Sets whose word about the addresses of clients counts. Open connections stay counted as they
    /// were.
    pub fn set_proxies(&self, proxies: Proxies) {
        self.change(|settings| settings.proxies = proxies.clone());
    }

    fn change(&self, change: impl Fn(&mut Settings)) {
        self.settings.rcu(|settings| {
            let mut settings = Settings::clone(settings);
            change(&mut settings);
            settings
        });
    }
}

impl Server {
    /// A server of this hub, for pages of its own origin.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self {
            hub,
            settings: Settings::default(),
            controls: Controls::default(),
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

    /// Sets whose word about the addresses of clients counts; nobody's unless it is set.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.settings.proxies = proxies;
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

    /// What can be changed once the server serves.
    #[must_use]
    pub fn controls(&self) -> Controls {
        self.controls.clone()
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
        let settings = self.controls.settings;
        settings.store(Arc::new(self.settings));
        let app = self.hub.app.with_settings(settings);
        let server = fanfare_http::Server::with_app(app.clone());
        for (listener, tls) in listeners {
            let (server, stop) = (server.clone(), app.stop_token().clone());
            app.track(async move { server.accept(listener, tls, stop.cancelled()).await });
        }
        stop.await;
        server.drain().await;
    }
}
