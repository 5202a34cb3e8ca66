//! The log as the hub sees it: starts the threads, hands batches to the writer and questions to
//! memory or to the readers.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use fanfare_hub::log::{
    AnswerTo, Feed, Located, Observer, Pending, ReadBudget, ReadRequest, Reading,
};
use fanfare_hub::{
    AppendError, Batch, Durability, Epoch, Log, Selection, Seq, Start, Timestamp, TopicName,
    TopicStatus,
};
use futures_channel::oneshot;

use crate::answer::Answer;
use crate::cache::Cache;
use crate::fetch::fetch;
use crate::keeper::{CHORES_MAX, Chore, Keeper};
use crate::locate;
use crate::open::OpenError;
use crate::options::Options;
use crate::queue::{Request, THREADS};
use crate::readers::{Readers, ready};
use crate::recover::recover;
use crate::shared::{Parts, Shared, Trouble};
use crate::storage::{Folder, Storage};
use crate::writer::Lane;

/// The durable log.
///
/// Dropping it finishes what publishers wait for and closes it in good order.
pub struct DiskLog {
    shared: Arc<Shared>,
    readers: Readers,
    keeper: SyncSender<Chore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl DiskLog {
    /// Opens the log in a folder, which is created when it is not there.
    ///
    /// # Errors
    /// The folder is in use, cannot be used, or was written by a later version.
    pub fn open(folder: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Folder::open(folder)?), options)
    }

    /// Opens the log on some storage.
    ///
    /// # Errors
    /// The storage refuses, or holds the log of a later version.
    pub fn open_on(storage: Arc<dyn Storage>, options: Options) -> Result<Self, OpenError> {
        let recovered = recover(&storage, &options)?;
        let (keeper, chores) = sync_channel(CHORES_MAX);
        let durability = match options.durability {
            Durability::Disk => Durability::Disk,
            _ => Durability::Written,
        };
        let shared = Arc::new(Shared::new(Parts {
            storage,
            epoch: recovered.epoch,
            durability,
            topics_max: options.limits.topics_max,
            segment_bytes: options.segment_bytes,
            cache: Cache::new(options.cache_bytes),
            view: recovered.view,
            keys: recovered.keys,
            keeper: keeper.clone(),
        }));
        let active = recovered.active;
        let (lane, writer) = Lane::new(Arc::clone(&shared), active.segment, active.at);
        let work = Keeper::new(Arc::clone(&shared), recovered.mark, recovered.mark_file);
        if recovered.wants_memo
            && let Err(error) = work.write_memo()
        {
            // A full disk is no reason not to read; the next start doubts the same again.
            tracing::warn!(%error, "what to remember of old segments could not be written");
        }
        let mut threads = vec![start("log-keeper", move || work.run(&chores))?];
        for (segment, end) in recovered.unsealed {
            shared.ask(Chore::Seal(segment, end));
        }
        lane.retain();
        for thread in 0..THREADS {
            let (lane, writer) = (Arc::clone(&lane), Arc::clone(&writer));
            threads.push(start("log-writer", move || lane.run(thread, &writer))?);
        }
        Ok(Self {
            readers: Readers::start().map_err(OpenError::doing("start a thread"))?,
            shared,
            keeper,
            threads: Mutex::new(threads),
        })
    }

    /// How many bytes of segments lie on disk, whether or not their events are kept.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        let view = self.shared.view();
        view.segments.iter().map(|segment| segment.capacity).sum()
    }
}

fn start(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let named = thread::Builder::new().name(name.to_owned());
    named
        .spawn(work)
        .map_err(OpenError::doing("start a thread"))
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        self.shared.queue.close();
        let mut threads = std::mem::take(
            self.threads
                .get_mut()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        // The keeper was started first and ends last: the writer may still give it chores.
        while let Some(thread) = threads.pop() {
            if threads.is_empty() {
                drop(self.keeper.send(Chore::Close));
            }
            drop(thread.join());
        }
    }
}

impl Log for DiskLog {
    fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    fn last(&self) -> Seq {
        self.shared.view().last
    }

    fn durability(&self) -> Durability {
        self.shared.durability
    }

    fn append_to(&self, batch: Batch, answer: AnswerTo) {
        let events = batch.events.iter();
        let bytes = events.map(|(encoded, _)| encoded.len() as u64).sum();
        self.shared
            .queue
            .push(Request::Append(batch, Answer::new(answer)), bytes);
    }

    fn read(&self, request: &ReadRequest) -> Reading {
        if let Some(slice) = self.shared.view().read(request) {
            return Reading::Ready(slice);
        }
        let (shared, request) = (Arc::clone(&self.shared), request.clone());
        Reading::Later(self.readers.ask(move || fetch(&shared, &request)))
    }

    fn feed(&self, after: Seq, trims_seen: u64, budget: ReadBudget) -> Feed {
        self.shared.view().feed(after, trims_seen, budget)
    }

    fn locate(
        &self,
        selection: &Arc<Selection>,
        start: &Start,
        now: Timestamp,
    ) -> Pending<Located> {
        if let Some(located) = locate::from_memory(&self.shared, selection, start) {
            return ready(located);
        }
        let shared = Arc::clone(&self.shared);
        let (selection, start) = (Arc::clone(selection), start.clone());
        self.readers
            .ask(move || locate::locate(&shared, &selection, &start, now))
    }

    fn topic(&self, name: &TopicName) -> Pending<Option<TopicStatus>> {
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        self.readers.ask(move || locate::status(&shared, &name))
    }

    fn topics(&self, after: Option<&TopicName>, limit: usize) -> Pending<Vec<TopicStatus>> {
        let (shared, after) = (Arc::clone(&self.shared), after.cloned());
        self.readers
            .ask(move || locate::page(&shared, after.as_ref(), limit))
    }

    fn forget(&self, name: &TopicName) -> Pending<Result<u64, AppendError>> {
        let (answer, answered) = oneshot::channel();
        self.shared
            .queue
            .push(Request::Forget(name.clone(), answer), 0);
        Box::pin(async move {
            answered.await.unwrap_or_else(|oneshot::Canceled| {
                // The writer answers everybody, unless it is gone.
                let reason = "the log's writer stopped".to_owned();
                Err(AppendError::Uncertain(reason))
            })
        })
    }

    fn trim(&self, now: Timestamp) {
        // When the line is full there will be another second.
        self.shared.queue.push(Request::Trim(now), 0);
    }

    fn writable(&self) -> Result<(), AppendError> {
        let Some(trouble) = self.shared.trouble() else {
            return Ok(());
        };
        if matches!(trouble, Trouble::Full(_)) {
            // Who asks may be all there is: a hub that is not ready gets no publish that would try.
            self.shared.queue.push(Request::Retry, 0);
        }
        Err(AppendError::Unavailable(trouble.reason().to_owned()))
    }

    fn is_broken(&self) -> bool {
        matches!(self.shared.trouble(), Some(Trouble::Poisoned(_)))
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        self.shared.observe(observer);
    }
}
