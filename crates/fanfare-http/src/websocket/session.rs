//! One open WebSocket of a subscription.

use std::future::poll_fn;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use fanfare_auth::Lapse;
use fanfare_hub::{Cursor, EventType, NewEvent, Publication, ReadBudget, Step, TopicName};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::{Meter, Socket};
use crate::app::App;
use crate::auth::Asker;
use crate::clock;
use crate::envelope;
use crate::metrics::OpenStream;
use crate::problem::Problem;
use crate::publish::Acknowledgement;
use crate::quota::Slots;
use crate::stream::{spread, until_look};

/// What a client is told when nothing can follow.
const ENDED: (CloseCode, &str) = (CloseCode::Normal, "the topic has ended");

/// A subscription on a WebSocket, and what its client may publish to.
pub(super) struct Session {
    app: App,
    /// Who opened it.
    asker: Asker,
    /// Where a frame without a topic goes.
    topic: Option<TopicName>,
    _open: OpenStream,
    /// Counts what comes until it is whole.
    meter: Meter,
    /// Counts the socket among the streams of its client.
    _slots: Option<Box<Slots>>,
}

/// A frame that the client sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    data: String,
    topic: Option<String>,
    event: Option<String>,
    #[serde(rename = "ref", default)]
    reference: Value,
}

impl Session {
    pub(super) fn new(
        app: App,
        asker: Asker,
        topic: Option<TopicName>,
        slots: Option<Box<Slots>>,
        meter: Meter,
    ) -> Self {
        let open = app.metrics().open_stream("websocket");
        Self {
            app,
            asker,
            topic,
            _open: open,
            _slots: slots,
            meter,
        }
    }

    /// Serves the socket until the client leaves, the topics end or the hub drains. There is no
    /// cursor when everything of the subscription has ended already.
    pub(super) async fn run(self, mut socket: Socket, cursor: Option<Cursor>) {
        let result = match cursor {
            Some(cursor) => self.follow(&mut socket, cursor).await,
            None => Ok(Some(ENDED)),
        };
        let close = match result {
            Ok(reason) => reason,
            Err(error) => {
                tracing::debug!(%error, "websocket ended");
                fault(&error)
            }
        };
        if let Some((code, reason)) = close {
            let frame = CloseFrame {
                code,
                reason: Utf8Bytes::from_static(reason),
            };
            // The client may be gone already; there is nobody left to tell.
            drop(socket.close(Some(frame)).await);
        }
    }

    async fn follow(
        &self,
        socket: &mut Socket,
        mut cursor: Cursor,
    ) -> Result<Option<(CloseCode, &'static str)>, Error> {
        let limits = self.app.hub().limits().clone();
        let budget = ReadBudget {
            bytes: limits.turn_bytes_max,
            events: limits.turn_events_max,
        };
        let drain = self.app.drain_token().clone();
        if cursor.opening_gap().is_none() {
            let line = envelope::open_line(cursor.position(), clock::now());
            socket.send(text(&line)).await?;
        }
        let mut heartbeat = tokio::time::interval(spread(limits.heartbeat));
        heartbeat.reset();
        let mut lapse = pin!(self.lapse());
        loop {
            // Every arm is cancel-safe: a step or a frame that was not taken comes again.
            tokio::select! {
                step = next_step(&mut cursor, budget) => {
                    if !self.tell(socket, step).await? {
                        return Ok(Some(ENDED));
                    }
                    heartbeat.reset();
                }
                message = socket.next() => match message.inspect(|_| self.meter.is_whole()) {
                    Some(Ok(Message::Text(frame))) => {
                        let answer = self.publish(&frame).await;
                        socket.send(Message::text(answer.to_string())).await?;
                    }
                    Some(Ok(Message::Binary(_))) => {
                        let problem = Problem::bad("bad_body", "frames are text: send JSON as text");
                        let answer = json!({ "error": problem.to_json() });
                        socket.send(Message::text(answer.to_string())).await?;
                    }
                    // Pings are answered by the library; a close is answered and then ends the
                    // stream.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(None),
                },
                lapse = &mut lapse => {
                    let line = envelope::lapse_line(cursor.position(), lapse, clock::now());
                    socket.send(text(&line)).await?;
                    return Ok(Some((CloseCode::Policy, lapse.as_str())));
                }
                _ = heartbeat.tick() => socket.send(Message::Ping(Bytes::new())).await?,
                () = drain.cancelled() => {
                    // What was published is sent before the socket is closed.
                    while let Some(step) = next_step(&mut cursor, budget).now_or_never() {
                        if !self.tell(socket, step).await? {
                            break;
                        }
                    }
                    return Ok(Some((CloseCode::Away, "the hub is stopping")));
                }
            }
        }
    }

