//! The judge of a journal: seven counts that are zero when the hub kept its word.
//!
//! | count | what it counts |
//! |---|---|
//! | `lost` | events that were acknowledged and are not in the history at the end |
//! | `ghost` | events in that history that were refused, or that nobody published |
//! | `duplicate` | events that are in it twice, retries with the same key included |
//! | `aborted` | events that a subscriber saw and that are not in it |
//! | `order` | events whose place contradicts what publishers waited for or others saw |
//! | `seam` | places where an event stream left something out and told no gap |
//! | `nonmonotonic` | ids that did not rise on an event stream |
//!
//! Sorts and merges only: some millions of entries are judged in seconds.

mod publishes;
mod transcripts;

use std::fmt;

use serde_json::{Value, json};

use self::publishes::Published;
use crate::journal::{Journal, Outcome};

/// What of a count is kept in full: enough to see what the cases have in common.
const CASES_MAX: usize = 5;

/// A count, and its first cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many there are.
    pub number: u64,
    /// The first few, each in a sentence.
    pub cases: Vec<String>,
}

impl Count {
    fn add(&mut self, case: impl FnOnce() -> String) {
        self.number += 1;
        if self.cases.len() < CASES_MAX {
            self.cases.push(case());
        }
    }
}

/// What the checker found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Acknowledged, and not in the history at the end.
    pub lost: Count,
    /// In the history, though refused or never published.
    pub ghost: Count,
    /// In the history twice.
    pub duplicate: Count,
    /// Seen, and not in the history.
    pub aborted: Count,
    /// In another order than was promised.
    pub order: Count,
    /// Left out of an event stream without a gap.
    pub seam: Count,
    /// Ids that did not rise.
    pub nonmonotonic: Count,
    /// Gaps told to subscribers, which is no breach by itself.
    pub gaps: u64,
    /// Events acknowledged.
    pub acked: u64,
    /// Requests whose outcome the publisher does not know.
    pub unknown: u64,
    /// Requests refused.
    pub refused: u64,
    /// Events that came to subscribers.
    pub seen: u64,
    /// Event streams opened.
    pub streams: u64,
    /// Events in the history at the end.
    pub kept: u64,
}

/// Judges a journal.
#[must_use]
pub fn check(journal: &Journal) -> Report {
    let published = Published::new(journal);
    let mut report = Report {
        kept: journal.kept.len() as u64,
        streams: journal.transcripts.len() as u64,
        gaps: journal.kept_gaps,
        ..Report::default()
    };
    for publish in &journal.publishes {
        match publish.outcome {
            Outcome::Stored { count, .. } => report.acked += count,
            Outcome::Refused => report.refused += 1,
            Outcome::Unknown => report.unknown += 1,
        }
    }
    published.check(&mut report);
    transcripts::check(journal, &published, &mut report);
    report
}

impl Report {
    /// The seven counts by name.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, &Count); 7] {
        [
            ("lost", &self.lost),
            ("ghost", &self.ghost),
            ("duplicate", &self.duplicate),
            ("aborted", &self.aborted),
            ("order", &self.order),
            ("seam", &self.seam),
            ("nonmonotonic", &self.nonmonotonic),
        ]
    }

    /// Whether the hub kept its word.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.counts().iter().all(|(_, count)| count.number == 0)
    }

    /// The report for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "gaps": self.gaps,
            "acked": self.acked,
            "unknown": self.unknown,
            "refused": self.refused,
            "seen": self.seen,
            "streams": self.streams,
            "kept": self.kept,
        });
        let mut cases = Vec::new();
        for (name, count) in self.counts() {
            json[name] = count.number.into();
            cases.extend(count.cases.iter().map(|case| format!("{name}: {case}")));
        }
        json["cases"] = cases.into();
        json["line"] = self.to_string().into();
        json
    }
}

impl fmt::Display for Report {
    /// The counts in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.counts() {
            write!(f, "{name} {}, ", count.number)?;
        }
        write!(
            f,
            "gaps {} (acked {}, unknown {}, refused {}, seen {} on {} streams, kept {})",
            self.gaps, self.acked, self.unknown, self.refused, self.seen, self.streams, self.kept
        )
    }
}
