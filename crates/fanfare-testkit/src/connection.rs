//! The HTTP connection below a request. One over HTTP/2 carries many requests at once.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Either;
use http_body_util::Full;
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
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
    local: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

enum Sender {
    Http1(http1::SendRequest<RequestBody>),
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
        let local = socket.local_addr().unwrap();
        let io = TokioIo::new(socket);
        let (sender, task) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                let connection = connection.with_upgrades();
                (
                    Sender::Http1(sender),
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
            local,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Our end of the connection: the same for requests that share it.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: http::Request<RequestBody>,
    ) -> hyper::Result<http::Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                // A clone, so that many requests may wait for their answers at the same time.
                let mut sender = sender.clone();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}
