//! All shards of a server: starts their threads, spreads connections over them, and ends them.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fanfare_hub::{Bell, Cursor, Hub};

use crate::door::{Adopted, Door, Opening};
use crate::inbox::{Inbox, Mail};
use crate::shard::Shard;
use crate::socket;

/// Connections that one shard may have more than another before it gives new ones away: passing
/// one on costs a wake of the other shard, a few connections cost nothing.
const IMBALANCE_MAX: usize = 16;
/// Connections that wait to be accepted. When a hub comes back, all its subscribers do; a full
/// queue costs them a second each. More than the system's own bound (`net.core.somaxconn`, 4,096
/// unless set otherwise) has no effect.
const BACKLOG: i32 = 4_096;

/// The shards of a server. Dropping it ends their threads and all connections at once.
pub struct Shards<D: Door> {
    peers: Arc<Peers<D>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A listener on which the shards accept.
pub struct Listening(Arc<OwnedFd>);

/// What shards know of each other.
pub(crate) struct Peers<D: Door> {
    pub(crate) all: Vec<Peer<D>>,
}

/// One shard as the others see it.
pub(crate) struct Peer<D: Door> {
    pub(crate) inbox: Inbox<D>,
    /// How many connections it has.
    pub(crate) connections: AtomicUsize,
}

impl<D: Door> Peers<D> {
    /// The shard that should have the next connection, for one that stands at `own`.
    pub(crate) fn next(&self, own: usize) -> usize {
        let count = |peer: &Peer<D>| peer.connections.load(Ordering::Relaxed);
        let least = self
            .all
            .iter()
            .enumerate()
            .min_by_key(|(_, peer)| count(peer));
        match (least, self.all.get(own)) {
            (Some((index, least)), Some(own)) if count(least) + IMBALANCE_MAX < count(own) => index,
            _ => own,
        }
    }
}

impl<D: Door> Shards<D> {
    /// Starts one thread for each core that the process may use.
    ///
    /// # Errors
    /// When the system gives no epoll, eventfd or thread.
    pub fn start(hub: &Hub, door: &Arc<D>) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let peers = (0..cores).map(|_| {
            Ok(Peer {
                inbox: Inbox::new()?,
                connections: AtomicUsize::new(0),
            })
        });
        let peers = Arc::new(Peers {
            all: peers.collect::<io::Result<_>>()?,
        });
        let shards = Self {
            peers: Arc::clone(&peers),
            threads: Mutex::default(),
        };
        for index in 0..cores {
            let shard = Shard::new(hub.clone(), Arc::clone(door), Arc::clone(&peers), index)?;
            if let Some(peer) = peers.all.get(index) {
                hub.hang(Arc::<crate::inbox::Calls>::clone(peer.inbox.calls()) as Arc<dyn Bell>);
            }
            let thread = thread::Builder::new().name(format!("shard-{index}"));
            let thread = thread.spawn(move || shard.run())?;
            let mut threads = shards
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            threads.push(thread);
        }
        Ok(shards)
    }

    /// Accepts connections on a listener, whose sockets the shards own from then on.
    ///
    /// # Errors
    /// When the listener cannot be set up.
    pub fn listen(&self, listener: TcpListener, door: &D) -> io::Result<Listening> {
        listener.set_nonblocking(true)?;
        // What is set on the listener, its connections begin with (tcp(7)): one call for all.
        let peer_silence = door.times().peer_silence;
        socket::prepare(&listener, peer_silence)?;
        socket::listen(&listener, BACKLOG)?;
        let listener = OwnedFd::from(listener);
        self.take_early(&listener, peer_silence, door);
        let listener = Arc::new(listener);
        self.tell_all(|| Mail::Listen(Arc::clone(&listener)));
        Ok(Listening(listener))
    }

    /// Takes in who connected before the listener was set up: they began with nothing.
    fn take_early(&self, listener: &OwnedFd, peer_silence: Duration, door: &D) {
        // Whoever comes from here on is set up.
        for _ in 0..=BACKLOG {
            let (socket, from) = match socket::accept(listener) {
                Ok(accepted) => accepted,
                Err(error) if socket::is_of_one_connection(&error) => continue,
                // Nobody is left, or the shards will find out and say what is wrong.
                Err(_) => break,
            };
            if socket::prepare(&socket, peer_silence).is_err() {
                continue;
            }
            let peer = self.peers.all.get(self.peers.next(0));
            if let (Some(place), Some(peer)) = (door.let_in(from), peer) {
                peer.inbox.post(Mail::Connection(socket, place));
            }
        }
    }

    /// Takes in a stream whose request was read elsewhere.
    pub fn adopt(&self, socket: TcpStream, opening: Opening, cursor: Cursor, place: D::Place) {
        let adopted = Box::new(Adopted {
            socket,
            opening,
            cursor: Box::new(cursor),
            place,
        });
        if let Some(peer) = self.peers.all.get(self.peers.next(0)) {
            peer.inbox.post(Mail::Adopt(adopted));
        }
    }

    /// Accepts no more connections on a listener, which closes.
    pub fn stop_listening(&self, listening: &Listening) {
        self.tell_all(|| Mail::StopListening(Arc::clone(&listening.0)));
    }

    /// Takes no further requests: connections that wait for one are closed.
    pub fn stop(&self) {
        self.tell_all(|| Mail::Stop);
    }

    /// Ends all streams, once they were told everything.
    pub fn drain(&self) {
        self.tell_all(|| Mail::Drain);
    }

    /// Ends everything at once.
    pub fn abort(&self) {
        self.tell_all(|| Mail::Quit);
    }

    fn tell_all(&self, mail: impl Fn() -> Mail<D>) {
        self.peers
            .all
            .iter()
            .for_each(|peer| peer.inbox.post(mail()));
    }
}

impl<D: Door> Drop for Shards<D> {
    fn drop(&mut self) {
        self.tell_all(|| Mail::Quit);
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A shard may hold the last handle of all shards.
            if thread.thread().id() != thread::current().id() {
                drop(thread.join());
            }
        }
    }
}
