//! What a server answers instead of what it was asked for.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// As much of a refusal as tells what it is.
const ANSWER_BYTES_MAX: usize = 600;

/// Who was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Somebody who subscribed.
    Subscriber,
    /// Somebody who published.
    Publisher,
}

/// An answer with another status than was hoped for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// Who was refused.
    pub of: Role,
    /// The status.
    pub status: u16,
    /// The beginning of the answer, its head included.
    pub answer: String,
}

impl Refusal {
    pub(crate) fn new(of: Role, status: u16, answer: &[u8]) -> Self {
        let shown = &answer[..answer.len().min(ANSWER_BYTES_MAX)];
        let answer = String::from_utf8_lossy(shown).trim().to_owned();
        Self { of, status, answer }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.of {
            Role::Subscriber => "a subscriber",
            Role::Publisher => "to publish",
        };
        write!(f, "the server refused {of}:\n{}", self.answer)
    }
}

impl Error for Refusal {}
