//! One subscriber: its socket, what it follows, and how far it is.

use std::io::IoSlice;
use std::net::TcpStream;

use bytes::Bytes;
use fanfare_hub::{Admission, Cursor, Events, Seq};

use crate::framing::{CHUNK_END, push_head};
use crate::interests::Interest;
use crate::socket::{Moved, send_pieces, send_some};
use crate::wheel::Tick;

/// Pieces of one send: a turn of small events, and half of what the kernel takes (IOV_MAX).
const PIECES_MAX: usize = 512;

/// A subscriber.
///
/// Invariant: everything of the subscription up to `after` was handed to the socket or is unsent
/// here, and nothing beyond it.
pub(crate) struct Stream<P> {
    pub(crate) socket: TcpStream,
    pub(crate) interest: Interest,
    pub(crate) after: Seq,
    pub(crate) state: State,
    /// When something was last sent.
    pub(crate) sent: Tick,
    /// The place among those there may be; the cursor holds it while there is one.
    pub(crate) admission: Option<Admission>,
    /// What the connection holds.
    pub(crate) _place: P,
}

/// How a stream gets what is new.
///
/// ```text
///   Behind <------------> Live
///      socket full, or something it cannot get from the shard -> Behind
///      everything read, and the socket took it                -> Live
/// ```
pub(crate) enum State {
    /// From the sweeps of the shard.
    Live,
    /// By itself, once its socket takes more.
    Behind(Box<Behind>),
}

/// What a stream needs to read by itself.
#[derive(Default)]
pub(crate) struct Behind {
    pub(crate) unsent: Unsent,
    /// Where it reads; made when the tape of its topic does not go back far enough.
    pub(crate) cursor: Option<Cursor>,
    /// See [`fanfare_hub::Slice::trims_seen`]; what the cursor is made with.
    pub(crate) trims_seen: u64,
    /// Whether the socket took less than it was given, and will say when it takes more.
    pub(crate) is_blocked: bool,
    /// Whether it counts among those for whom the tape of its topic is kept.
    pub(crate) wants_tape: bool,
    /// Whether the stream ends when all is sent.
    pub(crate) ends: bool,
    /// What one read may return is doubled so many times. Each that the socket took makes the next
    /// one larger, so that a long replay is few reads; who does not keep up is read less for.
    pub(crate) haste: u32,
    /// Whether the last that its cursor had to tell was a gap.
    pub(crate) told_gap: bool,
}

impl<P> Stream<P> {
    /// Whether all that the socket was given so far is whole.
    pub(crate) fn is_between_chunks(&self) -> bool {
        match &self.state {
            State::Live => true,
            State::Behind(behind) => matches!(behind.unsent, Unsent::Nothing),
        }
    }
}

/// What was read for a stream and not sent yet.
#[derive(Default)]
pub(crate) enum Unsent {
    #[default]
    Nothing,
    /// The rest of something.
    Bytes(Bytes),
    /// One chunk of events, from its piece `next` on, without the first `at` bytes.
    Events {
        /// What precedes them in the chunk: its first piece.
        head: Vec<u8>,
        /// The pieces in which they lie; the end of the chunk is the last.
        events: Events,
        next: usize,
        at: usize,
    },
}

impl Unsent {
    /// The rest of something, if there is any.
    pub(crate) fn rest(bytes: Bytes) -> Self {
        match bytes.is_empty() {
            true => Self::Nothing,
            false => Self::Bytes(bytes),
        }
    }

    /// So many bytes of events as one chunk.
    pub(crate) fn events(events: Events, bytes: usize) -> Self {
        let mut head = Vec::new();
        push_head(bytes, &mut head);
        Self::Events {
            head,
            events,
            next: 0,
            at: 0,
        }
    }

    /// Sends what the socket takes. Answers how many bytes it took, and how the socket is.
    pub(crate) fn flush(&mut self, socket: &TcpStream) -> (usize, Moved) {
        let mut total = 0;
        loop {
            let moved = match self {
                Self::Nothing => return (total, Moved::Bytes(total)),
                Self::Bytes(bytes) => send_some(socket, bytes),
                Self::Events {
                    head,
                    events,
                    next,
                    at,
                } => {
                    let mut pieces = Vec::with_capacity(PIECES_MAX);
                    let rest = (*next..).map_while(|nth| piece(head, events, nth));
                    pieces.extend(rest.take(PIECES_MAX).map(IoSlice::new));
                    if let Some(first) = pieces.first_mut() {
                        first.advance(*at);
                    }
                    send_pieces(socket, &pieces)
                }
            };
            match moved {
                Moved::Bytes(bytes) => {
                    total += bytes;
                    self.advance(bytes);
                }
                blocked_or_broken => return (total, blocked_or_broken),
            }
        }
    }

    fn advance(&mut self, mut sent: usize) {
        match self {
            Self::Nothing => {}
            Self::Bytes(bytes) => {
                drop(bytes.split_to(sent.min(bytes.len())));
                if bytes.is_empty() {
                    *self = Self::Nothing;
                }
            }
            Self::Events {
                head,
                events,
                next,
                at,
            } => {
                while let Some(piece) = piece(head, events, *next) {
                    let rest = piece.len() - *at;
                    if sent < rest {
                        *at += sent;
                        return;
                    }
                    sent -= rest;
                    (*next, *at) = (*next + 1, 0);
                }
                *self = Self::Nothing;
            }
        }
    }
}

/// A piece of a chunk of events: its head, the frames, its end.
fn piece<'a>(head: &'a [u8], events: &'a Events, nth: usize) -> Option<&'a [u8]> {
    let Some(nth) = nth.checked_sub(1) else {
        return Some(head);
    };
    match events.piece(nth) {
        Some(frames) => Some(frames),
        None => {
            let is_behind_last = nth
                .checked_sub(1)
                .is_none_or(|nth| events.piece(nth).is_some());
            is_behind_last.then_some(CHUNK_END)
        }
    }
}
