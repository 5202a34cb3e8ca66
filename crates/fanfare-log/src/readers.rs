//! The threads that read what is not in memory, so that no thread of the hub waits for a disk.

use std::future::Future;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::{io, thread};

use fanfare_hub::log::Pending;
use futures_channel::oneshot;

use crate::options::{READERS, READS_MAX};

type Job = Box<dyn FnOnce() + Send>;

/// The threads, and the line before them.
pub(crate) struct Readers {
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts the threads.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, line) = sync_channel(READS_MAX);
        let line = Arc::new(Mutex::new(line));
        let threads = (0..READERS).map(|number| {
            let line = Arc::clone(&line);
            let named = thread::Builder::new().name(format!("log-reader-{number}"));
            named.spawn(move || work(&line))
        });
        Ok(Self {
            jobs: Some(jobs),
            threads: threads.collect::<io::Result<_>>()?,
        })
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
        if let Some(jobs) = &self.jobs
            && let Err(error) = jobs.try_send(job)
        {
            use std::sync::mpsc::TrySendError::{Disconnected, Full};
            let (Full(job) | Disconnected(job)) = error;
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
        self.jobs = None;
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn work(line: &Mutex<Receiver<Job>>) {
    loop {
        let next = line.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(),
            Err(_closed) => return,
        }
    }
}

/// A future that is ready.
pub(crate) fn ready<T: Send + 'static>(value: T) -> Pending<T> {
    let future: std::future::Ready<T> = std::future::ready(value);
    Box::pin(future) as std::pin::Pin<Box<dyn Future<Output = T> + Send>>
}
