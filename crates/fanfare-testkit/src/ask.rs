//! One request and its whole answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use serde_json::Value;

use crate::connection::{Connection, Protocol, RequestBody};
use crate::expect;
use crate::hub::Address;
use crate::pipe::Pipe;
use crate::subscriber::{Form, Subscriber};

/// A request that can still be added to.
#[must_use = "a request does nothing until it is sent"]
pub struct Ask {
    pub(crate) address: Address,
    method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    body: Bytes,
    protocol: Protocol,
    connection: Option<Arc<Connection>>,
}

/// An answer that has come whole.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What a publisher is told of an event that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Id of the last event.
    pub id: String,
    /// How many there were.
    pub count: u64,
    /// Where.
    pub topic: String,
    /// Whether an earlier request with the same key had stored them.
    pub is_replayed: bool,
}

impl Ask {
    pub(crate) fn new(address: Address, method: Method, path: &str) -> Self {
        Self {
            address,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            protocol: Protocol::Http1,
            connection: None,
        }
    }

    /// Adds a header field. Its value may be any bytes that HTTP lets through.
    pub fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// Resumes after an id.
    pub fn last_event_id(self, id: impl AsRef<[u8]>) -> Self {
        self.header("last-event-id", id)
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Speaks another HTTP than HTTP/1.1.
    pub fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Uses an open connection instead of a new one.
    pub fn on(mut self, connection: &Arc<Connection>) -> Self {
        self.connection = Some(Arc::clone(connection));
        self
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Panics
    /// When there is no answer, or none that ends.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        let answer = self.try_send().await;
        answer.unwrap_or_else(|| panic!("no whole answer to {what}"))
    }

    /// Sends the request and reads the whole answer; `None` when the server hangs up instead.
    pub async fn try_send(mut self) -> Option<Answer> {
        let what = format!("the whole answer to {} {}", self.method, self.path);
        let body = Full::new(std::mem::take(&mut self.body));
        let (request, connection) = self.prepare(Either::Left(body)).await;
        expect(&what, answer(request, &connection)).await
    }

    /// Sends the request and returns the status of the answer, whose body is not waited for.
    pub async fn status(self) -> u16 {
        self.open().await.0.status().as_u16()
    }

    /// Sends the request as a subscription and waits until it is attached.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn subscribe(self, form: Form) -> Subscriber {
        Subscriber::open(self, form).await
    }

    /// Sends the request as a POST whose body comes piece by piece.
    pub async fn pipe(self) -> Pipe {
        Pipe::open(self).await
    }

    /// Sends the request and returns when the head of the answer is there.
    pub(crate) async fn open(mut self) -> (http::Response<Incoming>, Arc<Connection>) {
        let body = Full::new(std::mem::take(&mut self.body));
        let what = format!("an answer to {} {}", self.method, self.path);
        let (request, connection) = self.prepare(Either::Left(body)).await;
        let response = expect(&what, connection.send(request)).await.unwrap();
        (response, connection)
    }

    pub(crate) async fn prepare(
        self,
        body: RequestBody,
    ) -> (http::Request<RequestBody>, Arc<Connection>) {
        let connection = match self.connection {
            Some(connection) => connection,
            None => Arc::new(Connection::open(self.address, self.protocol).await),
        };
        let mut request = http::Request::new(body);
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        let host = self.address.0.to_string();
        *request.uri_mut() = match self.protocol {
            Protocol::Http1 => self.path.parse().unwrap(),
            Protocol::Http2 => format!("http://{host}{}", self.path).parse().unwrap(),
        };
        if self.protocol == Protocol::Http1 {
            let host = HeaderValue::from_str(&host).unwrap();
            request.headers_mut().entry("host").or_insert(host);
        }
        (request, connection)
    }
}

/// The whole answer to a request; `None` when the server hangs up instead.
pub(crate) async fn answer(
    request: http::Request<RequestBody>,
    connection: &Connection,
) -> Option<Answer> {
    let (parts, body) = connection.send(request).await.ok()?.into_parts();
    Some(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.collect().await.ok()?.to_bytes(),
    })
}

impl Answer {
    /// The body as text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// A header field, empty when it is not there.
    ///
    /// # Panics
    /// When it is not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The `code` of a problem; empty when the answer is none.
    #[must_use]
    pub fn code(&self) -> String {
        if self.header("content-type") != "application/problem+json" {
            return String::new();
        }
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// What was stored.
    ///
    /// # Panics
    /// When nothing was.
    pub fn stored(&self) -> Stored {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.text());
        let json = self.json();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        Stored {
            id: text("id"),
            count: json["count"].as_u64().unwrap(),
            topic: text("topic"),
            is_replayed: self.header("idempotency-replayed") == "true",
        }
    }
}
