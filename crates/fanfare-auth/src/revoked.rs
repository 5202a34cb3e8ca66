//! Credentials that were taken back before their time.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use fanfare_hub::{Lease, Timestamp};

/// Revocations that are remembered. Each is as long as the id that it names, 512 bytes at most: 5
/// MB at the bound. An operator who has more to take back changes the key.
const REVOCATIONS_MAX: usize = 10_000;
/// Bytes of an id or subject that can be named.
const NAME_BYTES_MAX: usize = 512;

/// Which credentials are taken back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revocation {
    /// The one with this id (`jti`).
    Token(String),
    /// All that were issued to this subject (`sub`) up to now.
    Subject(String),
}

/// Why nothing was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// As many are taken back as are remembered.
    #[error("{REVOCATIONS_MAX} revocations are remembered already: change the key instead")]
    TooMany,
    /// The name is empty or longer than any that a token can have here.
    #[error("what is revoked has 1 to {NAME_BYTES_MAX} bytes")]
    BadName,
}

/// What was taken back, and when.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    entries: RwLock<HashMap<Revocation, Timestamp>>,
}

impl Revoked {
    pub(crate) fn add(
        &self,
        revocation: Revocation,
        now: Timestamp,
    ) -> Result<(), RevocationError> {
        let (Revocation::Token(name) | Revocation::Subject(name)) = &revocation;
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            return Err(RevocationError::BadName);
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= REVOCATIONS_MAX && !entries.contains_key(&revocation) {
            return Err(RevocationError::TooMany);
        }
        entries.insert(revocation, now);
        Ok(())
    }

    pub(crate) fn has(&self, lease: &Lease) -> bool {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        if entries.is_empty() {
            return false;
        }
        let credential = &lease.credential;
        let id = credential.id.clone().map(Revocation::Token);
        if id.is_some_and(|id| entries.contains_key(&id)) {
            return true;
        }
        let subject = credential.subject.clone().map(Revocation::Subject);
        let at = subject.and_then(|subject| entries.get(&subject).copied());
        // A token issued afterwards is a new decision. Seconds are all that it tells of its time.
        at.is_some_and(|at| credential.issued.is_none_or(|issued| issued.0 <= at.0))
    }
}
