//! The loop of one thread. A turn looks at everything that happened, and does a bounded part of
//! what follows from it, so that nothing waits for long:
//!
//! ```text
//! sleep -> sockets -> mail, answers, wakes -> follow the log -> sweep -> catch up -> timers
//!   ^                                                                                  |
//!   +----------------------------------------------------------------------------------+
//! ```

mod accept;
mod catch_up;
mod follow;
mod requests;
mod turn;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use fanfare_hub::{AppendError, Event, Hub, ReadBudget, Receipt, Seq};
use rustix::event::epoll;

use self::accept::Listeners;
use self::follow::Sweep;
use self::requests::Asking;
use crate::door::{Door, Times};
use crate::inbox::Calls;
use crate::interests::Interests;
use crate::lately::Lately;
use crate::leases::Leases;
use crate::shards::Peers;
use crate::stream::Stream;
use crate::table::{Table, Token};
use crate::wheel::{Tick, Wheel};

/// One thread's connections, and what it needs to serve them.
///
/// Invariants:
/// - a live stream was handed everything of its subscription up to `position`, or a sweep under way
///   is about to;
/// - a stream is in the lists of `interests` for as long as it is in the table.
pub(crate) struct Shard<D: Door> {
    hub: Hub,
    door: Arc<D>,
    peers: Arc<Peers<D>>,
    index: usize,
    calls: Arc<Calls>,
    epoll: OwnedFd,
    listeners: Listeners,
    times: Times,
    table: Table<Entry<D>>,
    interests: Interests,
    lately: Lately,
    wheel: Wheel,
    /// When the turn began.
    now: Instant,
    tick: Tick,
    /// Everything visible up to here was read from the log.
    position: Seq,
    /// The position before the feed that is being handed out.
    swept_from: Seq,
    /// See [`fanfare_hub::Slice::trims_seen`]; as of `position`.
    trims_seen: u64,
    /// The events of that feed, for those who follow several topics.
    feed: Vec<Arc<Event>>,
    /// Topics with something new, which their followers are being sent.
    sweeps: VecDeque<Sweep>,
    /// Followers of several topics that something of the feed is for.
    manys: Vec<u32>,
    /// Whether the log had more than one feed takes.
    has_more: bool,
    /// What streams that were behind were sent in the last turn.
    caught_up_bytes: usize,
    /// Whether the log was not looked at in this turn.
    owes_a_look: bool,
    /// Streams that can go on by themselves.
    ready: VecDeque<Token>,
    /// Since when what is visible waits for what is being published.
    gathers_since: Option<Instant>,
    /// Requests that may still be taken in this turn.
    requests_left: usize,
    /// Requests that were taken in this turn.
    requests_taken: usize,
    /// Publishes that the log has not answered yet.
    publishing: usize,
    /// Connections whose requests wait for another turn.
    held: VecDeque<Token>,
    /// What streams hang on.
    leases: Leases,
    phase: Phase,
    /// Reused from turn to turn.
    scratch: Scratch,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// No further requests.
    Stopping,
    /// No streams either.
    Draining,
    /// The thread ends.
    Over,
}

/// One connection.
struct Entry<D: Door> {
    /// When its timer comes up.
    armed: Tick,
    /// When it is really due, which may be later.
    due: Tick,
    connection: Connection<D>,
}

/// Bytes that a subscriber of one topic takes while it waits: its entry, its place in the list of
/// those who follow the topic, and that in the timer wheel.
#[must_use]
pub const fn bytes_of_a_subscriber<D: Door>() -> usize {
    Table::<Entry<D>>::SLOT_BYTES + size_of::<u32>() + size_of::<Token>()
}

enum Connection<D: Door> {
    /// It asks, or is answered.
    Asking(Box<Asking<D>>),
    /// It listens.
    Stream(Stream<D::Place>),
}

/// Buffers that are empty between two uses.
#[derive(Default)]
struct Scratch {
    input: Vec<u8>,
    output: Vec<u8>,
    answers: Vec<(u64, Result<Receipt, AppendError>)>,
    woken: Vec<Token>,
}

