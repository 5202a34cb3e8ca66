//! One HTTP connection that may break at any moment, which is an answer like any other.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::connection::RequestBody;

/// Longer than a hub under load ever answers, and a small part of a campaign.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The connection ended, or nothing came in time.
#[derive(Debug)]
pub(super) struct Broken;

/// A connection for one request after another.
pub(super) struct Wire {
    sender: SendRequest<RequestBody>,
    pub(super) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

/// An answer that has come whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Value,
}

impl Wire {
    pub(super) async fn open(address: SocketAddr) -> Result<Self, Broken> {
        let socket = in_time(TcpStream::connect(address)).await?;
        // Requests are small; waiting for more would only slow the load down.
        drop(socket.set_nodelay(true));
        let (sender, connection) = in_time(handshake(TokioIo::new(socket))).await?;
        let task = tokio::spawn(async { drop(connection.await) });
        Ok(Self {
            sender,
            address,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Whether the hub has hung up, so that nothing can be asked any more.
    pub(super) fn has_ended(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and returns with the head of the answer.
    pub(super) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Broken> {
        let host = self.address.to_string().parse().unwrap();
        request.headers_mut().insert("host", host);
        in_time(self.sender.ready()).await?;
        in_time(self.sender.send_request(request)).await
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn ask(&mut self, request: Request<RequestBody>) -> Result<Answer, Broken> {
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        let body = in_time(response.into_body().collect()).await?.to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Answer { status, json })
    }
}

/// A GET of a path.
pub(super) fn get(path: &str, headers: HeaderMap) -> Request<RequestBody> {
    let mut request = Request::new(Either::Left(Full::new(Bytes::new())));
    *request.uri_mut() = path.parse().unwrap();
    *request.headers_mut() = headers;
    request
}

/// Waits for something that may fail, but not for ever.
pub(super) async fn in_time<T, E>(future: impl Future<Output = Result<T, E>>) -> Result<T, Broken> {
    let outcome = timeout(PATIENCE, future).await;
    outcome.map_err(|_elapsed| Broken)?.map_err(|_cause| Broken)
}
