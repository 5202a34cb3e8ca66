//! One connection: which protocol it speaks, and the bounds that hyper keeps for us.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
#[cfg(target_os = "linux")]
use fanfare_delivery::prepare;
use http::header::{CONNECTION, HOST, HeaderValue};
use http::{HeaderMap, StatusCode, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
#[cfg(not(target_os = "linux"))]
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::seldom::Seldom;
#[cfg(target_os = "linux")]
use super::unread::Unread;
use crate::app::App;
use crate::body::{self, Body, Response};
use crate::problem::Problem;

/// What hyper lets in by itself. Told the same number, it would allocate room for so many with
/// every request, where it otherwise has it on the stack.
const HYPER_HEADER_FIELDS_MAX: usize = 100;

/// Why a connection ended before its time. Always the peer's trouble.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    /// The socket failed.
    #[error("socket: {0}")]
    Socket(#[from] io::Error),
    /// The peer broke the protocol, or was too slow for it.
    #[error("protocol: {0}")]
    Protocol(#[from] hyper::Error),
    /// No handshake, or no whole first request head, in time.
    #[error("nothing came in time")]
    Silent,
}

/// Ends a connection's task with the connection, or when a stop has waited long enough.
pub(super) async fn unless_aborted(
    app: App,
    connection: impl Future<Output = Result<(), ConnectionError>>,
) {
    let aborted = Seldom::new(app.abort_token().clone().cancelled_owned());
    // The connection holds its own.
    drop(app);
    let ended = tokio::select! {
        biased;
        ended = connection => ended,
        () = aborted => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Serves a connection that a shard accepted, with what it has read of it.
#[cfg(target_os = "linux")]
pub(super) async fn serve_handed(app: App, socket: std::net::TcpStream, unread: Bytes) {
    let serve = async {
        let socket = TcpStream::from_std(socket)?;
        let is_http2 = unread.starts_with(PREFACE_START);
        let socket = Unread::new(unread, socket);
        serve(app.clone(), socket, is_http2, Instant::now()).await
    };
    unless_aborted(app.clone(), serve).await;
}

/// Serves a connection to its end.
pub(super) async fn run(
    app: App,
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
) -> Result<(), ConnectionError> {
    let opened = Instant::now();
    let limits = app.hub().limits();
    prepare(&socket, limits.peer_silence_max)?;
    let Some(tls) = tls else {
        let sniffed = tokio::time::timeout(limits.head_deadline, is_http2(&socket));
        return match app.stop_token().clone().run_until_cancelled(sniffed).await {
            None => Ok(()),
            Some(Err(_elapsed)) => Err(ConnectionError::Silent),
            Some(Ok(is_http2)) => serve(app, socket, is_http2?, opened).await,
        };
    };
    let handshake = tokio::time::timeout(limits.handshake_deadline, tls.accept(socket));
    let stream = handshake
        .await
        .map_err(|_elapsed| ConnectionError::Silent)??;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    serve(app, stream, is_http2, Instant::now()).await
}

/// Events are small and shall leave at once; a peer that is gone shall be noticed. What else Linux
/// can bound, the shards ask of it too.
#[cfg(not(target_os = "linux"))]
fn prepare(socket: &TcpStream, peer_silence_max: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(peer_silence_max)
        .with_interval(peer_silence_max / 4);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

/// What the preface of HTTP/2 starts with (RFC 9113 3.4).
const PREFACE_START: &[u8] = b"PRI";

/// Whether the client starts with the HTTP/2 preface (RFC 9113 3.3, prior knowledge). No HTTP/1
/// method starts with its first three characters, so that they decide.
async fn is_http2(socket: &TcpStream) -> io::Result<bool> {
    /// Between two looks, at first and at most: a browser is not kept waiting, and a peer that says
    /// no more does not keep the hub busy.
    const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(320));
    let mut pause = PAUSES.0;
    let mut start = [0; PREFACE_START.len()];
    loop {
        let len = socket.peek(&mut start).await?;
        if len == 0 || len == start.len() || !PREFACE_START.starts_with(&start[..len]) {
            return Ok(start == PREFACE_START);
        }
        // A first packet of one or two bytes; peeking again returns them at once.
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(PAUSES.1);
    }
}

type ServiceAnswer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

async fn serve<S>(
    app: App,
    stream: S,
    is_http2: bool,
    opened: Instant,
) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let limits = app.hub().limits().clone();
    let stop = app.stop_token().clone();
    let executor = TrackedExecutor {
        tasks: app.tasks().clone(),
        abort: app.abort_token().clone(),
    };
    let has_asked = Arc::new(AtomicBool::new(false));
    let silence = silence(Arc::clone(&has_asked), opened + limits.head_deadline);
    // Boxed, because the compiler cannot prove the plain future `Send` for every lifetime in it.
    let service = service_fn(move |request| -> ServiceAnswer {
        has_asked.store(true, Ordering::Relaxed);
        Box::pin(respond(app.clone(), request))
    });
    if is_http2 {
        let connection = http2::Builder::new(executor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.h2_streams_max)
            .max_send_buf_size(limits.h2_send_buffer_bytes_max)
            .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
            .keep_alive_interval(limits.peer_silence_max / 2)
            .keep_alive_timeout(limits.peer_silence_max / 2)
            .serve_connection(io, service);
        let wind_down = http2::Connection::graceful_shutdown;
        return to_its_end(connection, wind_down, silence, stop).await;
    }
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_deadline)
        .max_buf_size(limits.head_bytes_max);
    if limits.header_fields_max != HYPER_HEADER_FIELDS_MAX {
        builder.max_headers(limits.header_fields_max);
    }
    let connection = builder.serve_connection(io, service).with_upgrades();
    let wind_down = http1::UpgradeableConnection::graceful_shutdown;
    to_its_end(connection, wind_down, silence, stop).await
}

/// Resolves at the deadline when no request has come until then. hyper bounds the time of an
/// HTTP/1 head; this also covers what it leaves open: an HTTP/2 preface or head that never ends,
/// and a connection on which no stream is ever opened.
async fn silence(has_asked: Arc<AtomicBool>, deadline: Instant) {
    tokio::time::sleep_until(deadline).await;
    if has_asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Why a connection ends that has not ended itself.
enum End {
    /// No request came in time.
    Silence,
    /// The hub stops.
    Stop,
}

/// Runs a connection until it is over, silent for too long, or told to end because the hub stops.
async fn to_its_end<C>(
    connection: C,
    wind_down: fn(Pin<&mut C>),
    silence: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
) -> Result<(), ConnectionError>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = std::pin::pin!(connection);
    let end = Seldom::new(async move {
        tokio::select! {
            () = silence => End::Silence,
            () = stop.cancelled() => End::Stop,
        }
    });
    tokio::select! {
        biased;
        result = connection.as_mut() => return Ok(result?),
        end = end => match end {
            End::Silence => return Err(ConnectionError::Silent),
            End::Stop => wind_down(connection.as_mut()),
        },
    }
    Ok(connection.await?)
}

async fn respond(app: App, request: hyper::Request<Incoming>) -> Result<Response, Infallible> {
    let version = request.version();
    // In HTTP/2 a field may take one byte on the wire and a hundred here, for as long as the body
    // takes to come; hyper counts those of HTTP/1 only.
    if request.headers().len() > app.hub().limits().header_fields_max {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Ok(response);
    }
    let turn = app.hub().limits().h2_send_buffer_bytes_max;
    let mut response = if version == Version::HTTP_11 && !names_one_host(request.headers()) {
        let detail = "a request of HTTP/1.1 names its host, once (RFC 9112 3.2)";
        app.refuse(Problem::bad("bad_header", detail))
    } else {
        app.answer(request.map(body::boxed)).await
    };
    if version == Version::HTTP_2 {
        // A turn that is begun is held until its last byte is sent, and the streams of a connection
        // take turns: what is larger than the buffer is held once more beside it.
        response = response.map(|body| body.in_turns_of(turn));
    }
    if app.is_draining() && version <= Version::HTTP_11 {
        // A header of HTTP/1 only (RFC 9113 8.2.2).
        let headers = response.headers_mut();
        headers
            .entry(CONNECTION)
            .or_insert(HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Whether it is clear whom the request is meant for. hyper does not look; two hosts, or none, are
/// what makes proxies and servers disagree.
fn names_one_host(headers: &HeaderMap) -> bool {
    headers.get_all(HOST).iter().count() == 1
}

/// Runs the streams of HTTP/2 connections where a stop waits for them.
#[derive(Clone)]
struct TrackedExecutor {
    tasks: TaskTracker,
    abort: CancellationToken,
}

impl<F> Executor<F> for TrackedExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let abort = self.abort.clone();
        self.tasks
            .spawn(async move { abort.run_until_cancelled(future).await });
    }
}