impl<D: Door> Shard<D> {
    pub(crate) fn new(
        hub: Hub,
        door: Arc<D>,
        peers: Arc<Peers<D>>,
        index: usize,
    ) -> io::Result<Self> {
        let peer = peers.all.get(index).ok_or(io::ErrorKind::NotFound)?;
        let calls = Arc::clone(peer.inbox.calls());
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &calls.eventfd, turn::WOKEN, flags)?;
        let now = Instant::now();
        let position = hub.log().last();
        let nothing = ReadBudget {
            bytes: 0,
            events: 0,
        };
        let trims_seen = hub.log().feed(position, 0, nothing).trims_seen;
        Ok(Self {
            times: door.times(),
            listeners: Listeners::default(),
            table: Table::new(),
            interests: Interests::default(),
            lately: Lately::default(),
            wheel: Wheel::new(now),
            now,
            tick: Tick::default(),
            position,
            swept_from: position,
            trims_seen,
            feed: Vec::new(),
            sweeps: VecDeque::new(),
            manys: Vec::new(),
            has_more: false,
            caught_up_bytes: 0,
            owes_a_look: false,
            ready: VecDeque::new(),
            gathers_since: None,
            requests_taken: 0,
            publishing: 0,
            requests_left: 0,
            held: VecDeque::new(),
            leases: Leases::default(),
            phase: Phase::Running,
            scratch: Scratch::default(),
            hub,
            door,
            peers,
            index,
            calls,
            epoll,
        })
    }

    /// Adds a connection, which is due at some tick. It is made knowing its slot.
    fn insert(
        &mut self,
        due: Tick,
        connection: impl FnOnce(&mut Interests, u32) -> Connection<D>,
    ) -> Token {
        let interests = &mut self.interests;
        let token = self.table.insert(|token| Entry {
            armed: due,
            due,
            connection: connection(interests, token.slot),
        });
        let armed = self.wheel.arm(token, due);
        if let Some(entry) = self.table.entry_mut(token) {
            entry.armed = armed;
        }
        self.count(1);
        token
    }

    /// Has epoll tell of the connection. Told once of everything, it needs no further call: a full
    /// socket says by itself when it takes more.
    fn watch(&mut self, token: Token) -> bool {
        use epoll::EventFlags;
        let Some(entry) = self.table.entry_mut(token) else {
            return false;
        };
        let socket = match &entry.connection {
            Connection::Asking(asking) => &asking.socket,
            Connection::Stream(stream) => &stream.socket,
        };
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let number = epoll::EventData::new_u64(token.to_u64());
        epoll::add(&self.epoll, socket, number, flags).is_ok()
    }

    /// Has epoll tell no more of a socket that lives on, or of one that it does not know.
    fn unwatch(&self, socket: impl AsFd) {
        let result = epoll::delete(&self.epoll, socket);
        debug_assert!(matches!(result, Ok(()) | Err(rustix::io::Errno::NOENT)));
    }

    /// Has the connection come up at that tick; a later one is found out when the timer set before
    /// comes up.
    fn set_due(&mut self, token: Token, due: Tick) {
        let Some(entry) = self.table.entry_mut(token) else {
            return;
        };
        entry.due = due;
        if due < entry.armed {
            entry.armed = self.wheel.arm(token, due);
        }
    }

    /// Takes a connection out of everything.
    fn remove(&mut self, token: Token) -> Option<Connection<D>> {
        self.forget_tape(token);
        if !self.leases.is_empty() {
            self.leases.remove(token);
        }
        let entry = self.table.remove(token)?;
        self.count(-1);
        if let Connection::Stream(stream) = &entry.connection {
            let table = &mut self.table;
            self.interests
                .remove(token.slot, &stream.interest, |moved| {
                    if let Some(Entry {
                        connection: Connection::Stream(stream),
                        ..
                    }) = table.at_mut(moved.slot)
                    {
                        moved.apply(&mut stream.interest);
                    }
                });
        }
        Some(entry.connection)
    }

    /// Ends a connection. What its socket was given still goes out (close(2)).
    fn close(&mut self, token: Token) {
        drop(self.remove(token));
    }

    fn stream_mut(&mut self, token: Token) -> Option<&mut Stream<D::Place>> {
        match &mut self.table.entry_mut(token)?.connection {
            Connection::Stream(stream) => Some(stream),
            Connection::Asking(_) => None,
        }
    }

    fn asking_mut(&mut self, token: Token) -> Option<&mut Asking<D>> {
        match &mut self.table.entry_mut(token)?.connection {
            Connection::Asking(asking) => Some(asking),
            Connection::Stream(_) => None,
        }
    }

    fn count(&self, change: isize) {
        if let Some(peer) = self.peers.all.get(self.index) {
            let connections = &peer.connections;
            let present = connections
                .load(Ordering::Relaxed)
                .saturating_add_signed(change);
            // Only this thread writes it.
            connections.store(present, Ordering::Relaxed);
        }
    }
}
