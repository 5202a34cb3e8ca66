//! Embedded stores that Fanfare is held against, each behind one writer that commits for all who
//! wait: what they are best at, and what Fanfare does itself.

pub mod fjall;
pub mod redb;
pub mod sqlite;

use std::mem;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};

use crate::in_flight::Appends;
use crate::payload::Payloads;

use sqlite::{Pages, Sqlite};

/// A store that makes a group of values durable at once.
pub trait Store: Send {
    /// Stores the values under the seqs from `first` on; they survive a power cut when it returns.
    fn commit(&mut self, first: u64, values: &[Vec<u8>]) -> Result<()>;
}

/// A store that can be opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Redb,
    Fjall,
    Sqlite,
    SqliteLargePages,
}

impl Peer {
    pub const ALL: [Self; 4] = [
        Self::Redb,
        Self::Fjall,
        Self::Sqlite,
        Self::SqliteLargePages,
    ];

    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Fjall => "fjall",
            Self::Sqlite => "SQLite",
            Self::SqliteLargePages => "SQLite, 16 KiB pages",
        }
    }

    /// Opens a new store in an empty folder.
    pub fn open(self, folder: &Path) -> Result<Box<dyn Store>> {
        Ok(match self {
            Self::Redb => Box::new(redb::Redb::open(folder)?),
            Self::Fjall => Box::new(fjall::Fjall::open(folder)?),
            Self::Sqlite => Box::new(Sqlite::open(folder, Pages::Default)?),
            Self::SqliteLargePages => Box::new(Sqlite::open(folder, Pages::Large)?),
        })
    }
}

/// When the writer commits. Which is best differs by store and depth, so that all are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gather {
    /// As soon as anything waits.
    Any,
    /// When half of what can be in flight waits: the other half is handed in meanwhile.
    Half,
    /// When everything that can be in flight waits.
    All,
}

impl Gather {
    pub const ALL: [Self; 3] = [Self::Any, Self::Half, Self::All];

    fn least(self, depth: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::Half => depth.div_ceil(2),
            Self::All => depth,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Half => "half",
            Self::All => "all",
        }
    }
}

/// A store with its writer thread.
pub struct GroupCommit {
    shared: Arc<Shared>,
    payloads: Payloads,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when enough waits, and at the end.
    work: Condvar,
    /// Values that are durable.
    durable: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: Vec<Vec<u8>>,
    /// The writer commits when so many wait.
    least: usize,
    is_closed: bool,
    /// Who waits for the oldest append. Appends are answered in order and the driver asks only for
    /// the oldest, so that one place is enough.
    waker: Option<Waker>,
    failed: Option<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupCommit {
    pub fn new(store: Box<dyn Store>, gather: Gather, depth: usize) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                least: gather.least(depth),
                ..State::default()
            }),
            work: Condvar::new(),
            durable: AtomicU64::new(0),
        });
        let writer = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || write(&shared, store)
        });
        Self {
            shared,
            payloads: Payloads::new(),
            writer: Some(writer),
        }
    }
}

impl Appends for GroupCommit {
    type Append = Answer;

    fn append(&mut self, number: u64) -> Answer {
        let value = self.payloads.value(number);
        let mut state = self.shared.state();
        state.waiting.push(value);
        if state.waiting.len() == state.least {
            self.shared.work.notify_one();
        }
        drop(state);
        Answer {
            shared: Arc::clone(&self.shared),
            number,
        }
    }

    fn hurry(&mut self) {
        self.shared.state().least = 1;
        self.shared.work.notify_one();
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.work.notify_one();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said why on standard error.
            drop(writer.join());
        }
    }
}

/// Resolves when the value of this number is durable.
pub struct Answer {
    shared: Arc<Shared>,
    number: u64,
}

impl Future for Answer {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Result<()>> {
        let is_durable = || self.shared.durable.load(Ordering::Acquire) > self.number;
        if is_durable() {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.shared.state();
        if let Some(why) = &state.failed {
            return Poll::Ready(Err(anyhow!("{why}")));
        }
        // Asked again under the lock, or the writer could have looked for a waker in between.
        if is_durable() {
            return Poll::Ready(Ok(()));
        }
        state.waker = Some(ctx.waker().clone());
        Poll::Pending
    }
}

/// The writer: takes what waits, commits it, answers.
fn write(shared: &Shared, mut store: Box<dyn Store>) {
    let mut group = Vec::new();
    let mut first = 0;
    loop {
        let mut state = shared.state();
        while state.waiting.len() < state.least && !state.is_closed {
            state = shared
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.waiting.is_empty() {
            return;
        }
        mem::swap(&mut group, &mut state.waiting);
        drop(state);
        let outcome = store.commit(first, &group);
        first += group.len() as u64;
        group.clear();
        let mut state = shared.state();
        match outcome {
            Ok(()) => shared.durable.store(first, Ordering::Release),
            Err(error) => state.failed = Some(format!("{error:#}")),
        }
        let waker = state.waker.take();
        let has_failed = state.failed.is_some();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        if has_failed {
            return;
        }
    }
}
