//! Patterns by their segments: a topic walks down all branches that it matches, and finds what is
//! kept there without a look at any other pattern.

use std::collections::HashMap;

use crate::pattern::TopicPattern;
use crate::topic::TopicName;

/// Something for each pattern, found by the topics that the pattern matches.
#[derive(Debug)]
pub struct PatternIndex<T> {
    /// The next segment, literal or `*`; `**` is a leaf below its parent.
    branches: HashMap<Box<str>, Self>,
    /// What is kept for the pattern that ends here.
    here: Option<T>,
}

impl<T> Default for PatternIndex<T> {
    fn default() -> Self {
        Self {
            branches: HashMap::new(),
            here: None,
        }
    }
}

impl<T> PatternIndex<T> {
    /// Whether nothing is kept for any pattern.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.branches.is_empty() && self.here.is_none()
    }

    /// What is kept for the pattern, where there was nothing yet the default.
    pub fn entry(&mut self, pattern: &TopicPattern) -> &mut T
    where
        T: Default,
    {
        let mut node = self;
        for segment in pattern.segments() {
            node = node.branches.entry(segment.into()).or_default();
        }
        node.here.get_or_insert_default()
    }

    /// Changes what is kept for the pattern, and keeps it no longer when `change` says so by
    /// answering false.
    pub fn retain(&mut self, pattern: &TopicPattern, change: impl FnOnce(&mut T) -> bool) {
        let segments: Vec<_> = pattern.segments().collect();
        self.retain_below(&segments, change);
    }

    fn retain_below(&mut self, segments: &[&str], change: impl FnOnce(&mut T) -> bool) {
        let Some((&segment, rest)) = segments.split_first() else {
            if self.here.as_mut().is_some_and(|here| !change(here)) {
                self.here = None;
            }
            return;
        };
        if let Some(branch) = self.branches.get_mut(segment) {
            branch.retain_below(rest, change);
            if branch.is_empty() {
                self.branches.remove(segment);
            }
        }
    }

    /// Hands out what is kept for each pattern that matches the topic.
    pub fn matching<'a>(&'a self, topic: &TopicName, mut found: impl FnMut(&'a T)) {
        if !self.branches.is_empty() && !topic.is_own() {
            let segments: Vec<_> = topic.as_str().split('/').collect();
            self.matching_below(&segments, &mut found);
        }
    }

    fn matching_below<'a>(&'a self, segments: &[&str], found: &mut impl FnMut(&'a T)) {
        let Some((&segment, rest)) = segments.split_first() else {
            self.here.iter().for_each(found);
            return;
        };
        // A topic has no `*` segment, so that these three are different branches.
        let open_end = self.branches.get("**");
        open_end
            .and_then(|branch| branch.here.as_ref())
            .into_iter()
            .for_each(&mut *found);
        for branch in ["*", segment] {
            if let Some(branch) = self.branches.get(branch) {
                branch.matching_below(rest, found);
            }
        }
    }
}
