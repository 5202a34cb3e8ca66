//! The chat: stored messages first, then live ones, from one
//! subscription.

use fanfare::{History, Hub, Problem, Request, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::answer;

/// The topic that is the chat: its history is what was said, its tail is
/// what is being said.
const TOPIC: &str = "playground/chat";

/// The routes of the chat.
pub(crate) struct Chat {
    hub: Hub,
}

impl Chat {
    pub(crate) fn new(hub: Hub) -> Self {
        Self { hub }
    }

    /// `GET messages`: all stored messages, then each new one.
    ///
    /// There is no hand-over from history to live. The hub sends what
    /// lies after the subscriber's cursor, and at the end it waits; so
    /// nothing can fall between the two, or come twice.
    pub(crate) fn messages(&self, request: &Request) -> impl Future<Output = Response> + use<> {
        self.hub
            .subscribe(TOPIC)
            .history(History::All)
            .resume(request.headers())
            .respond()
    }

    /// `POST messages`: stores a message; everybody who listens has it a
    /// moment later.
    ///
    /// The answer comes when the message is stored, with the id under
    /// which it is.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, Problem> {
        let message: Value = answer::read_json(request).await?;
        let receipt = self.hub.publish(TOPIC, message.to_string()).await?;
        let stored = json!({ "id": receipt.id.to_string(), "message": message });
        Ok(answer::json(StatusCode::CREATED, &stored))
    }
}
