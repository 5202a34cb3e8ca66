//! Connections that ask for something, until they are answered, become a stream, or are handed
//! over.

use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fanfare_hub::log::{AnswerTo, Answers};
use fanfare_hub::{AppendError, Cursor, Joining, Receipt, Subscribed, TopicName};
use rustix::event::epoll::EventFlags;

use super::turn::spread;
use super::{Connection, Shard};
use crate::door::{Adopted, Door, Handed, Knock, Stay};
use crate::framing::push_chunk;
use crate::inbox::Calls;
use crate::socket::{Moved, receive};
use crate::stream::{Behind, State, Stream, Unsent};
use crate::table::Token;

/// Bytes read in one go: a publish of ordinary size comes in one piece.
const READ_BYTES: usize = 64 << 10;
/// How long the rest of a request may take that has begun. Most come whole, or in two packets; who
/// is slower is handed over to where waiting costs no thread anything.
const BODY_PATIENCE: Duration = Duration::from_millis(500);

/// A connection that asks.
pub(super) struct Asking<D: Door> {
    pub(super) socket: TcpStream,
    place: D::Place,
    /// What was read and not taken yet.
    input: Vec<u8>,
    /// The rest of an answer that the socket did not take at once.
    output: Unsent,
    waits: Waits<D>,
    /// Whether the socket may have more to read, of which it will not tell again.
    has_more: bool,
    /// Whether the client sends nothing more, so that the end is there to be read. It was told
    /// together with the bytes before it, and is not told again.
    has_ended: bool,
    /// Whether it waits for a turn in which requests are taken.
    is_held: bool,
    /// Whether the connection ends with the answer.
    closes: bool,
}

/// What a connection waits for.
#[expect(
    clippy::large_enum_variant,
    reason = "lies in a box already, and not for long"
)]
enum Waits<D: Door> {
    /// A request.
    Request,
    /// The rest of one.
    Body,
    /// The log's answer to a publish.
    Answer(TopicName, D::InFlight),
    /// The place where a subscription starts; the request took so many bytes of the input.
    Located(Joining, D::Asked),
}

impl<D: Door> Asking<D> {
    pub(super) fn new(socket: TcpStream, place: D::Place) -> Self {
        Self {
            socket,
            place,
            input: Vec::new(),
            output: Unsent::Nothing,
            waits: Waits::Request,
            has_more: false,
            has_ended: false,
            is_held: false,
            closes: false,
        }
    }

    /// Whether nothing is owed to the client.
    pub(super) fn is_idle(&self) -> bool {
        let is_waiting = matches!(self.waits, Waits::Request | Waits::Body);
        is_waiting && matches!(self.output, Unsent::Nothing)
    }
}

