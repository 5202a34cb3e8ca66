//! Who waits for which topic. Publishing wakes exactly those who subscribed to the topic or to a
//! pattern that selects it; nobody else is looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;

use crate::log::Observer;
use crate::pattern::TopicPattern;
use crate::subscription::Selection;
use crate::topic::TopicName;

/// One open event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub u64);

/// The subscribers that wait, by what they wait for.
#[derive(Default)]
pub(crate) struct Wakeups {
    waiting: Mutex<Waiting>,
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
    patterns: PatternNode,
    everybody: BTreeSet<SubscriberId>,
}

/// Patterns by their segments: a topic walks down all branches that it matches, and finds its
/// subscribers without a look at any other pattern.
#[derive(Default)]
struct PatternNode {
    /// The next segment, literal or `*`; `**` is a leaf below its parent.
    branches: HashMap<Box<str>, Self>,
    /// Those whose pattern ends here.
    wakers: Wakers,
}

impl Wakeups {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Entries are added and removed whole; a panic elsewhere leaves them usable.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many subscribers there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().everybody.len()
    }

    /// Attaches a subscriber unless there are `max` of them.
    pub(crate) fn attach(
        &self,
        id: SubscriberId,
        selection: &Selection,
        waker: &Arc<AtomicWaker>,
        max: usize,
    ) -> bool {
        let waiting = &mut *self.lock();
        if waiting.everybody.len() >= max {
            return false;
        }
        waiting.everybody.insert(id);
        for topic in &selection.topics {
            let wakers = waiting.topics.entry(topic.clone()).or_default();
            wakers.insert(id, Arc::clone(waker));
        }
        for pattern in &selection.patterns {
            waiting.patterns.insert(pattern, id, waker);
        }
        true
    }

    /// Detaches a subscriber.
    pub(crate) fn detach(&self, id: SubscriberId, selection: &Selection) {
        let waiting = &mut *self.lock();
        waiting.everybody.remove(&id);
        for topic in &selection.topics {
            if let Some(wakers) = waiting.topics.get_mut(topic) {
                wakers.remove(&id);
                if wakers.is_empty() {
                    waiting.topics.remove(topic);
                }
            }
        }
        for pattern in &selection.patterns {
            let segments: Vec<_> = pattern.segments().collect();
            waiting.patterns.remove(&segments, id);
        }
    }
}

impl Observer for Wakeups {
    fn visible(&self, topic: &TopicName) {
        let mut woken = Vec::new();
        let waiting = self.lock();
        if let Some(wakers) = waiting.topics.get(topic) {
            take(wakers, &mut woken);
        }
        if !waiting.patterns.branches.is_empty() {
            let segments: Vec<_> = topic.as_str().split('/').collect();
            waiting.patterns.take(&segments, &mut woken);
        }
        drop(waiting);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl PatternNode {
    fn insert(&mut self, pattern: &TopicPattern, id: SubscriberId, waker: &Arc<AtomicWaker>) {
        let mut node = self;
        for segment in pattern.segments() {
            node = node.branches.entry(segment.into()).or_default();
        }
        node.wakers.insert(id, Arc::clone(waker));
    }

    /// Removes a subscriber and the branches that nobody needs any more.
    fn remove(&mut self, segments: &[&str], id: SubscriberId) {
        let Some((&segment, rest)) = segments.split_first() else {
            self.wakers.remove(&id);
            return;
        };
        if let Some(branch) = self.branches.get_mut(segment) {
            branch.remove(rest, id);
            if branch.wakers.is_empty() && branch.branches.is_empty() {
                self.branches.remove(segment);
            }
        }
    }

    fn take(&self, segments: &[&str], woken: &mut Vec<Waker>) {
        let Some((&segment, rest)) = segments.split_first() else {
            take(&self.wakers, woken);
            return;
        };
        // A topic has no `*` segment, so that these three are different branches.
        if let Some(open_end) = self.branches.get("**") {
            take(&open_end.wakers, woken);
        }
        for branch in ["*", segment] {
            if let Some(branch) = self.branches.get(branch) {
                branch.take(rest, woken);
            }
        }
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
            assert!(wakeups.attach(id, &selection, &waker, usize::MAX));
            for topic in topics.map(|topic| TopicName::parse(topic).unwrap()) {
                waker.register(&Waker::from(Arc::clone(&count)));
                wakeups.visible(&topic);
                let woken = count.0.swap(0, Ordering::Relaxed);
                assert_eq!(woken == 1, selector.matches(&topic), "{text} {topic}");
                assert!(woken <= 1);
            }
        }
        assert_eq!(wakeups.len(), selectors.len());
    }

    #[test]
    fn nothing_is_left_of_a_subscriber_that_has_gone() {
        let wakeups = Wakeups::default();
        let selectors = ["a/b", "a/*", "a/**"].map(|text| Selector::parse(text).unwrap());
        let selection = Selection::new(selectors, &Limits::default()).unwrap();
        let waker = Arc::new(AtomicWaker::new());
        assert!(wakeups.attach(SubscriberId(1), &selection, &waker, 1));
        assert!(!wakeups.attach(SubscriberId(2), &selection, &waker, 1));
        wakeups.detach(SubscriberId(1), &selection);
        let waiting = wakeups.lock();
        assert!(waiting.topics.is_empty() && waiting.everybody.is_empty());
        assert!(waiting.patterns.branches.is_empty());
    }
}
