//! What waits for the writer: batches and chores, in the order in which they came.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fanfare_hub::log::Batch;
use fanfare_hub::{AppendError, Timestamp, TopicName};
use futures_channel::oneshot;

use crate::answer::Answer;
use crate::options::QUEUE_BYTES_MAX;

/// How long a group waits at most for those who were in the last one: as long as the quickest sync
/// takes, so that it costs nobody more than a second sync would.
const GATHER_MAX: Duration = Duration::from_micros(100);
/// Each so many groups one waits for more than the last one had, to learn whether there are more.
const PROBE_EVERY: u32 = 8;
/// Requests for which the one who stages is woken while the disk is busy: staging them takes some
/// 20 us, several times what waking costs.
const STAGE_AT: usize = 64;
/// Who waits for the disk alone is woken for no number of requests.
const FOR_THE_DISK: usize = usize::MAX;
/// Bytes that make a group worth a sync of its own while another one is synced. A sync takes some
/// 90 us and 1.4 us for each KiB: for less, one sync for both is quicker than two.
const ALONGSIDE_BYTES: u64 = 32 << 10;
/// Threads that write: one stages while the other one syncs.
pub(crate) const THREADS: usize = 2;

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

/// The requests that wait, and whose turn it is.
///
/// Two threads take turns, so that one stages while the other has the disk. Each takes what waits,
/// stages it, goes on taking while the disk is busy, and gives its turn away once the disk is its
/// own. It frees the disk before it answers, and the next group is synced meanwhile.
#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    /// Rung for one of the threads when something came while nobody was staging.
    bells: [Condvar; THREADS],
    /// Rung for the one who stages: when the disk is free, and when much came.
    disk: Condvar,
}

#[derive(Default)]
struct Inner {
    requests: Vec<Request>,
    /// Bytes of the events that wait.
    bytes: u64,
    /// Threads that sleep until they are rung for. The one that worked last is rung for first: what
    /// it needs is near its processor still.
    idle: Vec<usize>,
    is_staging: bool,
    is_disk_busy: bool,
    /// With how many requests the one who stages is woken, if it sleeps.
    wake_at: Option<usize>,
    /// How many requests the last group had.
    before: usize,
    /// Counts groups.
    groups: u32,
    is_closed: bool,
}

impl Inner {
    fn take(&mut self, requests: &mut Vec<Request>) {
        self.bytes = 0;
        mem::swap(&mut self.requests, requests);
    }

    /// Whether what waits is to be staged now. A small group is not worth its own sync: it waits
    /// for the one before, and grows meanwhile.
    fn is_due(&self) -> bool {
        let is_worth_it = !self.is_disk_busy || self.bytes >= ALONGSIDE_BYTES;
        !self.is_staging && is_worth_it && !self.requests.is_empty()
    }

    /// Whether there is nothing left to do.
    fn is_over(&self) -> bool {
        self.is_closed && !self.is_staging && self.requests.is_empty()
    }

    /// The thread that has to be woken for what waits. Ringing costs a system call, which threads
    /// that are at work do not need.
    fn thread_to_ring(&mut self) -> Option<usize> {
        (self.is_due() || self.is_over())
            .then(|| self.idle.pop())
            .flatten()
    }
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
        let count = inner.requests.len();
        let is_large = inner.bytes >= ALONGSIDE_BYTES;
        let is_much = inner
            .wake_at
            .take_if(|wake_at| count >= *wake_at || is_large && *wake_at < FOR_THE_DISK)
            .is_some();
        let thread = inner.thread_to_ring();
        drop(inner);
        if is_much {
            self.disk.notify_one();
        }
        self.ring(thread);
    }

    fn ring(&self, thread: Option<usize>) {
        if let Some(bell) = thread.and_then(|thread| self.bells.get(thread)) {
            bell.notify_one();
        }
    }

    /// Has a thread wait for requests and for the turn to stage them, which it has from then on,
    /// and take all there are; `false` once the queue is closed and empty.
    pub(crate) fn begin(&self, thread: usize, requests: &mut Vec<Request>) -> bool {
        let mut inner = self.lock();
        while !inner.is_due() {
            if inner.is_over() {
                let next = inner.idle.pop();
                drop(inner);
                self.ring(next);
                return false;
            }
            inner.idle.push(thread);
            while inner.idle.contains(&thread) {
                inner = match self.bells.get(thread) {
                    Some(bell) => wait(bell, inner),
                    None => return false,
                };
            }
        }
        inner.is_staging = true;
        if !inner.is_disk_busy {
            inner = self.gather(inner);
        }
        inner.take(requests);
        true
    }

    /// Waits for the disk, which is the caller's from then on, and takes what came meanwhile. When
    /// much came it answers `false`, before it has the disk, so that this can be staged.
    pub(crate) fn await_disk(&self, requests: &mut Vec<Request>) -> bool {
        let mut inner = self.lock();
        while inner.is_disk_busy && inner.requests.len() < STAGE_AT && inner.bytes < ALONGSIDE_BYTES
        {
            inner.wake_at = Some(STAGE_AT);
            inner = wait(&self.disk, inner);
        }
        inner.wake_at = None;
        let is_free = !inner.is_disk_busy;
        inner.is_disk_busy = true;
        inner.take(requests);
        is_free
    }

    /// Waits for the disk, which is the caller's from then on, and takes nothing.
    pub(crate) fn claim_disk(&self) {
        let mut inner = self.lock();
        while inner.is_disk_busy {
            inner.wake_at = Some(FOR_THE_DISK);
            inner = wait(&self.disk, inner);
        }
        inner.is_disk_busy = true;
    }

    /// Gives the disk to who stages, if anybody does. Answers whether it is free.
    pub(crate) fn pass_disk(&self) -> bool {
        let is_wanted = self.lock().is_staging;
        if is_wanted {
            self.free_disk();
        }
        is_wanted
    }

    /// Gives the disk to who stages, now or later.
    pub(crate) fn free_disk(&self) {
        let mut inner = self.lock();
        inner.is_disk_busy = false;
        let is_awaited = inner.wake_at.take().is_some();
        drop(inner);
        if is_awaited {
            self.disk.notify_one();
        }
    }

    /// Gives the turn to stage away, after so many requests.
    pub(crate) fn end_turn(&self, count: usize) {
        let mut inner = self.lock();
        inner.is_staging = false;
        inner.before = count;
        let thread = inner.thread_to_ring();
        drop(inner);
        self.ring(thread);
    }

    /// Waits until as many are here as were answered the last time. Publishers that publish again
    /// as soon as they are answered arrive one by one: a group of only the first of them would have
    /// all others wait for one more sync, and cost as much. Who is alone waits for nobody.
    fn gather<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        inner.groups = inner.groups.wrapping_add(1);
        let is_probe = inner.groups.is_multiple_of(PROBE_EVERY) && inner.before > 1;
        let wanted = match is_probe {
            true => 2 * inner.before,
            false => inner.before,
        };
        let until = Instant::now() + GATHER_MAX;
        while inner.requests.len() < wanted && inner.bytes < ALONGSIDE_BYTES {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            inner.wake_at = Some(wanted);
            let waited = self.disk.wait_timeout(inner, rest);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.wake_at = None;
        inner
    }

    /// Lets nothing more in. The threads end when they have done what waits.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.is_closed = true;
        let thread = inner.thread_to_ring();
        drop(inner);
        self.ring(thread);
    }
}

fn wait<'a>(condition: &Condvar, inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
    condition
        .wait(inner)
        .unwrap_or_else(PoisonError::into_inner)
}
