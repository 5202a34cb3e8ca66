//! What the threads of the log share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use fanfare_hub::idempotency::IdempotencyIndex;
use fanfare_hub::log::Observer;
use fanfare_hub::{Durability, Epoch, Seq};

use crate::cache::Cache;
use crate::keeper::Chore;
use crate::queue::Queue;
use crate::shelf::Shelf;
use crate::storage::{Storage, StoredFile};
use crate::view::View;

/// Why events cannot be stored.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// There is no room for another segment. Passes when there is.
    Full(String),
    /// What is on disk is not known any more. Passes with a restart.
    Poisoned(String),
}

impl Trouble {
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Full(reason) | Self::Poisoned(reason) => reason,
        }
    }
}

/// A file that waits to become a segment.
pub(crate) struct Spare {
    pub(crate) name: &'static str,
    pub(crate) file: Arc<dyn StoredFile>,
    /// Its bytes.
    pub(crate) capacity: u64,
}

/// What the threads share.
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) epoch: Epoch,
    pub(crate) durability: Durability,
    pub(crate) topics_max: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) queue: Queue,
    pub(crate) cache: Cache,
    view: RwLock<View>,
    keys: RwLock<IdempotencyIndex>,
    trouble: Mutex<Option<Trouble>>,
    /// Whether there is trouble, for those who only ask that, which is every publish.
    has_trouble: AtomicBool,
    /// The seq up to which everything is durable.
    durable: AtomicU64,
    /// Locked while one is being made, so that nobody makes another one of the same name.
    spares: Mutex<Vec<Spare>>,
    observer: OnceLock<Arc<dyn Observer>>,
    keeper: SyncSender<Chore>,
}

/// What a log consists of before its threads run.
pub(crate) struct Parts {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) epoch: Epoch,
    pub(crate) durability: Durability,
    pub(crate) topics_max: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) cache: Cache,
    pub(crate) view: View,
    pub(crate) keys: IdempotencyIndex,
    pub(crate) keeper: SyncSender<Chore>,
}

// Nothing between taking and releasing one of these locks can be caught half done: a panic there is
// an assertion about the log itself, and those who come later meet the same assertion.
impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let durable = parts.view.last.0;
        Self {
            storage: parts.storage,
            epoch: parts.epoch,
            durability: parts.durability,
            topics_max: parts.topics_max,
            segment_bytes: parts.segment_bytes,
            queue: Queue::default(),
            cache: parts.cache,
            view: RwLock::new(parts.view),
            keys: RwLock::new(parts.keys),
            trouble: Mutex::new(None),
            has_trouble: AtomicBool::new(false),
            durable: AtomicU64::new(durable),
            spares: Mutex::default(),
            observer: OnceLock::new(),
            keeper: parts.keeper,
        }
    }

    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keys(&self) -> RwLockReadGuard<'_, IdempotencyIndex> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keys_mut(&self) -> RwLockWriteGuard<'_, IdempotencyIndex> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Questions to the segments of this moment.
    pub(crate) fn shelf(&self) -> Shelf<'_> {
        self.shelf_of(&self.view())
    }

    /// The same, for who looks at the view already.
    pub(crate) fn shelf_of(&self, view: &View) -> Shelf<'_> {
        Shelf {
            segments: Arc::clone(&view.segments),
            cache: &self.cache,
        }
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble_cell().clone()
    }

    pub(crate) fn has_trouble(&self) -> bool {
        self.has_trouble.load(Ordering::Acquire)
    }

    /// Notes what is wrong, or that nothing is. What is poisoned stays so.
    pub(crate) fn set_trouble(&self, trouble: Option<Trouble>) {
        let mut present = self.trouble_cell();
        match (&*present, &trouble) {
            (Some(Trouble::Poisoned(_)), _) | (None, None) => return,
            (Some(Trouble::Full(_)), None) => tracing::info!("there is room for events again"),
            (None, Some(trouble)) => {
                tracing::error!(reason = trouble.reason(), "events cannot be stored");
            }
            (Some(Trouble::Full(_)), Some(_)) => {}
        }
        self.has_trouble.store(trouble.is_some(), Ordering::Release);
        *present = trouble;
    }

    fn trouble_cell(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable(&self) -> Seq {
        Seq(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn set_durable(&self, seq: Seq) {
        self.durable.store(seq.0, Ordering::Release);
    }

    /// The spare files. Whoever uses the name of one holds this meanwhile.
    pub(crate) fn spares(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.observer.get()
    }

    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) {
        // The hub calls this once; a second hub on one log would be deaf, which its first test
        // shows.
        let is_first = self.observer.set(observer).is_ok();
        assert!(is_first, "a log has one hub");
    }

    /// Gives the keeper something to do. Waits when it has much to do already.
    pub(crate) fn ask(&self, chore: Chore) {
        // It is gone only when the log is.
        drop(self.keeper.send(chore));
    }

    /// The same for chores that may as well be done another time.
    pub(crate) fn suggest(&self, chore: Chore) {
        drop(self.keeper.try_send(chore));
    }
}
