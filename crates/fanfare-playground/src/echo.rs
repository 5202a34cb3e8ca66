//! The echo: a WebSocket that greets and answers each text.

use std::sync::atomic::{AtomicU64, Ordering};

use fanfare::websocket::{self, Socket};
use fanfare::{Request, Response};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Error, Message};

static IDS: AtomicU64 = AtomicU64::new(1);

/// `GET socket`: becomes a WebSocket.
pub(crate) fn socket(request: Request) -> Response {
    websocket::upgrade(request, |mut socket| async move {
        let client = Client::connect();
        if let Err(error) = converse(&mut socket).await {
            // A browser that goes away without closing is everyday life.
            tracing::debug!(target: "playground", client = client.id, %error, "echo: socket broke");
        }
    })
}

/// Greets, then answers each text until the client closes.
async fn converse(socket: &mut Socket) -> Result<(), Error> {
    socket.send(Message::text("Welcome, Client!")).await?;
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            socket.send(Message::text(answer_to(&text))).await?;
        }
    }
    Ok(())
}

fn answer_to(text: &str) -> String {
    format!("Hello, Client! Received your message: {text}")
}

/// Logs when a client comes, and when it goes for whatever reason.
struct Client {
    id: u64,
}

impl Client {
    fn connect() -> Self {
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        tracing::info!(target: "playground", client = id, "echo: client connected");
        Self { id }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        tracing::info!(target: "playground", client = self.id, "echo: client disconnected");
    }
}
