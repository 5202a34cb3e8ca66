//! Remembering what was dropped, so that those who have not read it can be told.

use std::collections::VecDeque;

use crate::limits::DROPS_REMEMBERED_MAX;
use crate::log::FeedLoss;
use crate::position::Seq;
use crate::subscription::Selection;
use crate::topic::TopicName;

/// Below here something is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// The newest event that was dropped.
    pub through: Seq,
    /// The count of trims when that happened.
    pub at: u64,
}

impl Floor {
    /// Takes in another floor, each part by itself: of two topics, the one that was dropped later
    /// may have the older events.
    pub fn raise(&mut self, other: Self) {
        self.through = self.through.max(other.through);
        self.at = self.at.max(other.at);
    }

    /// Whether something after `after` was dropped later than the given count of trims.
    #[must_use]
    pub fn is_above(self, after: Seq, trims_seen: u64) -> bool {
        self.through > after && self.at > trims_seen
    }
}

/// One event that was dropped.
#[derive(Debug)]
struct Dropped {
    seq: Seq,
    /// Its topic; `None` when that is not known.
    topic: Option<TopicName>,
    /// The newest event of the log at that time.
    last: Seq,
}

/// The latest drops, each by itself, so that most readers learn exactly what they lost without a
/// look at any topic.
#[derive(Debug, Default)]
pub struct Drops {
    latest: VecDeque<Dropped>,
    /// How many there were ever.
    count: u64,
}

impl Drops {
    /// How many there were ever.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What a log knows that was opened anew: so many drops, none of them by itself.
    #[must_use]
    pub fn after(count: u64) -> Self {
        Self {
            count,
            ..Self::default()
        }
    }

    /// Remembers that an event was dropped while `last` was the newest there was.
    pub fn push(&mut self, seq: Seq, topic: TopicName, last: Seq) {
        // Nobody can ask for the hub's own, so that nobody misses it.
        if topic.is_own() {
            return;
        }
        self.remember(Dropped {
            seq,
            topic: Some(topic),
            last,
        });
    }

    /// Remembers that events up to a seq were lost of which nobody knows the topics.
    pub fn push_unknown(&mut self, through: Seq, last: Seq) {
        self.remember(Dropped {
            seq: through,
            topic: None,
            last,
        });
    }

    fn remember(&mut self, dropped: Dropped) {
        if self.latest.len() == DROPS_REMEMBERED_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back(dropped);
        self.count += 1;
    }

    /// What of the events after `after` was dropped later than the given count.
    #[must_use]
    pub fn lost_since(&self, after: Seq, seen: u64) -> FeedLoss {
        let count = self.count.saturating_sub(seen);
        let Some(first) = (self.latest.len() as u64).checked_sub(count) else {
            return FeedLoss::Anything;
        };
        let first = usize::try_from(first).unwrap_or(self.latest.len());
        let mut topics = Vec::new();
        for dropped in self.latest.range(first..) {
            if dropped.seq <= after {
                continue;
            }
            match &dropped.topic {
                None => return FeedLoss::Anything,
                Some(topic) => topics.push(topic.clone()),
            }
        }
        match topics.is_empty() {
            true => FeedLoss::Nothing,
            false => FeedLoss::Topics(topics),
        }
    }

    /// Whether something of the selection after `after` was dropped later than the given count;
    /// `None` when that lies too far back.
    #[must_use]
    pub fn has_lost(&self, selection: &Selection, after: Seq, seen: u64) -> Option<bool> {
        let newest_first = (0..self.count).rev().zip(self.latest.iter().rev());
        for (earlier, dropped) in newest_first {
            // Nobody can have dropped, before this one, what was not published yet.
            if earlier < seen || dropped.last <= after {
                return Some(false);
            }
            let topic = dropped.topic.as_ref();
            if dropped.seq > after && topic.is_none_or(|topic| selection.matches(topic)) {
                return Some(true);
            }
        }
        let is_all = self.count.saturating_sub(seen) <= self.latest.len() as u64;
        is_all.then_some(false)
    }
}
