//! How much of the past a subscriber asks for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Where a subscriber starts that has no event id to resume from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// With the oldest event that is kept.
    All,
    /// With the last so many events.
    Last(u64),
    /// With the events of so long ago; counted in whole seconds, at least one.
    Since(Duration),
}

/// A text that names no history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "history is `all`, a number of events such as `50`, or a time such as `90s`, `10m`, `2h` or `1d`"
)]
pub struct HistoryError;

impl FromStr for History {
    type Err = HistoryError;

    fn from_str(text: &str) -> Result<Self, HistoryError> {
        if text == "all" {
            return Ok(Self::All);
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HistoryError);
        }
        let number: u64 = digits.parse().ok().ok_or(HistoryError)?;
        let seconds = match text.strip_prefix(digits) {
            Some("") => return Ok(Self::Last(number)),
            Some("s") => 1,
            Some("m") => 60,
            Some("h") => 60 * 60,
            Some("d") => 24 * 60 * 60,
            _ => return Err(HistoryError),
        };
        number
            .checked_mul(seconds)
            .map(|it| Self::Since(Duration::from_secs(it)))
            .ok_or(HistoryError)
    }
}

/// The value of the query parameter `history`.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Last(events) => write!(f, "{events}"),
            Self::Since(span) => write!(f, "{}s", span.as_secs().max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_read_and_written() {
        for (text, want) in [
            ("all", Some("all")),
            ("50", Some("50")),
            ("0", Some("0")),
            ("90s", Some("90s")),
            ("10m", Some("600s")),
            ("2h", Some("7200s")),
            ("1d", Some("86400s")),
            ("", None),
            ("s", None),
            ("+5", None),
            ("-5", None),
            ("5x", None),
            ("5ms", None),
            ("99999999999999999999", None),
            ("9999999999999999999d", None),
        ] {
            let got = text.parse::<History>().ok().map(|it| it.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }
}
