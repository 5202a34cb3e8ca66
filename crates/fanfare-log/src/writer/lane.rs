//! What the two threads pass to each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::show::Shower;
use super::stage::Group;
use super::{Writer, commit};
use crate::queue::Queue;
use crate::segment::Segment;
use crate::shared::Shared;

/// What the threads that write have in common.
pub(crate) struct Lane {
    pub(super) shared: Arc<Shared>,
    shower: Mutex<Shower>,
    /// Whether a group could not be stored, and nobody has staged since.
    has_failed: AtomicBool,
    /// A group that is not in use, for its buffers.
    empty: Mutex<Option<Group>>,
}

impl Lane {
    /// Goes on at the end of the segment. The second is what the threads run, in turns.
    pub(crate) fn new(
        shared: Arc<Shared>,
        segment: Arc<Segment>,
        at: u64,
    ) -> (Arc<Self>, Arc<Mutex<Writer>>) {
        let lane = Arc::new(Self {
            shower: Mutex::new(Shower::new(Arc::clone(&shared))),
            shared,
            has_failed: AtomicBool::new(false),
            empty: Mutex::default(),
        });
        let writer = Writer::new(Arc::clone(&lane), segment, at);
        (lane, Arc::new(Mutex::new(writer)))
    }

    /// Who makes things visible. Locked by who has the disk, before it frees it.
    pub(super) fn shower(&self) -> MutexGuard<'_, Shower> {
        self.shower.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    pub(super) fn set_failed(&self, has_failed: bool) {
        self.has_failed.store(has_failed, Ordering::Release);
    }

    /// An empty group.
    pub(super) fn take_empty(&self) -> Group {
        let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        empty.take().unwrap_or_default()
    }

    /// Applies retention, as the rules that hold now want it.
    pub(crate) fn retain(&self) {
        self.shower().retain();
    }

    fn queue(&self) -> &Queue {
        &self.shared.queue
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(&self, thread: usize, writer: &Mutex<Writer>) {
        let mut requests = Vec::new();
        while self.queue().begin(thread, &mut requests) {
            // Only who has the turn locks it. When staging panicked, nobody can go on.
            let Ok(mut writer) = writer.lock() else {
                return;
            };
            let group = writer.turn(&mut requests);
            drop(writer);
            self.queue().end_turn(group.requests);
            let group = self.store(group);
            let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
            *empty = Some(group);
        }
    }

    /// Makes a group durable, visible and known, and frees the disk. The group is empty then.
    pub(super) fn store(&self, mut group: Group) -> Group {
        let result = match group.segment.clone() {
            Some(segment) => commit::store(&self.shared, &segment, &mut group),
            None => Ok(()),
        };
        let mut shower = self.shower();
        if result.is_err() {
            self.set_failed(true);
        }
        // Nobody has staged meanwhile where publishers wait for this very group.
        let is_held = group.has_disk && !self.queue().pass_disk();
        shower.finish(&mut group, result);
        if is_held {
            self.queue().free_disk();
        }
        shower.retain();
        group.clear();
        group
    }
}
