//! What a shard is told by others.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use fanfare_hub::log::Answers;
use fanfare_hub::{AppendError, Bell, Receipt};
use rustix::event::{EventfdFlags, eventfd};

use crate::alarm::Alarm;
use crate::door::{Adopted, Door};
use crate::table::Token;

/// What a shard is told.
pub(crate) enum Mail<D: Door> {
    /// A connection that another shard accepted.
    Connection(TcpStream, D::Place),
    /// A stream that comes from elsewhere.
    Adopt(Box<Adopted<D>>),
    /// Accept on this listener.
    Listen(Arc<OwnedFd>),
    /// Accept no longer on it.
    StopListening(Arc<OwnedFd>),
    /// Take no further requests.
    Stop,
    /// End all streams once they are told everything.
    Drain,
    /// End everything and the thread.
    Quit,
}

/// The inbox of one shard.
pub(crate) struct Inbox<D: Door> {
    mail: Mutex<Vec<Mail<D>>>,
    calls: Arc<Calls>,
}

/// What others call a shard with, whatever its door.
pub(crate) struct Calls {
    pub(crate) alarm: Alarm,
    /// Written to wake the shard out of its sleep.
    pub(crate) eventfd: OwnedFd,
    /// Answers of the log, by the connection that published.
    answers: Mutex<Vec<(u64, Result<Receipt, AppendError>)>>,
    /// Connections whose futures can go on.
    woken: Mutex<Vec<Token>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Vectors that are pushed to or taken whole: no panic leaves them half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Door> Inbox<D> {
    pub(crate) fn new() -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            mail: Mutex::default(),
            calls: Arc::new(Calls {
                alarm: Alarm::default(),
                eventfd,
                answers: Mutex::default(),
                woken: Mutex::default(),
            }),
        })
    }

    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Tells the shard something.
    pub(crate) fn post(&self, mail: Mail<D>) {
        lock(&self.mail).push(mail);
        self.calls.ring();
    }

    pub(crate) fn take_mail(&self) -> Vec<Mail<D>> {
        std::mem::take(&mut *lock(&self.mail))
    }
}

impl Calls {
    /// Takes the answers, into a vector that is empty.
    pub(crate) fn take_answers(&self, into: &mut Vec<(u64, Result<Receipt, AppendError>)>) {
        std::mem::swap(&mut *lock(&self.answers), into);
    }

    /// Takes the connections that were woken, into a vector that is empty.
    pub(crate) fn take_woken(&self, into: &mut Vec<Token>) {
        std::mem::swap(&mut *lock(&self.woken), into);
    }

    /// A waker for the future of one connection.
    pub(crate) fn waker(self: &Arc<Self>, token: Token) -> Waker {
        Waker::from(Arc::new(TokenWaker {
            calls: Arc::clone(self),
            token,
        }))
    }
}

impl Bell for Calls {
    fn ring(&self) {
        if self.alarm.ring() {
            let written = rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes());
            // It fails only when the counter is full, and then the shard wakes as well.
            debug_assert!(written.is_ok() || written == Err(rustix::io::Errno::AGAIN));
        }
    }
}

impl Answers for Calls {
    fn answer(&self, token: u64, result: Result<Receipt, AppendError>) {
        lock(&self.answers).push((token, result));
    }

    fn wake(&self) {
        self.ring();
    }
}

struct TokenWaker {
    calls: Arc<Calls>,
    token: Token,
}

impl Wake for TokenWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        lock(&self.calls.woken).push(self.token);
        self.calls.ring();
    }
}
