//! A publisher that streams its body: what it sends leaves at once, in a chunk of its own.

use std::io;

use bytes::Bytes;
use http_body_util::Either;
use http_body_util::channel::{Channel, Sender};
use tokio_util::task::AbortOnDropHandle;

use crate::ask::{Answer, Ask, answer};
use crate::expect;

/// A POST that is under way.
pub struct Pipe {
    pieces: Sender<Bytes, io::Error>,
    answer: AbortOnDropHandle<Option<Answer>>,
}

impl Pipe {
    pub(crate) async fn open(ask: Ask) -> Self {
        // One piece may wait, so that the next is taken only when the connection took this one.
        let (pieces, body) = Channel::new(1);
        let (request, connection) = ask.prepare(Either::Right(body)).await;
        let answer = tokio::spawn(async move { answer(request, &connection).await });
        let answer = AbortOnDropHandle::new(answer);
        Self { pieces, answer }
    }

    /// Sends a piece of the body.
    ///
    /// # Panics
    /// When the server takes no more.
    pub async fn send(&mut self, piece: impl Into<Bytes>) {
        let sent = self.pieces.send_data(piece.into());
        expect("room in the pipe", sent).await.unwrap();
    }

    /// Ends the body and waits for the answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn finish(self) -> Answer {
        drop(self.pieces);
        let answer = expect("the answer to a pipe", self.answer).await;
        answer.unwrap().expect("an answer to the pipe")
    }

    /// Waits for an answer that comes before the body has ended.
    ///
    /// # Panics
    /// When there is none.
    pub async fn answer(self) -> Answer {
        let answer = expect("an early answer to a pipe", self.answer).await;
        answer.unwrap().expect("an answer to the pipe")
    }

    /// Breaks the connection in the middle of the body.
    pub fn break_off(self) {
        self.pieces.abort(io::ErrorKind::BrokenPipe.into());
    }
}
