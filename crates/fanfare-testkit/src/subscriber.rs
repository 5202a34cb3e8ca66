//! An open event stream, in whatever form it comes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use fanfare_sse::Decoder;
use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::ask::Ask;
use crate::connection::{Connection, Protocol};
use crate::expect;
use crate::reading::{self, Item, Reading, Received};

/// The forms in which one subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `text/event-stream` over HTTP/1.1.
    Sse,
    /// `text/event-stream` over HTTP/2.
    SseOverHttp2,
    /// `application/x-ndjson` over HTTP/1.1.
    Ndjson,
    /// WebSocket.
    WebSocket,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sse, Self::SseOverHttp2, Self::Ndjson, Self::WebSocket];
}

/// How a stream begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The reconnection time in milliseconds, where the form has one.
    pub retry: Option<u64>,
    /// The starting position.
    pub id: String,
}

/// A subscriber that asserts what it receives.
pub struct Subscriber {
    source: Source,
    headers: HeaderMap,
    items: VecDeque<Item>,
    what: String,
}

enum Source {
    Http {
        body: Incoming,
        reading: Reading,
        _connection: Arc<Connection>,
    },
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

impl Subscriber {
    pub(crate) async fn open(ask: Ask, form: Form) -> Self {
        let what = format!("{form:?} of {}", ask.path);
        let (source, headers) = match form {
            Form::Sse => http(ask.header("accept", "text/event-stream")).await,
            Form::SseOverHttp2 => {
                let ask = ask.over(Protocol::Http2);
                http(ask.header("accept", "text/event-stream")).await
            }
            Form::Ndjson => http(ask.header("accept", "application/x-ndjson")).await,
            Form::WebSocket => websocket(ask).await,
        };
        Self {
            source,
            headers,
            items: VecDeque::new(),
            what,
        }
    }

    /// The header fields of the answer.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// How the stream begins, unless it begins with a gap.
    ///
    /// # Panics
    /// When it begins otherwise.
    pub async fn opening(&mut self) -> Opening {
        let mut retry = None;
        loop {
            match self.next_item().await {
                Some(Item::Retry(millis)) => retry = Some(millis),
                Some(Item::Position(id)) => return Opening { retry, id },
                other => panic!("{}: {other:?} instead of an opening", self.what),
            }
        }
    }

    /// The next event.
    ///
    /// # Panics
    /// When the stream ends instead.
    pub async fn next(&mut self) -> Received {
        loop {
            match self.next_item().await {
                Some(Item::Event(event)) => return event,
                Some(_) => {}
                None => panic!("{} ended instead of an event", self.what),
            }
        }
    }

    /// The data of the next event.
    pub async fn next_data(&mut self) -> String {
        self.next().await.data
    }

    /// So many events.
    pub async fn take(&mut self, count: usize) -> Vec<Received> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            events.push(self.next().await);
        }
        events
    }

    /// The next event is a gap: its reason.
    pub async fn gap(&mut self) -> String {
        let gap = self.next().await;
        assert_eq!(gap.event_type, "fanfare.gap", "{}: {gap:?}", self.what);
        gap.json()["reason"].as_str().unwrap().to_owned()
    }

    /// Everything up to the end of the stream.
    pub async fn rest(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(item) = self.next_item().await {
            items.push(item);
        }
        items
    }

    /// Whatever comes next; `None` at the end of the stream.
    pub async fn next_item(&mut self) -> Option<Item> {
        while self.items.is_empty() {
            let what = format!("more of {}", self.what);
            let Source::Http { body, reading, .. } = &mut self.source else {
                return match self.next_message().await {
                    Message::Text(text) => Some(reading::envelope(text.as_bytes())),
                    Message::Ping(_) => Some(Item::Heartbeat),
                    Message::Close(_) => None,
                    other => panic!("{} sent {other:?}", self.what),
                };
            };
            let frame = expect(&what, body.frame()).await?;
            // A server that is gone and one that ended the stream look the same to a subscriber.
            let bytes = frame.ok()?.into_data().unwrap_or_default();
            reading.feed(&bytes, &mut self.items);
        }
        self.items.pop_front()
    }

    /// The next bytes as they lie on the wire below HTTP; `None` at the end.
    ///
    /// # Panics
    /// On a WebSocket.
    pub async fn next_bytes(&mut self) -> Option<Bytes> {
        let Source::Http { body, .. } = &mut self.source else {
            panic!("a WebSocket has frames, not bytes");
        };
        let frame = expect("more bytes", body.frame()).await?;
        Some(frame.unwrap().into_data().unwrap_or_default())
    }

    /// The next frame of a WebSocket; a close when it is gone.
    pub async fn next_message(&mut self) -> Message {
        let socket = self.socket();
        match expect("a WebSocket frame", socket.next()).await {
            Some(Ok(message)) => message,
            Some(Err(_)) | None => Message::Close(None),
        }
    }

    /// Sends a frame on a WebSocket.
    pub async fn send(&mut self, message: Message) {
        let sent = self.socket().send(message);
        expect("room for a frame", sent).await.unwrap();
    }

    /// The code with which the server closes a WebSocket, which it does next.
    pub async fn close_code(&mut self) -> Option<CloseCode> {
        match self.next_message().await {
            Message::Close(frame) => frame.map(|frame| frame.code),
            other => panic!("{}: {other:?} instead of a close", self.what),
        }
    }

    fn socket(&mut self) -> &mut WebSocketStream<TcpStream> {
        match &mut self.source {
            Source::WebSocket(socket) => socket,
            Source::Http { .. } => panic!("{} is no WebSocket", self.what),
        }
    }
}

async fn http(ask: Ask) -> (Source, HeaderMap) {
    let (response, connection) = ask.open().await;
    let (parts, body) = response.into_parts();
    assert_eq!(parts.status, 200, "{parts:?}");
    let reading = match parts.headers["content-type"].to_str().unwrap() {
        "text/event-stream" => Reading::Sse(Box::new(Decoder::with_max_event_bytes(usize::MAX))),
        _ => Reading::Lines(Vec::new()),
    };
    let source = Source::Http {
        body,
        reading,
        _connection: connection,
    };
    (source, parts.headers)
}

async fn websocket(ask: Ask) -> (Source, HeaderMap) {
    let url = format!("ws://{}{}", ask.address.0, ask.path);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().extend(ask.headers);
    let socket = TcpStream::connect(ask.address.0).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let handshake = tokio_tungstenite::client_async(request, socket);
    let (socket, response) = expect("a WebSocket", handshake).await.unwrap();
    let headers = response.into_parts().0.headers;
    (Source::WebSocket(Box::new(socket)), headers)
}
