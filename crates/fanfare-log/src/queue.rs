//! What waits for the writer: batches and chores, in the order in which they came.

use std::hint::spin_loop;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fanfare_hub::log::Batch;
use fanfare_hub::{AppendError, Timestamp, TopicName};
use futures_channel::oneshot;

use crate::answer::Answer;
use crate::options::QUEUE_BYTES_MAX;

/// When nobody came for so long, nobody is about to: handing an event in takes less than 1 us.
const QUIET: Duration = Duration::from_micros(5);
/// The longest time spent on gathering: half of what the quickest sync takes.
const GATHER_MAX: Duration = Duration::from_micros(50);
/// Turns between two looks, some 0.2 us, so that those who come find the lock free.
const SPINS: usize = 16;

/// What the writer is asked for.
pub(crate) enum Request {
    /// Store these events.
    Append(Batch, Answer),
    /// Drop the history of a topic, and its end.
    Forget(TopicName, oneshot::Sender<Result<u64, AppendError>>),
    /// Apply retention by age.
    Trim(Timestamp),
    /// See whether what was wrong with the disk is over.
    Retry,
}

impl Request {
    /// Says why it found no room.
    fn refuse(self, reason: &str) {
        let error = AppendError::Unavailable(reason.to_owned());
        match self {
            Self::Append(_, answer) => answer.send(Err(error)),
            // Who hung up does not want to know.
            Self::Forget(_, answer) => drop(answer.send(Err(error))),
            Self::Trim(_) | Self::Retry => {}
        }
    }
}

/// The requests that wait.
#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    /// Rung when something came while the writer slept.
    bell: Condvar,
}

#[derive(Default)]
struct Inner {
    requests: Vec<Request>,
    /// Bytes of the events that wait.
    bytes: u64,
    is_writer_asleep: bool,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request of so many bytes in line, or refuses it to whoever waits for it.
    pub(crate) fn push(&self, request: Request, bytes: u64) {
        let mut inner = self.lock();
        if inner.is_closed {
            drop(inner);
            return request.refuse("the log is closed");
        }
        if inner.bytes + bytes > QUEUE_BYTES_MAX && inner.bytes > 0 {
            drop(inner);
            return request.refuse("the disk does not keep up with publishers");
        }
        inner.bytes += bytes;
        inner.requests.push(request);
        // Ringing costs a system call, which a writer that is at work does not need.
        if mem::take(&mut inner.is_writer_asleep) {
            drop(inner);
            self.bell.notify_one();
        }
    }

    /// Waits for requests and takes all there are; `false` once the queue is closed and empty.
    /// `before` is how many were taken the last time.
    pub(crate) fn take(&self, requests: &mut Vec<Request>, before: usize) -> bool {
        let mut inner = self.lock();
        while inner.requests.is_empty() {
            if inner.is_closed {
                return false;
            }
            inner.is_writer_asleep = true;
            inner = self
                .bell
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inner = self.gather(inner, before);
        inner.bytes = 0;
        mem::swap(&mut inner.requests, requests);
        true
    }

    /// Waits while as many come back as were answered the last time. Publishers that publish again
    /// as soon as they are answered arrive one by one: a group of only the first of them would have
    /// all others wait for one more sync. Who is alone waits for nobody.
    fn gather<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner>,
        before: usize,
    ) -> MutexGuard<'a, Inner> {
        let begin = Instant::now();
        let mut grown = begin;
        let mut seen = inner.requests.len();
        while seen < before && grown.elapsed() < QUIET && begin.elapsed() < GATHER_MAX {
            drop(inner);
            (0..SPINS).for_each(|_| spin_loop());
            inner = self.lock();
            if inner.requests.len() > seen {
                seen = inner.requests.len();
                grown = Instant::now();
            }
        }
        inner
    }

    /// Lets nothing more in. The writer ends when it has done what waits.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.bell.notify_one();
    }
}
