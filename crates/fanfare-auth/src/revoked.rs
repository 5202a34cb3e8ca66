//! Credentials that were taken back before their time.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{PoisonError, RwLock};

use fanfare_hub::limits::{REVOCATIONS_MAX, REVOKED_NAME_BYTES_MAX};
use fanfare_hub::{Lease, Timestamp};

/// Which credentials are taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The one with this id (`jti`).
    Token(String),
    /// All that were issued to this subject (`sub`) up to now.
    Subject(String),
}

/// Why nothing was taken back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// As many are taken back as are remembered.
    #[error("{REVOCATIONS_MAX} revocations are remembered already: change the key instead")]
    TooMany,
    /// The name is empty or longer than any that is remembered.
    #[error("what is revoked has 1 to {REVOKED_NAME_BYTES_MAX} bytes")]
    BadName,
    /// What was taken back is so until the hub ends, and is worth something again afterwards.
    #[error("revoked until the hub restarts, since it could not be kept: {0}")]
    NotKept(String),
}

/// Where what was taken back is kept beyond the end of the process.
pub trait Ledger: fmt::Debug + Send + Sync + 'static {
    /// Keeps all of this instead of what was kept before, and returns when it is safe.
    ///
    /// # Errors
    /// Says why it is not.
    fn keep(&self, all: &[(Revocation, Timestamp)]) -> Result<(), String>;
}

/// What was taken back.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    entries: RwLock<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    tokens: HashSet<String>,
    /// Each with the time of its revocation.
    subjects: HashMap<String, Timestamp>,
}

impl Revoked {
    pub(crate) fn add(
        &self,
        revocation: Revocation,
        now: Timestamp,
    ) -> Result<(), RevocationError> {
        let (Revocation::Token(name) | Revocation::Subject(name)) = &revocation;
        if !(1..=REVOKED_NAME_BYTES_MAX).contains(&name.len()) {
            return Err(RevocationError::BadName);
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let is_known = match &revocation {
            Revocation::Token(id) => entries.tokens.contains(id),
            Revocation::Subject(subject) => entries.subjects.contains_key(subject),
        };
        if !is_known && entries.tokens.len() + entries.subjects.len() >= REVOCATIONS_MAX {
            return Err(RevocationError::TooMany);
        }
        match revocation {
            Revocation::Token(id) => drop(entries.tokens.insert(id)),
            Revocation::Subject(subject) => drop(entries.subjects.insert(subject, now)),
        }
        Ok(())
    }

    /// Everything that was taken back, each with its time.
    pub(crate) fn all(&self) -> Vec<(Revocation, Timestamp)> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let tokens = entries.tokens.iter().cloned();
        let tokens = tokens.map(|id| (Revocation::Token(id), Timestamp::default()));
        let subjects = entries.subjects.iter();
        let subjects = subjects.map(|(name, at)| (Revocation::Subject(name.clone()), *at));
        tokens.chain(subjects).collect()
    }

    pub(crate) fn has(&self, lease: &Lease) -> bool {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let credential = &lease.credential;
        let id = credential.id.as_ref();
        if id.is_some_and(|id| entries.tokens.contains(id)) {
            return true;
        }
        let subject = credential.subject.as_ref();
        let at = subject.and_then(|subject| entries.subjects.get(subject));
        // A token issued afterwards is a new decision. Seconds are all that it tells of its time.
        at.is_some_and(|at| credential.issued.is_none_or(|issued| issued <= *at))
    }
}
