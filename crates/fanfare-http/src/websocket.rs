//! WebSocket (RFC 6455): the envelopes of a subscription out, frames to publish in, on one socket.

mod meter;
mod session;

use std::future::Future;
use std::sync::Arc;

use fanfare_hub::{Selector, Start, Subscribed};
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub use self::meter::Metered;

use self::meter::Meter;
use self::session::Session;
use crate::app::App;
use crate::body::{Body, Request, Response};
use crate::clock;
use crate::problem::Problem;
use crate::subscribe;

/// An open WebSocket.
pub type Socket = WebSocketStream<Metered<TokioIo<Upgraded>>>;

/// What is read ahead: enough for chat-sized frames; the library's default is 128 KiB for each
/// connection.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// What an embedder's socket takes in one message.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Whether the request wants to become a WebSocket.
#[must_use]
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
}

/// Answers a WebSocket handshake and runs `serve` on the socket. For routes of the embedder; the
/// socket is dropped when the hub drains.
pub fn upgrade<B, F, Fut>(request: http::Request<B>, serve: F) -> Response
where
    F: FnOnce(Socket) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (head, _body) = request.into_parts();
    let app = head.extensions.get::<App>().cloned();
    let stop = app
        .as_ref()
        .map(|app| app.drain_token().clone())
        .unwrap_or_default();
    let serve = move |socket| async move {
        stop.run_until_cancelled(serve(socket)).await;
    };
    accept(app.as_ref(), head, MESSAGE_BYTES_MAX, None, serve)
        .unwrap_or_else(Problem::into_response)
}

/// Answers a GET of a topic that wants to become a WebSocket.
pub(crate) async fn respond(app: &App, request: Request) -> Result<Response, Problem> {
    let (uri, headers) = (request.uri(), request.headers());
    // A socket can publish, whether this one will or not.
    let asker = app.asker(headers, uri, true)?;
    let (subscription, _) = subscribe::parse(app, &asker, uri, headers, Start::Tail)?;
    let slots = app.open_stream(&asker)?;
    // What a frame without a topic is published to.
    let topic = match Selector::from_path(subscribe::topic_path(request.uri()))? {
        Selector::Topic(topic) => Some(topic),
        Selector::Pattern(_) => None,
    };
    let cursor = match app.hub().subscribe(subscription, clock::now()).await? {
        Subscribed::Open(cursor) => Some(cursor),
        Subscribed::Over => None,
    };
    let limits = Arc::clone(&app.hub().limits());
    let meter = Meter::new(app.quotas().hold_body(), limits.bodies_bytes_max);
    let session = Session::new(app.clone(), asker, topic, slots, meter.clone());
    // JSON may escape a character with six; the envelope around it is small.
    let message_bytes_max = 6 * limits.event_bytes_max;
    let (head, _body) = request.into_parts();
    accept(Some(app), head, message_bytes_max, Some(meter), |socket| {
        session.run(socket, cursor)
    })
}

fn accept<F, Fut>(
    app: Option<&App>,
    mut head: Parts,
    message_bytes_max: usize,
    meter: Option<Meter>,
    serve: F,
) -> Result<Response, Problem>
where
    F: FnOnce(Socket) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let key = accept_key(&head)?;
    let Some(upgrade) = head.extensions.remove::<OnUpgrade>() else {
        let detail = "this connection cannot become a WebSocket: use HTTP/1.1";
        return Err(Problem::bad("bad_upgrade", detail));
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max));
    let task = async move {
        match upgrade.await {
            Ok(upgraded) => {
                let inner = TokioIo::new(upgraded);
                let io = Metered { inner, meter };
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                serve(socket).await;
            }
            Err(error) => tracing::debug!(%error, "the client left during the handshake"),
        }
    };
    match app {
        Some(app) => {
            // The handle holds the connection's place for as long as the socket is open.
            let app = app.clone();
            app.tasks()
                .clone()
                .spawn(async move { app.abort_token().run_until_cancelled(task).await });
        }
        // Embedded without our server: the embedder's runtime decides when it ends.
        None => drop(tokio::spawn(task)),
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, key);
    Ok(response)
}

/// Checks the handshake (RFC 6455 4.2.1) and answers its challenge.
fn accept_key(head: &Parts) -> Result<HeaderValue, Problem> {
    let headers = &head.headers;
    let has = |name, token| has_token(headers, &name, token);
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().filter(|key| is_key(key.as_bytes()));
    let has_one_key = keys.next().is_none();
    let is_handshake = head.method == Method::GET
        && has(UPGRADE, "websocket")
        && has(CONNECTION, "upgrade")
        && has(SEC_WEBSOCKET_VERSION, "13");
    match key {
        Some(key) if is_handshake && has_one_key => {
            let accept = derive_accept_key(key.as_bytes());
            HeaderValue::from_str(&accept).map_err(|_never| Problem::bad("bad_upgrade", "bad key"))
        }
        _ => {
            let detail = "this is no WebSocket handshake of version 13 (RFC 6455 4.2.1)";
            Err(Problem::bad("bad_upgrade", detail))
        }
    }
}

/// Whether this is the base64 of 16 bytes: 22 characters, and two that fill up.
fn is_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = key.strip_suffix(b"==");
    digits.is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_base64))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut tokens = values.flat_map(|value| value.split(','));
    tokens.any(|found| found.trim().eq_ignore_ascii_case(token))
}
