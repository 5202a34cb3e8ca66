//! The HTTP connection below a request. One over HTTP/2 carries many requests at once.

use bytes::Bytes;
use http_body_util::Either;
use http_body_util::Full;
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use crate::expect;
use crate::hub::Address;

/// A body that is there, or one that is still to come.
pub(crate) type RequestBody = Either<Full<Bytes>, Channel<Bytes, std::io::Error>>;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, by prior knowledge.
    Http2,
}

/// A connection to a server. Closes when it is dropped.
pub struct Connection {
    sender: Sender,
    _task: AbortOnDropHandle<()>,
}

enum Sender {
    /// Behind a lock, because one request waits for the answer to the one before.
    Http1(Mutex<http1::SendRequest<RequestBody>>),
    Http2(http2::SendRequest<RequestBody>),
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn open(address: Address, protocol: Protocol) -> Self {
        let socket = expect("a connection", TcpStream::connect(address.0));
        let socket = socket.await.unwrap();
        socket.set_nodelay(true).unwrap();
        let io = TokioIo::new(socket);
        let (sender, task) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                let connection = connection.with_upgrades();
                (
                    Sender::Http1(Mutex::new(sender)),
                    tokio::spawn(async { drop(connection.await) }),
                )
            }
            Protocol::Http2 => {
                let handshake = http2::handshake(TokioExecutor::new(), io);
                let (sender, connection) = handshake.await.unwrap();
                (
                    Sender::Http2(sender),
                    tokio::spawn(async { drop(connection.await) }),
                )
            }
        };
        Self {
            sender,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        request: http::Request<RequestBody>,
    ) -> hyper::Result<http::Response<Incoming>> {
        match &self.sender {
            Sender::Http1(sender) => {
                let mut sender = sender.lock().await;
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                let mut sender = sender.clone();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}
