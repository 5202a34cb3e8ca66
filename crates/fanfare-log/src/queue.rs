//! What waits for the writer: batches and chores, in the order in which they came.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use fanfare_hub::log::Batch;
use fanfare_hub::{AppendError, Receipt, Timestamp, TopicName};
use futures_channel::oneshot;

use crate::options::QUEUE_BYTES_MAX;

/// Where the answer to a batch goes.
pub(crate) type Answer = oneshot::Sender<Result<Receipt, AppendError>>;

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

    /// Puts a request of so many bytes in line.
    pub(crate) fn push(&self, request: Request, bytes: u64) -> Result<(), Refused> {
        let mut inner = self.lock();
        if inner.is_closed {
            return Err(Refused("the log is closed"));
        }
        if inner.bytes + bytes > QUEUE_BYTES_MAX && inner.bytes > 0 {
            return Err(Refused("the disk does not keep up with publishers"));
        }
        inner.bytes += bytes;
        inner.requests.push(request);
        // Ringing costs a system call, which a writer that is at work does not need.
        if mem::take(&mut inner.is_writer_asleep) {
            drop(inner);
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Waits for requests and takes all there are; `false` once the queue is closed and empty.
    pub(crate) fn take(&self, requests: &mut Vec<Request>) -> bool {
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
        inner.bytes = 0;
        mem::swap(&mut inner.requests, requests);
        true
    }

    /// Lets nothing more in. The writer ends when it has done what waits.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.bell.notify_one();
    }
}

/// Why a request found no room.
pub(crate) struct Refused(pub(crate) &'static str);
