//! Patterns: expressions that select topics, and the `Selector` that is either.
//!
//! `*` is exactly one segment; `**`, as the last segment only, is one or more.

use std::fmt;

use crate::topic::{self, TopicError, TopicName};

/// An expression that selects topics.
///
/// Invariants: at least one segment is `*`, or the last one is `**`; everything else keeps the
/// rules of a [`TopicName`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicPattern {
    text: Box<str>,
}

/// What one can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// Exactly this topic.
    Topic(TopicName),
    /// Every topic that the pattern selects, now and later.
    Pattern(TopicPattern),
}

/// Why a text selects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// It breaks a rule of topic names.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// `**` stands before the last segment.
    #[error("`**` may only be the last segment of a pattern")]
    DoubleStarInside,
}

impl Selector {
    /// Accepts a decoded topic name or pattern.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if !text.split('/').any(topic::is_wildcard) {
            return Ok(Self::Topic(TopicName::parse(text)?));
        }
        topic::check(text)?;
        let inner = text.rsplit('/').skip(1);
        if inner.into_iter().any(|segment| segment == "**") {
            return Err(SelectorError::DoubleStarInside);
        }
        Ok(Self::Pattern(TopicPattern { text: text.into() }))
    }

    /// Accepts a request path without its first slash, percent-decoded once.
    ///
    /// # Errors
    /// Says which rule the path breaks.
    pub fn from_path(path: &str) -> Result<Self, SelectorError> {
        Self::parse(&topic::decode(path)?)
    }

    /// Whether the topic is selected.
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> bool {
        match self {
            Self::Topic(name) => name == topic,
            Self::Pattern(pattern) => pattern.matches(topic),
        }
    }

    /// Whether every topic that `other` selects, now and later, is selected.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Topic(topic)) => self.matches(topic),
            (Self::Pattern(pattern), Self::Pattern(other)) => pattern.covers(other),
            // A pattern selects more than one topic.
            (Self::Topic(_), Self::Pattern(_)) => false,
        }
    }
}

impl TopicPattern {
    /// Whether the pattern selects the topic. Linear in the length of both. The hub's own topics
    /// are selected by none.
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> bool {
        if topic.is_own() {
            return false;
        }
        let mut segments = topic.as_str().split('/');
        for wanted in self.segments() {
            match (wanted, segments.next()) {
                // The last segment of the pattern by construction; one segment is there at least.
                ("**", found) => return found.is_some(),
                ("*", Some(_)) => {}
                (literal, Some(found)) if literal == found => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }

    /// Whether every topic that `other` selects is selected. Linear in the length of both.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mut asked = other.segments();
        for granted in self.segments() {
            match (granted, asked.next()) {
                // Each segment of a pattern is one of a topic at least.
                ("**", asked) => return asked.is_some(),
                ("*", Some(asked)) if asked != "**" => {}
                (literal, Some(asked)) if literal == asked => {}
                _ => return false,
            }
        }
        asked.next().is_none()
    }

    /// The text before the first wildcard: every selected topic starts with it.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        let mut end = 0;
        for segment in self.segments() {
            if topic::is_wildcard(segment) {
                break;
            }
            end += segment.len() + 1;
        }
        &self.text[..end]
    }

    /// The segments of the pattern, wildcards among them.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/')
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => name.fmt(f),
            Self::Pattern(pattern) => pattern.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TopicPattern {
        match Selector::parse(text) {
            Ok(Selector::Pattern(pattern)) => pattern,
            other => panic!("{text:?} is not a pattern: {other:?}"),
        }
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_one_or_more() {
        for (text, selected, passed_over) in [
            ("*", &["a", "b*"][..], &["a/b"][..]),
            ("**", &["a", "a/b", "a/b/c"], &[]),
            ("a/*", &["a/b", "a/**b"], &["a", "a/b/c", "b/a", "ab/c"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "ab", "b"]),
            ("*/x/*", &["a/x/b"], &["a/y/b", "a/x", "x/x"]),
            ("*/x/**", &["a/x/b", "a/x/b/c"], &["a/x", "x/b"]),
        ] {
            for (topics, expected) in [(selected, true), (passed_over, false)] {
                for topic in topics {
                    let topic = TopicName::parse(topic).unwrap();
                    assert_eq!(pattern(text).matches(&topic), expected, "{text} {topic}");
                    assert!(
                        !expected || topic.as_str().starts_with(pattern(text).literal_prefix())
                    );
                }
            }
        }
    }

    #[test]
    fn no_pattern_selects_the_hubs_own_topic() {
        let own = TopicName::of_checks();
        for text in ["**", "*/*", "*/**", "*/checks"] {
            assert!(!pattern(text).matches(&own), "{text}");
        }
        for text in ["-/**", "-/*", "-/checks"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_those_that_can_select_nothing_else() {
        let words = ["a", "b", "*", "**"];
        let names = ["a", "b", "c", "d"];
        // All texts of one to three segments, and all topics of one to four.
        let all = |words: &[&str], segments_max: usize| {
            let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let mut begun = 0;
            for _ in 1..segments_max {
                let end = all.len();
                for index in begun..end {
                    let longer: Vec<_> = words
                        .iter()
                        .map(|word| format!("{}/{word}", all[index]))
                        .collect();
                    all.extend(longer);
                }
                begun = end;
            }
            all
        };
        let topics: Vec<_> = all(&names, 4)
            .iter()
            .map(|text| TopicName::parse(text).unwrap())
            .collect();
        let selectors: Vec<_> = all(&words, 3)
            .iter()
            .filter_map(|text| Selector::parse(text).ok())
            .collect();
        for granted in &selectors {
            for asked in &selectors {
                let naive = topics
                    .iter()
                    .all(|topic| !asked.matches(topic) || granted.matches(topic));
                assert_eq!(granted.covers(asked), naive, "{granted} {asked}");
            }
        }
    }

    #[test]
    fn a_selector_is_a_topic_unless_a_segment_is_a_wildcard() {
        assert!(matches!(Selector::parse("a/b*"), Ok(Selector::Topic(_))));
        assert!(matches!(
            Selector::from_path("a/%2A"),
            Ok(Selector::Pattern(_))
        ));
        assert_eq!(
            Selector::parse("a/**/b"),
            Err(SelectorError::DoubleStarInside)
        );
        assert_eq!(
            Selector::parse("*//b"),
            Err(TopicError::EmptySegment.into())
        );
        assert_eq!(Selector::parse("-/*"), Err(TopicError::Reserved.into()));
    }
}
