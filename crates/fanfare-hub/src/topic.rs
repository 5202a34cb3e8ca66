//! Topic names: the one function that decides what is a canonical name.
//!
//! Whoever takes a name from outside calls it, so that no two of them can ever disagree on which
//! topic a path means.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

use crate::limits::TOPIC_BYTES_MAX;

/// The name of a topic: 1 to 512 bytes of UTF-8, in segments separated by `/`.
///
/// Invariants: no empty segment, no `.` or `..`, no control character, no segment that is `*` or
/// `**`, and the first segment is neither `-` nor `.well-known`, which are the hub's own, unless
/// the hub itself made the name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// What the names of the hub's own topics begin with.
const OWN: &str = "-/";
const CHECKS: &str = "-/checks";

/// Why a text is not a topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// Nothing stands after the first slash.
    #[error("the topic is empty: name it in the path, as in /chat")]
    Empty,
    /// Longer than [`TOPIC_BYTES_MAX`] bytes.
    #[error("the topic is longer than {TOPIC_BYTES_MAX} bytes: use a shorter name")]
    TooLong,
    /// Two slashes in a row, or one at the start or the end.
    #[error("the topic has an empty segment: remove the doubled, leading or trailing slash")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("a segment of the topic is `.` or `..`: topics are not file paths")]
    DotSegment,
    /// A segment is `*` or `**`, which stand for topics and name none.
    #[error("`*` and `**` are patterns and may only be subscribed to")]
    Wildcard,
    /// A control character, be it C0, C1 or DEL.
    #[error("the topic has a control character")]
    ControlCharacter,
    /// Starts with a segment that belongs to the hub.
    #[error("topics that start with `-` or `.well-known` as first segment are the hub's own")]
    Reserved,
    /// The bytes are not UTF-8.
    #[error("the topic is not UTF-8")]
    NotUtf8,
    /// A `%` that is not followed by two hexadecimal digits.
    #[error("a `%` in the topic is not followed by two hexadecimal digits: write %25")]
    BadEscape,
}

impl TopicName {
    /// Accepts a decoded name.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn parse(name: &str) -> Result<Self, TopicError> {
        check(name)?;
        if name.split('/').any(is_wildcard) {
            return Err(TopicError::Wildcard);
        }
        Ok(Self(name.into()))
    }

    /// Accepts a request path without its first slash, percent-decoded once (RFC 3986 2.1).
    ///
    /// # Errors
    /// Says which rule the path breaks.
    pub fn from_path(path: &str) -> Result<Self, TopicError> {
        Self::parse(&decode(path)?)
    }

    /// The topic in which a hub publishes to itself, to see whether it can. Nobody else reads it or
    /// writes it: its name is none that may be asked for, and no pattern selects it.
    #[must_use]
    pub fn of_checks() -> Self {
        Self(CHECKS.into())
    }

    /// Whether the topic is the hub's own.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.0.starts_with(OWN)
    }

    /// Accepts a name that a log has written down, which may be the hub's own.
    #[must_use]
    pub fn stored(name: &str) -> Option<Self> {
        match name == CHECKS {
            true => Some(Self::of_checks()),
            false => Self::parse(name).ok(),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks the rules that names and patterns share.
pub(crate) fn check(name: &str) -> Result<(), TopicError> {
    if name.is_empty() {
        return Err(TopicError::Empty);
    }
    if name.len() > TOPIC_BYTES_MAX {
        return Err(TopicError::TooLong);
    }
    if name.chars().any(char::is_control) {
        return Err(TopicError::ControlCharacter);
    }
    if name.split('/').any(str::is_empty) {
        return Err(TopicError::EmptySegment);
    }
    if name.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(TopicError::DotSegment);
    }
    if matches!(name.split('/').next(), Some("-" | ".well-known")) {
        return Err(TopicError::Reserved);
    }
    Ok(())
}

pub(crate) fn is_wildcard(segment: &str) -> bool {
    matches!(segment, "*" | "**")
}

/// Undoes percent-encoding once. A slash that was escaped is a slash.
pub(crate) fn decode(path: &str) -> Result<Cow<'_, str>, TopicError> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (&[high, low], tail) = rest.split_first_chunk().ok_or(TopicError::BadEscape)?;
        decoded.push(16 * hex(high)? + hex(low)?);
        rest = tail;
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_not_utf8| TopicError::NotUtf8)
}

fn hex(digit: u8) -> Result<u8, TopicError> {
    let value = char::from(digit)
        .to_digit(16)
        .ok_or(TopicError::BadEscape)?;
    u8::try_from(value).map_err(|_above_255| TopicError::BadEscape)
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicName({:?})", &*self.0)
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_names_are_accepted() {
        for (path, name) in [
            ("chat", "chat"),
            ("rooms/42/messages", "rooms/42/messages"),
            ("a%20b", "a b"),
            ("rooms%2f42", "rooms/42"),
            ("%E6%97%A5%E6%9C%AC", "\u{65e5}\u{672c}"),
            ("a*b", "a*b"),
            ("...", "..."),
            ("a/-/b", "a/-/b"),
            ("%2525", "%25"),
            ("-x", "-x"),
        ] {
            assert_eq!(
                TopicName::from_path(path).map(|topic| topic.to_string()),
                Ok(name.to_owned())
            );
        }
    }

    #[test]
    fn the_hubs_own_topic_is_nobody_elses() {
        let own = TopicName::of_checks();
        assert!(own.is_own());
        assert_eq!(TopicName::parse(own.as_str()), Err(TopicError::Reserved));
        assert_eq!(TopicName::stored(own.as_str()), Some(own));
        assert_eq!(TopicName::stored("-/other"), None);
        assert!(!TopicName::parse("-x/y").unwrap().is_own());
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        use TopicError::*;
        for (path, reason) in [
            ("", Empty),
            ("/", EmptySegment),
            ("a//b", EmptySegment),
            ("/a", EmptySegment),
            ("a/", EmptySegment),
            ("a%2f", EmptySegment),
            (".", DotSegment),
            ("a/..", DotSegment),
            ("%2e%2e/a", DotSegment),
            ("*", Wildcard),
            ("a/**", Wildcard),
            ("a/%2a", Wildcard),
            ("a%00", ControlCharacter),
            ("a%0d%0ab", ControlCharacter),
            ("a%7f", ControlCharacter),
            ("a%C2%85", ControlCharacter),
            ("-", Reserved),
            ("-/health", Reserved),
            (".well-known/mercure", Reserved),
            ("%2d/health", Reserved),
            ("a%ff", NotUtf8),
            ("a%C0%AF", NotUtf8),
            ("a%ED%A0%80", NotUtf8),
            ("a%", BadEscape),
            ("a%2", BadEscape),
            ("a%zz", BadEscape),
            ("a%+1", BadEscape),
        ] {
            assert_eq!(TopicName::from_path(path), Err(reason), "{path:?}");
        }
        assert_eq!(TopicName::parse(&"x".repeat(513)), Err(TooLong));
        assert!(TopicName::parse(&"x".repeat(512)).is_ok());
    }
}