impl<D: Door> Shard<D> {
    /// Epoll told something of the socket.
    pub(super) fn on_asking(&mut self, token: Token, flags: EventFlags) {
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            return self.close(token);
        }
        let Some(asking) = self.asking_mut(token) else {
            return;
        };
        asking.has_more |= flags.intersects(EventFlags::IN | EventFlags::RDHUP);
        asking.has_ended |= flags.contains(EventFlags::RDHUP);
        if !matches!(asking.output, Unsent::Nothing) && !self.flush_answer(token) {
            return;
        }
        self.read_requests(token);
    }

    /// Reads what is there, as long as nothing of the connection is under way.
    fn read_requests(&mut self, token: Token) {
        let mut input = std::mem::take(&mut self.scratch.input);
        while self.is_to_be_read(token) && self.may_take(token) {
            self.read_some(token, &mut input);
        }
        self.scratch.input = input;
    }

    fn is_to_be_read(&mut self, token: Token) -> bool {
        self.asking_mut(token)
            .is_some_and(|asking| asking.has_more && asking.is_idle() && !asking.is_held)
    }

    /// Reads once, behind what was read before.
    fn read_some(&mut self, token: Token, input: &mut Vec<u8>) {
        let Some(asking) = self.asking_mut(token) else {
            return;
        };
        input.clear();
        input.append(&mut asking.input);
        input.reserve(READ_BYTES);
        let room = input.capacity() - input.len();
        match receive(&asking.socket, input) {
            Moved::Bytes(0) | Moved::Broken => self.close(token),
            Moved::Blocked => {
                asking.has_more = false;
                asking.input.extend_from_slice(input);
            }
            Moved::Bytes(bytes) => {
                asking.has_more = bytes == room || asking.has_ended;
                self.knock(token, input);
            }
        }
    }

    /// Whether a request may be taken now; if not, the connection comes up again in a later turn.
    fn may_take(&mut self, token: Token) -> bool {
        if let Some(left) = self.requests_left.checked_sub(1) {
            self.requests_left = left;
            self.requests_taken += 1;
            return true;
        }
        if let Some(asking) = self.asking_mut(token) {
            asking.is_held = true;
            self.held.push_back(token);
        }
        false
    }

    /// Shows the door what was read.
    fn knock(&mut self, token: Token, input: &[u8]) {
        let door = Arc::clone(&self.door);
        let Some(asking) = self.asking_mut(token) else {
            return;
        };
        match door.knock(&asking.place, input) {
            Knock::Incomplete => {
                asking.waits = Waits::Request;
                asking.input.extend_from_slice(input);
            }
            Knock::BodyIncomplete => {
                asking.input.extend_from_slice(input);
                if !matches!(asking.waits, Waits::Body) {
                    asking.waits = Waits::Body;
                    self.set_due(token, self.tick.after(BODY_PATIENCE));
                }
            }
            Knock::Publish(taken, batch, in_flight) => {
                asking
                    .input
                    .extend_from_slice(input.get(taken..).unwrap_or_default());
                asking.waits = Waits::Answer(batch.topic.clone(), in_flight);
                let answer = AnswerTo {
                    to: Arc::<Calls>::clone(&self.calls) as Arc<dyn Answers>,
                    token: token.to_u64(),
                };
                self.publishing += 1;
                self.hub.log().append_to(batch, answer);
            }
            Knock::Subscribe(joining, asked) => {
                // Kept until it is known that the stream opens.
                asking.input.extend_from_slice(input);
                asking.waits = Waits::Located(joining, asked);
                self.on_located(token);
            }
            Knock::Elsewhere => {
                asking.input.extend_from_slice(input);
                self.hand_over(token);
            }
        }
    }

    /// The log answered a publish.
    pub(super) fn on_answer(&mut self, token: Token, result: Result<Receipt, AppendError>) {
        self.publishing = self.publishing.saturating_sub(1);
        let mut output = std::mem::take(&mut self.scratch.output);
        output.clear();
        let door = Arc::clone(&self.door);
        let Some(asking) = self.asking_mut(token) else {
            return;
        };
        if let Waits::Answer(topic, in_flight) =
            std::mem::replace(&mut asking.waits, Waits::Request)
        {
            asking.closes = door.stored(&topic, result, &mut output) == Stay::Closes;
            let sent = match crate::socket::send_some(&asking.socket, &output) {
                Moved::Bytes(sent) => sent,
                // A broken socket says so again when the rest is sent.
                Moved::Blocked | Moved::Broken => 0,
            };
            if sent < output.len() {
                let rest = output.get(sent..).unwrap_or_default();
                asking.output = Unsent::Bytes(Bytes::copy_from_slice(rest));
            }
            drop(in_flight);
            if self.flush_answer(token) {
                self.set_due(token, self.tick.after(self.times.head));
                self.go_on(token);
            }
        }
        self.scratch.output = output;
    }

    /// Goes on with what was read behind the last request, or else with what can be read.
    pub(super) fn go_on(&mut self, token: Token) {
        let Some(asking) = self.asking_mut(token) else {
            return;
        };
        asking.is_held = false;
        if !asking.is_idle() {
            return;
        }
        if !asking.input.is_empty() {
            if !self.may_take(token) {
                return;
            }
            let asking = self.asking_mut(token);
            let input = asking.map(|asking| std::mem::take(&mut asking.input));
            self.knock(token, &input.unwrap_or_default());
        }
        self.read_requests(token);
    }

    /// Sends the rest of an answer. Answers whether the connection is ready for its next request.
    fn flush_answer(&mut self, token: Token) -> bool {
        let Some(asking) = self.asking_mut(token) else {
            return false;
        };
        let (_, moved) = asking.output.flush(&asking.socket);
        match moved {
            Moved::Bytes(_) if !asking.closes => true,
            Moved::Blocked => false,
            Moved::Bytes(_) | Moved::Broken => {
                self.close(token);
                false
            }
        }
    }

    /// The start of a subscription may be known.
    pub(super) fn on_located(&mut self, token: Token) {
        let waker = self.calls.waker(token);
        let Some(asking) = self.asking_mut(token) else {
            return;
        };
        let Waits::Located(joining, _) = &mut asking.waits else {
            return;
        };
        let polled = std::pin::Pin::new(joining).poll(&mut Context::from_waker(&waker));
        let Poll::Ready(subscribed) = polled else {
            return;
        };
        let waits = std::mem::replace(&mut asking.waits, Waits::Request);
        match (subscribed, waits) {
            (Subscribed::Open(cursor), Waits::Located(_, asked)) => {
                if let Some(Connection::Asking(mut asking)) = self.remove(token) {
                    let opening = self.door.opening(asked, &cursor, &mut asking.place);
                    // The same socket under another number.
                    self.unwatch(&asking.socket);
                    self.adopt(Adopted {
                        socket: asking.socket,
                        opening,
                        cursor: Box::new(cursor),
                        place: asking.place,
                    });
                }
            }
            // Where it is read again, it is answered that all of it has ended.
            _ => self.hand_over(token),
        }
    }

    /// Begins a stream.
    pub(super) fn adopt(&mut self, adopted: Adopted<D>) {
        let lease = adopted.opening.lease;
        let mut opening = adopted.opening.head;
        push_chunk(&adopted.opening.block, &mut opening);
        let mut cursor: Cursor = *adopted.cursor;
        cursor.unhook();
        let due = self.tick.after(spread(self.times.heartbeat));
        let (sent, selection) = (self.tick, Arc::clone(cursor.selection()));
        let stream = |interest| Stream {
            socket: adopted.socket,
            interest,
            after: cursor.position().seq,
            state: State::Behind(Box::new(Behind {
                unsent: Unsent::Bytes(opening.into()),
                cursor: Some(cursor),
                ..Behind::default()
            })),
            sent,
            admission: None,
            _place: adopted.place,
        };
        let token = self.insert(due, |interests, slot| {
            Connection::Stream(stream(interests.add(slot, &selection)))
        });
        if let Some(lease) = lease {
            self.leases.add(token, lease);
        }
        if self.watch(token) {
            self.catch_up(token);
        } else {
            self.close(token);
        }
    }

    /// Gives the connection to the door, for what the driver does not do.
    fn hand_over(&mut self, token: Token) {
        if let Some(Connection::Asking(asking)) = self.remove(token) {
            self.unwatch(&asking.socket);
            self.door.hand_over(Handed {
                socket: asking.socket,
                unread: asking.input,
                place: asking.place,
            });
        }
    }

    /// Nothing more is taken in: whoever asks for nothing is hung up on. Who has said what it wants
    /// is told that it comes too late.
    pub(super) fn stop_asking(&mut self, token: Token) {
        let Some(asking) = self.asking_mut(token).filter(|asking| asking.is_idle()) else {
            return;
        };
        match asking.waits {
            Waits::Body => self.hand_over(token),
            // It comes up by itself.
            _ if asking.is_held => {}
            _ => self.close(token),
        }
    }

    /// The time of a connection that asks is over.
    pub(super) fn on_asking_due(&mut self, token: Token) {
        let due = self.tick.after(self.times.head);
        let Some(asking) = self.asking_mut(token) else {
            return;
        };
        match asking.waits {
            Waits::Body => self.hand_over(token),
            Waits::Request => self.close(token),
            Waits::Answer(..) | Waits::Located(..) => self.set_due(token, due),
        }
    }
}
