//! Embedded stores that Fanfare is held against, each behind one writer that commits for all who
//! wait: what they are best at, and what Fanfare does itself.

pub mod fjall;
pub mod redb;
pub mod sqlite;

use std::mem;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::Result;

use crate::in_flight::{Appends, Inbox};
use crate::payload::Payloads;

use sqlite::{Pages, Sqlite};

/// What a store gets of one event.
pub struct Value {
    /// The number of its topic: stores that keep an index by topic need no table of names.
    pub topic: u32,
    /// Time, topic and text.
    pub bytes: Vec<u8>,
}

/// A store that makes a group of values durable at once.
pub trait Store: Send {
    /// Stores the values under the seqs from `first` on; they survive a power cut when it returns.
    fn commit(&mut self, first: u64, values: &[Value]) -> Result<()>;
}

/// A store that can be opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    brand: Brand,
    /// Whether it can say what lies after a seq in a topic, as Fanfare can: then each commit also
    /// keeps an index by topic and seq.
    pub is_by_topic: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Brand {
    Redb,
    Fjall,
    Sqlite,
    SqliteLargePages,
}

impl Peer {
    /// All of them, first as they can resume a topic, then without.
    pub fn all() -> impl Iterator<Item = Self> {
        [true, false].into_iter().flat_map(|is_by_topic| {
            let brands = [
                Brand::Redb,
                Brand::Fjall,
                Brand::Sqlite,
                Brand::SqliteLargePages,
            ];
            brands
                .into_iter()
                .map(move |brand| Self { brand, is_by_topic })
        })
    }

    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        match (self.brand, self.is_by_topic) {
            (Brand::Redb, false) => "redb, by seq only",
            (Brand::Fjall, false) => "fjall, by seq only",
            (Brand::Sqlite, false) => "SQLite, by seq only",
            (Brand::SqliteLargePages, false) => "SQLite 16 KiB pages, by seq only",
            (Brand::Redb, true) => "redb",
            (Brand::Fjall, true) => "fjall",
            (Brand::Sqlite, true) => "SQLite",
            (Brand::SqliteLargePages, true) => "SQLite 16 KiB pages",
        }
    }

    /// Opens a new store in an empty folder.
    pub fn open(self, folder: &Path) -> Result<Box<dyn Store>> {
        let is_by_topic = self.is_by_topic;
        Ok(match self.brand {
            Brand::Redb => Box::new(redb::Redb::open(folder, is_by_topic)?),
            Brand::Fjall => Box::new(fjall::Fjall::open(folder, is_by_topic)?),
            Brand::Sqlite => Box::new(Sqlite::open(folder, Pages::Default, is_by_topic)?),
            Brand::SqliteLargePages => Box::new(Sqlite::open(folder, Pages::Large, is_by_topic)?),
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
    inbox: Arc<Inbox>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when enough waits, and at the end.
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Value>,
    /// The writer commits when so many wait.
    least: usize,
    is_closed: bool,
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
        });
        let inbox = Inbox::new();
        let writer = std::thread::spawn({
            let (shared, inbox) = (Arc::clone(&shared), Arc::clone(&inbox));
            move || write(&shared, &inbox, store)
        });
        Self {
            shared,
            payloads: Payloads::new(),
            inbox,
            writer: Some(writer),
        }
    }
}

impl Appends for GroupCommit {
    fn append(&mut self, number: u64) {
        let value = self.payloads.value(number);
        let mut state = self.shared.state();
        state.waiting.push(value);
        if state.waiting.len() == state.least {
            self.shared.work.notify_one();
        }
    }

    fn inbox(&self) -> &Inbox {
        &self.inbox
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

/// The writer: takes what waits, commits it, answers.
fn write(shared: &Shared, inbox: &Inbox, mut store: Box<dyn Store>) {
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
        if let Err(error) = store.commit(first, &group) {
            return inbox.fail(format!("{error:#}"));
        }
        first += group.len() as u64;
        group.clear();
        inbox.set_answered(first);
    }
}
