//! The playground: six small apps that show the hub at work, each with its source beside it.
//!
//! Everything here stands on the public face of the `fanfare` library, as an embedder's own routes
//! would. In reading order:
//!
//! - [`board`], [`chat`], [`ticker`], [`send_data`], [`echo`], [`counter`]: the apps;
//! - [`while_watched`]: work that runs while somebody watches;
//! - [`catalog`]: what the apps are called, and which pages, routes and sources they have;
//! - [`page`] and [`assets`]: pages put together, and files embedded;
//! - [`answer`]: JSON in and out, and refusals.

mod answer;
mod assets;
mod board;
mod catalog;
mod chat;
mod counter;
mod echo;
mod page;
mod send_data;
mod ticker;
mod while_watched;

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare::{Answer, Hub, Problem, Request, Response, Route};
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};

/// The path below which the playground lives.
pub const MOUNT: &str = "/-/playground/";

/// The six apps, to be mounted at [`MOUNT`].
///
/// # Examples
///
/// ```no_run
/// # fn example(hub: fanfare::Hub) -> fanfare::Server {
/// let playground = fanfare_playground::Playground::new(hub.clone()).tls_origin("https://127.0.0.1:4443");
/// fanfare::Server::new(hub).mount(fanfare_playground::MOUNT, playground).home(fanfare_playground::MOUNT)
/// # }
/// ```
pub struct Playground {
    apps: Arc<Apps>,
}

#[derive(Clone)]
struct Apps {
    board: Arc<board::Board>,
    chat: chat::Chat,
    ticker: ticker::Ticker,
    send_data: send_data::SendData,
    counter: counter::Counter,
    /// Every page, by its path below the mount.
    pages: BTreeMap<String, String>,
    /// Where the counter's stream comes from; empty for the page's own origin.
    stream_origin: String,
}

impl Playground {
    /// The apps on top of a hub. The counter's stream comes from the page's own origin until
    /// [`tls_origin`](Self::tls_origin) names another.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        let apps = Apps {
            board: Arc::new(board::Board::new(hub.clone())),
            chat: chat::Chat::new(hub.clone()),
            ticker: ticker::Ticker::new(hub.clone(), "playground/ticker"),
            send_data: send_data::SendData::new(hub.clone()),
            counter: counter::Counter::new(hub),
            pages: page::all(""),
            stream_origin: String::new(),
        };
        Self {
            apps: Arc::new(apps),
        }
    }

    /// Names the origin at which the same hub speaks TLS, such as `https://127.0.0.1:4443`: there
    /// the counter's stream comes from, over HTTP/2.
    #[must_use]
    pub fn tls_origin(self, origin: impl Into<String>) -> Self {
        let stream_origin = origin.into();
        let pages = page::all(&stream_origin);
        let apps = Apps {
            pages,
            stream_origin,
            ..Arc::unwrap_or_clone(self.apps)
        };
        Self {
            apps: Arc::new(apps),
        }
    }
}

impl Route for Playground {
    fn call(&self, request: Request) -> Answer {
        let apps = Arc::clone(&self.apps);
        Box::pin(apps.call(request))
    }
}

impl Apps {
    async fn call(self: Arc<Self>, request: Request) -> Response {
        let path = request.uri().path();
        let path = path.strip_prefix(MOUNT).unwrap_or_default().to_owned();
        match self.route(&path, request).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        }
    }

    /// The apps' own routes. What is none of them is a page, a file, or nothing.
    async fn route(self: Arc<Self>, path: &str, request: Request) -> Result<Response, Problem> {
        let method = request.method().clone();
        Ok(match (method.as_str(), path) {
            ("GET", "board/addClient") => self.board.add_client(&request),
            ("POST", "board/message") => self.board.message(request).await?,
            ("GET", "chat/messages") => self.chat.messages(&request),
            ("POST", "chat/messages") => self.chat.send(request).await?,
            ("GET", "ticker/events") => self.ticker.events(&request),
            ("GET", "send-data/events") => self.send_data.events(&request),
            ("POST", "send-data/send-data") => self.send_data.send(request).await?,
            ("GET", "echo/socket") => echo::socket(request),
            ("GET", "counter/event") => self.counter.event(&request),
            (method, path) => self.page(method, path),
        })
    }

    fn page(&self, method: &str, path: &str) -> Response {
        let found = self.find(path);
        let is_read = matches!(method, "GET" | "HEAD");
        match found {
            Some(response) if is_read => response,
            Some(_) => answer::method_not_allowed("GET, HEAD"),
            None => match catalog::methods_of(path) {
                Some(allowed) => answer::method_not_allowed(allowed),
                None => answer::not_found(),
            },
        }
    }

    /// The page or file at a path.
    fn find(&self, path: &str) -> Option<Response> {
        if let Some(text) = self.pages.get(path) {
            return Some(assets::page(text, &self.stream_origin));
        }
        if path == counter::ACCEPTED {
            return Some(counter::with_timing(assets::page(
                counter::ACCEPTED_PAGE,
                "",
            )));
        }
        if let Some(name) = path.strip_prefix("assets/") {
            return assets::file(name);
        }
        // Relative links need the slash at the end of an app's folder.
        let folder = format!("{path}/");
        self.pages
            .contains_key(&folder)
            .then(|| redirect(&folder))
            .flatten()
    }
}

/// Leads to a folder. The name is one of the catalog's, so it is always a header value.
fn redirect(folder: &str) -> Option<Response> {
    let location = HeaderValue::from_str(&format!("{MOUNT}{folder}")).ok()?;
    let mut response = Response::new(fanfare::Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    Some(response)
}
