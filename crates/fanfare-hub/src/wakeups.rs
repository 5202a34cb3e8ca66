//! Who waits for which topic. Publishing wakes exactly those who subscribed to the topic or to a
//! pattern that selects it; nobody else is looked at. Drivers that follow the whole log for many
//! subscribers at once have a bell instead.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::Waker;

use futures_util::task::AtomicWaker;

use crate::log::Observer;
use crate::pattern_index::PatternIndex;
use crate::subscription::Selection;
use crate::topic::TopicName;

/// One open event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub u64);

/// Rung when something became visible. Cheap, and never calls back into the hub.
pub trait Bell: Send + Sync {
    /// Something is there for those who look.
    fn ring(&self);
}

/// The subscribers that wait, by what they wait for.
#[derive(Default)]
pub(crate) struct Wakeups {
    waiting: Mutex<Waiting>,
    bells: RwLock<Vec<Arc<dyn Bell>>>,
}

/// Has one subscriber woken for as long as it lives.
pub(crate) struct Hook {
    wakeups: Arc<Wakeups>,
    id: SubscriberId,
    selection: Arc<Selection>,
    waker: Arc<AtomicWaker>,
}

impl Hook {
    pub(crate) fn new(
        wakeups: &Arc<Wakeups>,
        id: SubscriberId,
        selection: &Arc<Selection>,
    ) -> Self {
        let waker = Arc::new(AtomicWaker::new());
        wakeups.attach(id, selection, &waker);
        Self {
            wakeups: Arc::clone(wakeups),
            id,
            selection: Arc::clone(selection),
            waker,
        }
    }

    /// Sets who is woken.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.wakeups.detach(self.id, &self.selection);
    }
}

type Wakers = BTreeMap<SubscriberId, Arc<AtomicWaker>>;

/// Adds those that wait to `woken`, for a wake outside the lock: whoever is woken may drop its
/// cursor, or poll it, before the wake returns.
fn take(wakers: &Wakers, woken: &mut Vec<Waker>) {
    woken.extend(wakers.values().filter_map(|waker| waker.take()));
}

#[derive(Default)]
struct Waiting {
    topics: HashMap<TopicName, Wakers>,
    patterns: PatternIndex<Wakers>,
}

impl Wakeups {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Entries are added and removed whole; a panic elsewhere leaves them usable.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a bell that is rung for every topic.
    pub(crate) fn hang(&self, bell: Arc<dyn Bell>) {
        let mut bells = self.bells.write().unwrap_or_else(PoisonError::into_inner);
        bells.push(bell);
    }

    /// Attaches a subscriber.
    fn attach(&self, id: SubscriberId, selection: &Selection, waker: &Arc<AtomicWaker>) {
        let waiting = &mut *self.lock();
        for topic in &selection.topics {
            let wakers = waiting.topics.entry(topic.clone()).or_default();
            wakers.insert(id, Arc::clone(waker));
        }
        for pattern in &selection.patterns {
            let wakers = waiting.patterns.entry(pattern);
            wakers.insert(id, Arc::clone(waker));
        }
    }

    /// Detaches a subscriber.
    fn detach(&self, id: SubscriberId, selection: &Selection) {
        let waiting = &mut *self.lock();
        for topic in &selection.topics {
            if let Some(wakers) = waiting.topics.get_mut(topic) {
                wakers.remove(&id);
                if wakers.is_empty() {
                    waiting.topics.remove(topic);
                }
            }
        }
        for pattern in &selection.patterns {
            waiting.patterns.retain(pattern, |wakers| {
                wakers.remove(&id);
                !wakers.is_empty()
            });
        }
    }
}

impl Observer for Wakeups {
    fn visible(&self, topic: &TopicName) {
        let bells = self.bells.read().unwrap_or_else(PoisonError::into_inner);
        bells.iter().for_each(|bell| bell.ring());
        drop(bells);
        let mut woken = Vec::new();
        let waiting = self.lock();
        if let Some(wakers) = waiting.topics.get(topic) {
            take(wakers, &mut woken);
        }
        waiting
            .patterns
            .matching(topic, |wakers| take(wakers, &mut woken));
        drop(waiting);
        woken.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::limits::Limits;
    use crate::pattern::Selector;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_topic_wakes_those_who_selected_it_and_nobody_else() {
        let wakeups = Wakeups::default();
        let (selectors, topics) = (
            ["a", "a/b", "*", "**", "a/*", "a/**", "*/b", "a/*/c", "b/*"],
            ["a", "a/b", "a/x/c", "b", "c/b", "a/x/y/z"],
        );
        for (index, text) in selectors.iter().enumerate() {
            let selector = Selector::parse(text).unwrap();
            let selection = Selection::new([selector.clone()], &Limits::default()).unwrap();
            let count = Arc::new(Count(AtomicUsize::new(0)));
            let waker = Arc::new(AtomicWaker::new());
            let id = SubscriberId(index as u64);
            wakeups.attach(id, &selection, &waker);
            for topic in topics.map(|topic| TopicName::parse(topic).unwrap()) {
                waker.register(&Waker::from(Arc::clone(&count)));
                wakeups.visible(&topic);
                let woken = count.0.swap(0, Ordering::Relaxed);
                assert_eq!(woken == 1, selector.matches(&topic), "{text} {topic}");
                assert!(woken <= 1);
            }
        }
    }

    #[test]
    fn nothing_is_left_of_a_subscriber_that_has_gone() {
        let wakeups = Wakeups::default();
        let selectors = ["a/b", "a/*", "a/**"].map(|text| Selector::parse(text).unwrap());
        let selection = Selection::new(selectors, &Limits::default()).unwrap();
        let waker = Arc::new(AtomicWaker::new());
        wakeups.attach(SubscriberId(1), &selection, &waker);
        wakeups.detach(SubscriberId(1), &selection);
        let waiting = wakeups.lock();
        assert!(waiting.topics.is_empty());
        assert!(waiting.patterns.is_empty());
    }
}
