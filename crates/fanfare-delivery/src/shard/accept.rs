//! Accepting connections. All shards wait at the same listeners, and the kernel wakes one of them.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll;

use super::requests::Asking;
use super::{Connection, Phase, Shard};
use crate::door::Door;
use crate::inbox::Mail;
use crate::socket;
use crate::wheel::Tick;

/// Connections accepted at one listener in one turn, so that a crowd at the door does not keep
/// those who are in waiting.
const ACCEPTS_MAX: usize = 64;
/// How long to wait before accepting again when the process is out of descriptors. Connections
/// close all the time; trying at once would only spin.
const PAUSE: Duration = Duration::from_millis(100);
/// The numbers by which epoll names listeners lie below this one, beyond all tokens.
const FIRST: u64 = u64::MAX - 1;

/// The listeners of a shard.
#[derive(Default)]
pub(super) struct Listeners {
    all: Vec<Option<Arc<OwnedFd>>>,
    /// When accepting goes on that was given up for a while.
    paused: Option<Tick>,
}

impl Listeners {
    /// The listener that epoll names so.
    pub(super) fn index_of(&self, number: u64) -> Option<usize> {
        let index = usize::try_from(FIRST.checked_sub(number)?).ok()?;
        (index < self.all.len()).then_some(index)
    }

    /// How long until accepting goes on, if it was given up.
    pub(super) fn pause_ends(&self, now: Tick) -> Option<Duration> {
        self.paused.map(|until| until.since(now))
    }
}

impl<D: Door> Shard<D> {
    pub(super) fn listen(&mut self, listener: Arc<OwnedFd>) {
        let index = self.listeners.all.len();
        self.listeners.all.push(Some(listener));
        self.watch_listener(index);
    }

    fn watch_listener(&self, index: usize) {
        let Some(Some(listener)) = self.listeners.all.get(index) else {
            return;
        };
        let number = epoll::EventData::new_u64(FIRST - index as u64);
        // One connection wakes one shard, not all of them (epoll_ctl(2), EPOLLEXCLUSIVE).
        let flags = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE;
        if let Err(error) = epoll::add(&self.epoll, &**listener, number, flags) {
            self.door.cannot_accept(&error.into());
        }
    }

    fn unwatch_listeners(&self) {
        for listener in self.listeners.all.iter().flatten() {
            self.unwatch(&**listener);
        }
    }

    pub(super) fn stop_listening(&mut self, stopped: &Arc<OwnedFd>) {
        self.unwatch(&**stopped);
        for listener in &mut self.listeners.all {
            listener.take_if(|listener| Arc::ptr_eq(listener, stopped));
        }
    }

    pub(super) fn resume_accepting(&mut self) {
        if self
            .listeners
            .paused
            .is_some_and(|until| until <= self.tick)
        {
            self.listeners.paused = None;
            (0..self.listeners.all.len()).for_each(|index| self.watch_listener(index));
        }
    }

    pub(super) fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_MAX {
            let Some(Some(listener)) = self.listeners.all.get(index) else {
                return;
            };
            match socket::accept(listener) {
                Ok((socket, peer)) => self.accepted(socket, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if socket::is_of_one_connection(&error) => {}
                Err(error) => {
                    self.door.cannot_accept(&error);
                    self.unwatch_listeners();
                    self.listeners.paused = Some(self.tick.after(PAUSE));
                    return;
                }
            }
        }
    }

    fn accepted(&mut self, socket: TcpStream, peer: IpAddr) {
        let Some(place) = self.door.let_in(peer) else {
            return;
        };
        let next = self.peers.next(self.index);
        match self.peers.all.get(next) {
            Some(peer) if next != self.index => peer.inbox.post(Mail::Connection(socket, place)),
            _ => self.welcome(socket, place),
        }
    }

    /// Takes in a connection that has not asked for anything yet.
    pub(super) fn welcome(&mut self, socket: TcpStream, place: D::Place) {
        if self.phase > Phase::Running {
            return;
        }
        let due = self.tick.after(self.times.head);
        let asking = Asking::new(socket, place);
        let token = self.insert(due, |_, _| Connection::Asking(Box::new(asking)));
        if !self.watch(token) {
            self.close(token);
        }
    }
}
