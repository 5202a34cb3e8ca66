//! Send data: the ticker's stream comes down, a message goes up by POST.

use fanfare::{Hub, Problem, Request, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::answer;
use crate::ticker::Ticker;

const TOPIC: &str = "playground/send-data";

/// The routes of this app.
pub(crate) struct Inbox {
    ticker: Ticker,
}

#[derive(Deserialize)]
struct Sent {
    message: String,
}

impl Inbox {
    pub(crate) fn new(hub: Hub) -> Self {
        Self {
            ticker: Ticker::new(hub, TOPIC),
        }
    }

    /// `GET events`: the ticker's stream, with a timer of its own.
    pub(crate) fn events(&self, request: &Request) -> impl Future<Output = Response> + use<> {
        self.ticker.events(request)
    }

    /// `POST send-data`: takes a message, logs it, and says what it took.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, Problem> {
        let Sent { message } = answer::read_json(request).await?;
        // The hub never logs what people send, so neither does this by
        // default: the fact is logged, and the words only for who asks
        // for this target at debug level on their own machine.
        tracing::info!(target: "playground", bytes = message.len(), "send data: message received");
        tracing::debug!(target: "playground", message, "send data: its words");
        let received = json!({ "status": "success", "receivedMessage": message });
        Ok(answer::json(StatusCode::OK, &received))
    }
}
