//! The threads that read what is not in memory, so that no thread of the hub waits for a disk.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::{io, thread};

use fanfare_hub::log::Pending;
use futures_channel::oneshot;

use crate::options::{READERS, READS_MAX};

type Job = Box<dyn FnOnce() + Send>;

/// The threads, and the line before them.
pub(crate) struct Readers {
    line: Arc<Line>,
    threads: Vec<JoinHandle<()>>,
}

/// Questions that wait. Each wakes one thread and no more: a channel behind a lock would wake a
/// second one, only to wait in its place.
#[derive(Default)]
struct Line(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Threads with nothing to do. Who came last is woken first: a replay then goes on with the
    /// buffers that its last slice used, and not with those of each thread in turn.
    idle: Vec<Thread>,
    is_closed: bool,
}

impl Readers {
    /// Starts the threads.
    pub(crate) fn start() -> io::Result<Self> {
        let mut readers = Self {
            line: Arc::default(),
            threads: Vec::new(),
        };
        for number in 0..READERS {
            let line = Arc::clone(&readers.line);
            let named = thread::Builder::new().name(format!("log-reader-{number}"));
            readers.threads.push(named.spawn(move || line.work())?);
        }
        Ok(readers)
    }

    /// Runs a question on one of the threads. When the line is full the one who asks runs it: there
    /// is more to read than the disk gives, and waiting is all that is left.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Whoever asked may be gone.
            drop(answer.send(question()));
        });
        if let Some(job) = self.line.push(job) {
            job();
        }
        Box::pin(async move {
            match answered.await {
                Ok(answer) => answer,
                // The log is closed, or a question panicked: there is no answer any more.
                Err(oneshot::Canceled) => std::future::pending().await,
            }
        })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.line.waiting().is_closed = true;
        for thread in &self.threads {
            thread.thread().unpark();
        }
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

impl Line {
    // Nothing that can panic is done under this lock.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a question in line; gives it back when the line is full.
    fn push(&self, job: Job) -> Option<Job> {
        let mut waiting = self.waiting();
        if waiting.jobs.len() >= READS_MAX {
            return Some(job);
        }
        waiting.jobs.push_back(job);
        let idle = waiting.idle.pop();
        drop(waiting);
        if let Some(thread) = idle {
            thread.unpark();
        }
        None
    }

    /// The next question; `None` when there will be none any more.
    fn next(&self) -> Option<Job> {
        let mut waiting = self.waiting();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.is_closed {
                return None;
            }
            let me = thread::current();
            waiting.idle.push(me.clone());
            drop(waiting);
            thread::park();
            waiting = self.waiting();
            // A thread may wake by itself, and is then not idle any more.
            waiting.idle.retain(|idle| idle.id() != me.id());
        }
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }
}

/// A future that is ready.
pub(crate) fn ready<T: Send + 'static>(value: T) -> Pending<T> {
    let future: std::future::Ready<T> = std::future::ready(value);
    Box::pin(future) as std::pin::Pin<Box<dyn Future<Output = T> + Send>>
}
