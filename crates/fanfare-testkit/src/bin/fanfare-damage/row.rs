//! The table of what was found, by kind of place.

use serde_json::{Value, json};

use super::judge::Verdict;

/// What was found over all cases of one kind of place.
#[derive(Default)]
pub(crate) struct Row {
    cases: u64,
    /// Cases in which events were gone, all of them told.
    told: u64,
    /// Events that were gone in them.
    missing: u64,
    /// Cases in which a new epoch began.
    epochs: u64,
    pub(crate) breaches: u64,
}

impl Row {
    pub(crate) fn add(&mut self, verdict: &Verdict) {
        self.cases += 1;
        self.told += u64::from(verdict.missing > 0);
        self.missing += verdict.missing;
        self.epochs += u64::from(verdict.is_new_epoch);
        self.breaches += verdict.breaches.len() as u64;
    }

    pub(crate) fn to_json(&self, name: &str) -> Value {
        json!({
            "place": name,
            "cases": self.cases,
            "told": self.told,
            "missing": self.missing,
            "epochs": self.epochs,
            "breaches": self.breaches,
        })
    }
}