    /// Resolves when the credential that opened the socket is worth nothing any more.
    async fn lapse(&self) -> Lapse {
        let Some(lease) = self.asker.lease() else {
            return std::future::pending().await;
        };
        loop {
            if let Some(lapse) = self.app.auth().lapse(lease, clock::now()) {
                return lapse;
            }
            tokio::time::sleep(until_look(lease)).await;
        }
    }

    /// Sends what the cursor gave; `false` when nothing will follow.
    async fn tell(&self, socket: &mut Socket, step: Step) -> Result<bool, Error> {
        match step {
            Step::Events(slice) => {
                let mut bytes = 0;
                for event in slice.events.iter() {
                    let line = self.app.envelope(event);
                    bytes += line.len();
                    socket.feed(text(&line)).await?;
                }
                let events = slice.events.len() as u64;
                self.app.metrics().delivered(events, bytes as u64);
                socket.flush().await?;
            }
            Step::Gap(gap) => {
                self.app.metrics().gap(gap.reason);
                socket
                    .send(text(&envelope::gap_line(&gap, clock::now())))
                    .await?;
            }
            Step::Over => return Ok(false),
        }
        Ok(true)
    }

    /// Publishes a frame and says what became of it.
    async fn publish(&self, frame: &str) -> Value {
        let (reference, result) = match serde_json::from_str::<Frame>(frame) {
            Ok(frame) => (frame.reference.clone(), self.store(frame).await),
            Err(error) => {
                let detail = format!(
                    "a frame is {{\"data\":\"...\",\"topic\"?,\"event\"?,\"ref\"?}}: {error}"
                );
                (Value::Null, Err(Problem::bad("bad_body", detail)))
            }
        };
        match result {
            Ok(ack) => json!({ "ref": reference, "ack": ack }),
            Err(problem) => {
                self.app.metrics().refused(problem.code());
                json!({ "ref": reference, "error": problem.to_json() })
            }
        }
    }

    async fn store(&self, frame: Frame) -> Result<Value, Problem> {
        if !(frame.reference.is_null()
            || frame.reference.is_string()
            || frame.reference.is_number())
        {
            return Err(Problem::bad("bad_body", "ref is a string or a number"));
        }
        let topic = match (&frame.topic, &self.topic) {
            (Some(topic), _) => TopicName::parse(topic)?,
            (None, Some(topic)) => topic.clone(),
            (None, None) => {
                let detail = "the URL names a pattern: say with `topic` where to publish";
                return Err(Problem::bad("bad_topic", detail));
            }
        };
        let event_type = frame.event.as_deref().map(EventType::parse).transpose()?;
        let event = NewEvent {
            event_type,
            ..NewEvent::new(frame.data)
        };
        let publication = Publication {
            topic: self.asker.may_publish(topic.clone())?,
            events: vec![event],
            ends_topic: false,
            idempotency: None,
        };
        self.app.may_go_on(self.asker.lease())?;
        let (quotas, limits) = (self.app.quotas(), self.app.hub().limits());
        let taken = quotas.take_events(self.asker.payer(), 1, &limits);
        taken.map_err(Problem::too_many_events)?;
        let _in_flight = self.app.let_in()?;
        let receipt = self.app.publish(publication).await?;
        let acknowledgement = Acknowledgement::new(&topic, &receipt);
        // A struct of texts and a number: there is nothing that JSON could not hold.
        Ok(serde_json::to_value(acknowledgement).unwrap_or_default())
    }
}

/// What a client is told that broke the protocol (RFC 6455 7.4.1); nothing when it is gone.
fn fault(error: &Error) -> Option<(CloseCode, &'static str)> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some((CloseCode::Protocol, "this breaks RFC 6455")),
        Error::Capacity(_) => Some((CloseCode::Size, "the frame is too large")),
        Error::Io(error) if error.kind() == io::ErrorKind::QuotaExceeded => {
            Some((CloseCode::Again, "the hub holds as much as it may"))
        }
        Error::Utf8(_) => Some((CloseCode::Invalid, "the text is not UTF-8")),
        _ => None,
    }
}

async fn next_step(cursor: &mut Cursor, budget: ReadBudget) -> Step {
    poll_fn(|cx| cursor.poll_step(cx, budget)).await
}

/// A line as a text frame, without its line end.
fn text(line: &Bytes) -> Message {
    let line = line.slice(..line.trim_ascii_end().len());
    // Envelopes are JSON that we wrote ourselves, hence UTF-8.
    Message::Text(Utf8Bytes::try_from(line).unwrap_or_default())
}
