//! One subscriber: its socket, what it follows, and how far it is.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::TcpStream;

use bytes::Bytes;
use fanfare_hub::{Admission, Cursor, Event, Events, Seq};

use crate::framing::{CHUNK_END, push_chunk, push_head};
use crate::interests::Interest;
use crate::socket::{Moved, send_pieces, send_some};
use crate::table::Token;
use crate::wheel::Tick;

/// Bytes that a tape keeps for streams whose sockets are full: a few socket buffers' worth. Who
/// falls further behind reads the log.
const TAPE_BYTES_MAX: usize = 1 << 20;
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

/// New events of one topic, laid out for the socket.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    /// The events, each with where it ends.
    marks: Vec<(Seq, u32)>,
}

/// How a chunk went to a socket.
pub(crate) enum Taken {
    /// All of it, so many bytes.
    Whole(usize),
    /// A part, so many bytes: everything through the seq is sent but for these bytes of its end.
    Part(usize, Seq, Bytes),
    /// Nothing more ever.
    Broken,
}

impl Chunk {
    pub(crate) fn push(&mut self, event: &Event) {
        // A chunk each, so that a socket which takes a part is owed one event and not all of them.
        push_chunk(&event.frame, &mut self.bytes);
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.marks.push((event.seq, end));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub(crate) fn last(&self) -> Seq {
        self.marks.last().map_or(Seq::ZERO, |(seq, _)| *seq)
    }

    /// How many of the events lie after a place, and where they begin.
    pub(crate) fn after(&self, after: Seq) -> (usize, usize) {
        let first = match self.marks.first() {
            // Almost everybody is there.
            Some((seq, _)) if after < *seq => 0,
            _ => self.marks.partition_point(|(seq, _)| *seq <= after),
        };
        (self.marks.len() - first, self.begin_of(first))
    }

    fn begin_of(&self, nth: usize) -> usize {
        let before = nth.checked_sub(1).and_then(|nth| self.marks.get(nth));
        before.map_or(0, |(_, end)| *end as usize)
    }

    /// Sends what lies behind `begin` to a socket.
    pub(crate) fn send(&self, begin: usize, after: Seq, socket: &TcpStream) -> Taken {
        let bytes = &self.bytes[begin..];
        match send_some(socket, bytes) {
            Moved::Bytes(sent) if sent == bytes.len() => Taken::Whole(sent),
            Moved::Bytes(sent) => self.part(begin, sent, after),
            Moved::Blocked => Taken::Part(0, after, Bytes::new()),
            Moved::Broken => Taken::Broken,
        }
    }

    /// The socket took so many bytes: the event that was cut is owed to its end.
    fn part(&self, begin: usize, sent: usize, after: Seq) -> Taken {
        let reached = begin + sent;
        let cut = self
            .marks
            .partition_point(|(_, end)| (*end as usize) < reached);
        let Some((seq, end)) = self.marks.get(cut) else {
            return Taken::Part(sent, after, Bytes::new());
        };
        let rest = &self.bytes[reached..*end as usize];
        // Copied, so that a socket which stands still keeps no more than that.
        Taken::Part(sent, *seq, Bytes::copy_from_slice(rest))
    }
}

/// What was sent to a topic lately, for those whose sockets were full: they go on from the same
/// bytes as everybody else, unless they fall far behind.
#[derive(Default)]
pub(crate) struct Tape {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    /// Everything of the topic after this, up to now, is on the tape.
    from: Seq,
    /// How many streams wait for their sockets and may want it.
    pub(crate) wanted_by: u32,
    /// Those who came for what is still being sent to the others.
    pub(crate) late: Vec<Token>,
}

/// What was sent from a tape.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// Everything up to here, at least.
    pub(crate) through: Seq,
}

impl Tape {
    /// Adds what follows `from`.
    pub(crate) fn push(&mut self, chunk: Chunk, from: Seq) {
        if self.chunks.is_empty() {
            self.from = from;
        }
        self.bytes += chunk.bytes.len();
        self.chunks.push_back(chunk);
        while self.bytes > TAPE_BYTES_MAX {
            let Some(oldest) = self.chunks.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes.len();
            self.from = oldest.last();
        }
    }

    /// Whether everything after the place is here.
    pub(crate) fn covers(&self, after: Seq) -> bool {
        !self.chunks.is_empty() && self.from <= after
    }

    /// Keeps nothing of what was sent so far.
    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.bytes = 0;
    }

    /// Sends everything after a place.
    pub(crate) fn send(&self, after: Seq, socket: &TcpStream) -> (Sent, Taken) {
        let mut sent = Sent {
            through: after,
            ..Sent::default()
        };
        for chunk in &self.chunks {
            let (count, begin) = chunk.after(sent.through);
            if count == 0 {
                continue;
            }
            match chunk.send(begin, sent.through, socket) {
                Taken::Whole(bytes) => {
                    sent.events += count as u64;
                    sent.bytes += bytes as u64;
                    sent.through = chunk.last();
                }
                Taken::Part(bytes, seq, rest) => {
                    sent.events += (count - chunk.after(seq).0) as u64;
                    sent.bytes += bytes as u64;
                    sent.through = seq;
                    return (sent, Taken::Part(bytes, seq, rest));
                }
                Taken::Broken => return (sent, Taken::Broken),
            }
        }
        (sent, Taken::Whole(0))
    }
}
