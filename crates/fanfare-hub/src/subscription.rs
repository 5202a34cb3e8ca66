//! What a subscriber asks for, and the gap it is told about when not all of it is there.

use std::time::Duration;

use crate::grant::MaySubscribe;
use crate::limits::{EVENT_ID_BYTES_MAX, Limits};
use crate::pattern::{Selector, TopicPattern};
use crate::position::EventId;
use crate::topic::TopicName;

/// The topics and patterns of a subscription. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Topics by name, sorted, none twice.
    pub topics: Vec<TopicName>,
    /// Patterns, none twice.
    pub patterns: Vec<TopicPattern>,
}

/// Why a set of selectors is no selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// Nothing is selected.
    #[error("the subscription names no topic")]
    Empty,
    /// More selectors than the hub allows.
    #[error(
        "the subscription names more than {0} topics and patterns: open a second stream, or use a pattern"
    )]
    TooMany(usize),
    /// More patterns than the hub allows.
    #[error("the subscription names more than {0} patterns: name topics, or use wider patterns")]
    TooManyPatterns(usize),
}

impl Selection {
    /// Sorts selectors into topics and patterns.
    ///
    /// # Errors
    /// When there are none, more than [`Limits::selectors_max`], or more patterns than
    /// [`Limits::patterns_max`].
    pub fn new(
        selectors: impl IntoIterator<Item = Selector>,
        limits: &Limits,
    ) -> Result<Self, SelectionError> {
        let (mut topics, mut patterns) = (Vec::new(), Vec::new());
        for selector in selectors {
            match selector {
                Selector::Topic(topic) => topics.push(topic),
                Selector::Pattern(pattern) if patterns.contains(&pattern) => {}
                Selector::Pattern(pattern) => patterns.push(pattern),
            }
            if patterns.len() > limits.patterns_max {
                return Err(SelectionError::TooManyPatterns(limits.patterns_max));
            }
            if topics.len() + patterns.len() > limits.selectors_max {
                return Err(SelectionError::TooMany(limits.selectors_max));
            }
        }
        topics.sort_unstable();
        topics.dedup();
        if topics.is_empty() && patterns.is_empty() {
            return Err(SelectionError::Empty);
        }
        Ok(Self { topics, patterns })
    }

    /// Whether events of the topic belong to the subscription.
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> bool {
        self.topics.binary_search(topic).is_ok()
            || self.patterns.iter().any(|pattern| pattern.matches(topic))
    }

    /// The topic, when the selection is exactly one.
    #[must_use]
    pub fn single(&self) -> Option<&TopicName> {
        match (&self.topics[..], &self.patterns[..]) {
            ([topic], []) => Some(topic),
            _ => None,
        }
    }
}

/// Where a subscription starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the tail: only what comes from now on.
    Tail,
    /// At the oldest event that is kept.
    All,
    /// So many events before the tail.
    Last(u64),
    /// At the first event that is no older than this.
    Since(Duration),
    /// After the position that the client says it has reached.
    Resume(Resume),
}

/// The position that a client sent back, as far as it can be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// One of our ids.
    After(EventId),
    /// The word `earliest`.
    Earliest,
    /// Fit to be an id, but none that this hub ever gave.
    Unknown(String),
    /// Not fit to be an id at all.
    Malformed(String),
}

impl Resume {
    /// Reads what a client sent. Never fails: what cannot be understood becomes a gap, which is
    /// said in the stream.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "earliest" {
            return Self::Earliest;
        }
        if let Some(id) = EventId::parse(text) {
            return Self::After(id);
        }
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-:".contains(&byte);
        if text.is_empty() || text.len() > EVENT_ID_BYTES_MAX || !text.bytes().all(is_unreserved) {
            let echoed = text.chars().take(EVENT_ID_BYTES_MAX).collect();
            return Self::Malformed(echoed);
        }
        Self::Unknown(text.to_owned())
    }
}

/// Why not everything that was asked for is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// Retention dropped events after the position.
    Trimmed,
    /// The position belongs to another incarnation of the log.
    Epoch,
    /// The position is none that this hub gave.
    Unknown,
    /// The position cannot be read at all.
    Malformed,
    /// The position lies beyond the tail.
    Future,
    /// The subscriber read so slowly that retention overtook it on the open stream.
    Slow,
}

impl GapReason {
    /// The reason as the stream says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Epoch => "epoch",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::Future => "future",
            Self::Slow => "slow",
        }
    }
}

/// Events that were asked for and are gone. Always told, before the event that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why they are gone.
    pub reason: GapReason,
    /// What the client asked for, cut to 64 characters.
    pub asked: String,
    /// The oldest event of the subscription that is still there, or the tail when there is none.
    pub oldest: EventId,
    /// Where the stream goes on: the id of the gap's own block, so that a client which takes in the
    /// gap has taken in the new position with it.
    pub resumes_after: EventId,
}

/// A subscriber's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// What is followed, and that it may be.
    pub selection: MaySubscribe,
    /// From where.
    pub start: Start,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sends_back_is_sorted_by_how_far_it_is_understood() {
        let id = EventId::parse("k3v9q2-7").unwrap();
        for (text, resume) in [
            ("k3v9q2-7", Resume::After(id)),
            ("earliest", Resume::Earliest),
            ("k3v9q2-07", Resume::Unknown("k3v9q2-07".to_owned())),
            (
                "urn:uuid:5e94c686",
                Resume::Unknown("urn:uuid:5e94c686".to_owned()),
            ),
            ("", Resume::Malformed(String::new())),
            ("a b", Resume::Malformed("a b".to_owned())),
            ("\u{e9}", Resume::Malformed("\u{e9}".to_owned())),
        ] {
            assert_eq!(Resume::parse(text), resume);
        }
        assert_eq!(
            Resume::parse(&"x".repeat(65)),
            Resume::Malformed("x".repeat(64))
        );
    }

    #[test]
    fn a_selection_is_bounded_and_has_nothing_twice() {
        let limits = Limits {
            selectors_max: 3,
            patterns_max: 2,
            ..Limits::default()
        };
        let select = |texts: &[&str]| {
            Selection::new(
                texts.iter().map(|text| Selector::parse(text).unwrap()),
                &limits,
            )
        };
        assert_eq!(select(&[]), Err(SelectionError::Empty));
        assert_eq!(
            select(&["a", "b", "c", "d"]),
            Err(SelectionError::TooMany(3))
        );
        let selection = select(&["b", "a", "b"]).unwrap();
        assert_eq!(selection.topics.len(), 2);
        assert_eq!(select(&["*", "*", "a"]).unwrap().patterns.len(), 1);
        let error = SelectionError::TooManyPatterns(2);
        assert_eq!(select(&["*", "a/*", "b/*"]), Err(error));
    }
}
