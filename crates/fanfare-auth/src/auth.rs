//! Who may do what, for all who ask at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fanfare_hub::{Grant, Lease, Timestamp};

use crate::keys::Key;
use crate::revoked::{Ledger, Revocation, RevocationError, Revoked};
use crate::token::{self, Refusal};

/// What the operator decided about who may do what.
#[derive(Debug, Default)]
pub struct Rules {
    /// Keys that sign credentials. Without one, everybody's rights are all there is, and what
    /// requests bring along is not looked at.
    pub keys: Vec<Key>,
    /// Whether keys are still to come. Tokens are refused until they are there, and not passed
    /// over.
    pub awaits_keys: bool,
    /// What everybody may do, without a credential.
    pub everybody: Arc<Grant>,
    /// The hub's name among those that a token is for (`aud`, RFC 7519 4.1.3). A token that names
    /// others only is refused, and one that names nobody is taken.
    pub audience: Option<String>,
    /// Who has to have issued a token (`iss`); any issuer with a right key when there is none.
    pub issuer: Option<String>,
}

impl Rules {
    /// Everybody who reaches the hub may do everything.
    #[must_use]
    pub fn open() -> Self {
        Self {
            everybody: Arc::new(Grant::everything()),
            ..Self::default()
        }
    }

    fn takes_tokens(&self) -> bool {
        self.awaits_keys || !self.keys.is_empty()
    }
}

/// Who may do what. A cheap handle; clones decide the same.
#[derive(Clone, Debug)]
pub struct Auth {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rules: RwLock<Arc<Rules>>,
    /// Asked with every request, so that an open hub takes one lock for each and not three.
    has_keys: AtomicBool,
    revoked: Revoked,
    /// Where that is kept.
    ledger: Mutex<Option<Box<dyn Ledger>>>,
    /// Rises whenever a credential may have become worth nothing.
    generation: AtomicU64,
    /// Whether a token came that names a key which is not there.
    has_missed: AtomicBool,
}

/// Why a credential that opened a stream is worth nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// Its time is over.
    Expired,
    /// It, its holder or its key was taken back.
    Revoked,
}

impl Lapse {
    /// The reason as the stream says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self::open()
    }
}

impl Auth {
    /// Everybody who reaches the hub may do everything.
    #[must_use]
    pub fn open() -> Self {
        Self::new(Rules::open())
    }

    /// As the rules say.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            shared: Arc::new(Shared {
                has_keys: AtomicBool::new(rules.takes_tokens()),
                rules: RwLock::new(Arc::new(rules)),
                revoked: Revoked::default(),
                ledger: Mutex::default(),
                generation: AtomicU64::new(0),
                has_missed: AtomicBool::new(false),
            }),
        }
    }

    /// Puts other rules in place. What hangs on a key that is gone lapses.
    pub fn replace(&self, rules: Rules) {
        let has_keys = rules.takes_tokens();
        let rules = Arc::new(rules);
        let current = self.shared.rules.write();
        *current.unwrap_or_else(PoisonError::into_inner) = rules;
        self.shared.has_keys.store(has_keys, Ordering::Release);
        self.shared.generation.fetch_add(1, Ordering::Release);
    }

    /// Takes credentials back. Waits for the ledger, if there is one.
    ///
    /// # Errors
    /// As many are taken back as are remembered, nothing is named, or it cannot be kept.
    pub fn revoke(&self, revocation: Revocation, now: Timestamp) -> Result<(), RevocationError> {
        self.shared.revoked.add(revocation, now)?;
        self.shared.generation.fetch_add(1, Ordering::Release);
        let ledger = self.shared.ledger.lock();
        let ledger = ledger.unwrap_or_else(PoisonError::into_inner);
        match &*ledger {
            // Read below the lock, so that what is kept last is all there is.
            Some(ledger) => ledger
                .keep(&self.shared.revoked.all())
                .map_err(RevocationError::NotKept),
            None => Ok(()),
        }
    }

    /// Takes back again what was taken back before, and keeps from now on what will be.
    ///
    /// # Errors
    /// There is more of it than is remembered, or something that was never taken back.
    pub fn keep_in(
        &self,
        ledger: impl Ledger,
        before: Vec<(Revocation, Timestamp)>,
    ) -> Result<(), RevocationError> {
        for (revocation, at) in before {
            self.shared.revoked.add(revocation, at)?;
        }
        let current = self.shared.ledger.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = Some(Box::new(ledger));
        Ok(())
    }

    /// Whether there is anything that a credential could be held against.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.shared.has_keys.load(Ordering::Acquire)
    }

    /// Changes whenever leases have to be looked at again.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// What may be done without a credential.
    #[must_use]
    pub fn everybody(&self) -> Arc<Grant> {
        Arc::clone(&self.rules().everybody)
    }

    /// What the holder of a token may do.
    ///
    /// # Errors
    /// The token is worth nothing. The sentence tells its holder what to change, and an attacker
    /// nothing about the keys.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Grant, String> {
        let grant = token::read(&self.rules(), token, now).map_err(|refusal| {
            if refusal == Refusal::UnknownKey {
                self.shared.has_missed.store(true, Ordering::Relaxed);
            }
            refusal.to_string()
        })?;
        match &grant.lease {
            Some(lease) if self.shared.revoked.has(lease) => {
                Err("the token was revoked: ask for another one".to_owned())
            }
            _ => Ok(grant),
        }
    }

    /// Whether a token came since the last time that names a key which is not there: its issuer may
    /// have a new one. Anybody can make such a token.
    #[must_use]
    pub fn take_missed(&self) -> bool {
        self.shared.has_missed.swap(false, Ordering::Relaxed)
    }

    /// Whether what something hangs on is worth nothing any more.
    #[must_use]
    pub fn lapse(&self, lease: &Lease, now: Timestamp) -> Option<Lapse> {
        if now >= lease.expires {
            return Some(Lapse::Expired);
        }
        let rules = self.rules();
        let mut keys = rules.keys.iter();
        let has_key = keys.any(|key| key.fingerprint() == lease.credential.key);
        (!has_key || self.shared.revoked.has(lease)).then_some(Lapse::Revoked)
    }

    fn rules(&self) -> Arc<Rules> {
        let rules = self.shared.rules.read();
        Arc::clone(&rules.unwrap_or_else(PoisonError::into_inner))
    }
}
