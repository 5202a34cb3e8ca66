//! From a credential to a grant: keys, tokens (RFC 7519), and what was taken back.
//!
//! Pure, like the hub: time is an argument, and where a credential comes from, and the files that
//! keys lie in, are other people's business. It is also the fence around what signs and verifies.
//!
//! In reading order:
//!
//! - [`auth`]: who may do what, shared by all who ask;
//! - [`token`]: what a token says, and whether it may;
//! - [`keys`]: what tokens are signed with;
//! - [`jwks`]: keys as issuers publish them;
//! - [`revoked`]: what was taken back before its time.

pub mod auth;
pub mod jwks;
pub mod keys;
pub mod revoked;
pub mod token;

pub use auth::{Auth, Lapse, Rules};
pub use jwks::JwksError;
pub use keys::{ALGORITHMS, Key, KeyError, SigningKey};
pub use revoked::{Ledger, Revocation, RevocationError};
pub use token::{Audience, Claims, Rights};
