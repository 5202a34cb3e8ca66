//! Who of a crowd is there, and when those came back who were sent away.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Notify;

/// The list of a crowd, on which everybody writes.
pub(super) struct Board {
    list: Mutex<List>,
    /// Somebody came.
    changed: Notify,
}

struct List {
    /// Since when it is asked who came back.
    marked: Instant,
    places: Vec<Place>,
    /// Of those, how many have an event stream.
    open: usize,
    /// How many of them lost one since the mark.
    cut: usize,
    failed: usize,
}

/// One subscriber.
#[derive(Clone, Copy, Default)]
struct Place {
    is_cut: bool,
    /// How long after the mark it was there again.
    back: Duration,
}

/// How a crowd came back.
#[derive(Clone, Debug, Default)]
pub struct Back {
    /// How long after the mark each was there again, soonest first.
    pub after: Vec<Duration>,
    /// Attempts that found nobody, or were cut off before the answer.
    pub failed: usize,
}

impl Board {
    pub(super) fn new(subscribers: usize) -> Self {
        Self {
            list: Mutex::new(List {
                marked: Instant::now(),
                places: vec![Place::default(); subscribers],
                open: 0,
                cut: 0,
                failed: 0,
            }),
            changed: Notify::new(),
        }
    }

    /// Asks from now on who is sent away and comes back.
    pub(super) fn mark(&self) {
        let mut list = self.list();
        list.marked = Instant::now();
        list.places.fill(Place::default());
        (list.cut, list.failed) = (0, 0);
    }

    pub(super) fn opened(&self, number: usize) {
        let mut list = self.list();
        let back = list.marked.elapsed();
        if let Some(place) = list.places.get_mut(number) {
            place.back = back;
        }
        list.open += 1;
        self.changed.notify_one();
    }

    pub(super) fn ended(&self, number: usize) {
        let mut list = self.list();
        let is_first = list.places.get_mut(number).is_some_and(|place| {
            let was_cut = std::mem::replace(&mut place.is_cut, true);
            !was_cut
        });
        list.open -= 1;
        list.cut += usize::from(is_first);
    }

    pub(super) fn failed(&self) {
        self.list().failed += 1;
    }

    /// Waits until everybody is there.
    pub(super) async fn all_open(&self) {
        self.all(|list| list.open == list.places.len()).await;
    }

    /// Waits until everybody was sent away since the mark and is there again.
    pub(super) async fn all_back(&self) -> Back {
        let is_over = |list: &List| {
            let all = list.places.len();
            list.cut == all && list.open == all
        };
        self.all(is_over).await;
        let list = self.list();
        let mut after: Vec<_> = list.places.iter().map(|place| place.back).collect();
        after.sort_unstable();
        Back {
            after,
            failed: list.failed,
        }
    }

    async fn all(&self, is_so: impl Fn(&List) -> bool) {
        // Who notifies before it is waited for leaves a permit behind.
        while !is_so(&self.list()) {
            self.changed.notified().await;
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Back {
    /// The same for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let after = self.after.iter().map(|after| after.as_millis() as u64);
        json!({ "after_ms": after.collect::<Vec<_>>(), "failed": self.failed })
    }
}
