//! The playground: six small apps that show the hub at work, each with its source beside it.
//!
//! Everything here stands on the public face of the `fanfare` library, as an embedder's own routes
//! would. In reading order:
//!
//! - `board`, `chat`, `ticker`, `send_data`, `echo`, `counter`: the apps;
//! - `while_watched`: work that runs while somebody watches;
//! - `catalog`: what the apps are called, and which pages, routes and sources they have;
//! - `page` and `assets`: pages put together, and files embedded;
//! - `answer`: JSON in and out, and refusals.

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
/// use fanfare_playground::{MOUNT, Playground};
///
/// let playground = Playground::new(hub.clone()).tls_origin("https://127.0.0.1:4443");
/// fanfare::Server::new(hub).mount(MOUNT, playground).home(MOUNT)
/// # }
/// ```
pub struct Playground {
    apps: Arc<Apps>,
    site: Arc<Site>,
}

/// The apps' own routes.
struct Apps {
    board: Arc<board::Board>,
    chat: chat::Chat,
    ticker: ticker::Ticker,
    send_data: send_data::Inbox,
    counter: counter::Counter,
}

/// What is the same for everybody: pages and files.
struct Site {
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
            send_data: send_data::Inbox::new(hub.clone()),
            counter: counter::Counter::new(hub),
        };
        Self {
            apps: Arc::new(apps),
            site: Arc::new(Site::new(String::new())),
        }
    }

    /// Names the origin at which the same hub speaks TLS, such as `https://127.0.0.1:4443`: there
    /// the counter's stream comes from, over HTTP/2.
    #[must_use]
    pub fn tls_origin(self, origin: impl Into<String>) -> Self {
        Self {
            site: Arc::new(Site::new(origin.into())),
            ..self
        }
    }
}

impl Route for Playground {
    fn call(&self, request: Request) -> Answer {
        let (apps, site) = (Arc::clone(&self.apps), Arc::clone(&self.site));
        Box::pin(async move {
            let path = request.uri().path();
            let path = path.strip_prefix(MOUNT).unwrap_or_default().to_owned();
            apps.route(&path, request, &site)
                .await
                .unwrap_or_else(Problem::into_response)
        })
    }
}

impl Apps {
    /// Answers what is one of the apps' own routes, and leaves the rest to the site.
    async fn route(
        self: Arc<Self>,
        path: &str,
        request: Request,
        site: &Site,
    ) -> Result<Response, Problem> {
        let method = request.method().clone();
        Ok(match (method.as_str(), path) {
            ("GET", "board/addClient") => self.board.add_client(&request).await,
            ("POST", "board/message") => self.board.message(request).await?,
            ("GET", "chat/messages") => self.chat.messages(&request).await,
            ("POST", "chat/messages") => self.chat.send(request).await?,
            ("GET", "ticker/events") => self.ticker.events(&request).await,
            ("GET", "send-data/events") => self.send_data.events(&request).await,
            ("POST", "send-data/send-data") => self.send_data.send(request).await?,
            ("GET", "echo/socket") => echo::socket(request),
            ("GET", "counter/event") => self.counter.event(&request).await,
            (method, path) => site.respond(method, path),
        })
    }
}

impl Site {
    fn new(stream_origin: String) -> Self {
        let pages = page::all(&stream_origin);
        Self {
            pages,
            stream_origin,
        }
    }

    /// Answers a page, a file, or a refusal.
    fn respond(&self, method: &str, path: &str) -> Response {
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

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    fn request(method: &str, path: &str, body: &str) -> Request {
        let body = Full::new(bytes::Bytes::copy_from_slice(body.as_bytes()));
        let body = body.map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::builder().method(method);
        request.uri(format!("{MOUNT}{path}")).body(body).unwrap()
    }

    #[tokio::test]
    async fn every_door_answers_what_it_should() {
        let playground = Playground::new(Hub::in_memory());
        let large = format!("\"{}\"", "x".repeat(16 * 1024));
        for (method, path, body, status) in [
            ("GET", "", "", 200),
            ("HEAD", "", "", 200),
            ("GET", "board/", "", 200),
            ("GET", "board", "", 308),
            ("GET", "chat/stream", "", 200),
            ("GET", "counter/accepted", "", 200),
            ("GET", "assets/stream.js", "", 200),
            ("GET", "assets/shell.html", "", 404),
            ("GET", "assets/../src/lib.rs", "", 404),
            ("GET", "nothing/", "", 404),
            ("POST", "", "", 405),
            ("GET", "board/addClient", "", 200),
            ("HEAD", "board/addClient", "", 405),
            ("POST", "board/message", "{\"any\": [\"JSON\"]}", 200),
            ("POST", "board/message", "no JSON", 400),
            ("POST", "board/message", &large, 413),
            ("PUT", "board/message", "{}", 405),
            ("GET", "chat/messages", "", 200),
            ("POST", "chat/messages", "{\"text\":\"x\"}", 201),
            ("POST", "chat/messages", "", 400),
            ("GET", "ticker/events", "", 200),
            ("POST", "send-data/send-data", "{\"message\":\"x\"}", 200),
            ("POST", "send-data/send-data", "{\"message\":1}", 400),
            ("GET", "echo/socket", "", 400),
            ("GET", "counter/event", "", 200),
        ] {
            let response = playground.call(request(method, path, body)).await;
            assert_eq!(response.status(), status, "{method} {path} {:.20}", body);
        }
    }

    #[tokio::test]
    async fn send_data_says_what_it_received() {
        let playground = Playground::new(Hub::in_memory());
        let sent = request(
            "POST",
            "send-data/send-data",
            "{\"message\":\"<b> \\u00e4\"}",
        );
        let body = playground
            .call(sent)
            .await
            .into_body()
            .collect()
            .await
            .unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&body.to_bytes()).unwrap();
        let expected = serde_json::json!({ "status": "success", "receivedMessage": "<b> \u{e4}" });
        assert_eq!(answer, expected);
    }
}
