//! The message board: every client sees every message, and the server
//! knows who is there.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fanfare::{History, Hub, Problem, Request, Response};
use http::StatusCode;
use serde_json::Value;

use crate::answer;

/// The topic that holds the messages. The hub keeps them; the board keeps
/// nothing but its clients.
const TOPIC: &str = "playground/board";

/// The routes of the board.
pub(crate) struct Board {
    hub: Hub,
    /// The ids of those who are connected now.
    clients: Mutex<BTreeSet<u64>>,
    ids: AtomicU64,
}

impl Board {
    pub(crate) fn new(hub: Hub) -> Self {
        Self {
            hub,
            clients: Mutex::default(),
            ids: AtomicU64::new(1),
        }
    }

    /// `GET addClient`: all messages so far, then each new one.
    pub(crate) fn add_client(
        self: &Arc<Self>,
        request: &Request,
    ) -> impl Future<Output = Response> + use<> {
        let client = Client::connect(self);
        self.hub
            .subscribe(TOPIC)
            .history(History::All)
            // After a lost connection the browser names the last message
            // that it has.
            .resume(request.headers())
            .on_close(move || drop(client))
            .respond()
    }

    /// `POST message`: publishes any JSON and answers it.
    pub(crate) async fn message(&self, request: Request) -> Result<Response, Problem> {
        let message: Value = answer::read_json(request).await?;
        self.hub.publish(TOPIC, message.to_string()).await?;
        Ok(answer::json(StatusCode::OK, &message))
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        // The set is whole after every single call, so a panic elsewhere
        // cannot have broken it.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connected client; it is forgotten when this is dropped, for
/// whatever reason it left.
struct Client {
    board: Arc<Board>,
    id: u64,
}

impl Client {
    fn connect(board: &Arc<Board>) -> Self {
        let id = board.ids.fetch_add(1, Ordering::Relaxed);
        board.clients().insert(id);
        tracing::info!(target: "playground", client = id, "board: client connected");
        Self {
            board: Arc::clone(board),
            id,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.board.clients().remove(&self.id);
        tracing::info!(target: "playground", client = self.id, "board: client disconnected");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_is_known_while_it_is_there_and_forgotten_afterwards() {
        let board = Arc::new(Board::new(Hub::in_memory()));
        let first = Client::connect(&board);
        let second = Client::connect(&board);
        assert_eq!(*board.clients(), BTreeSet::from([1, 2]));
        drop(first);
        assert_eq!(*board.clients(), BTreeSet::from([2]));
        drop(second);
        assert!(board.clients().is_empty());
    }
}
