//! Keys that tokens are signed with. Each is bound to one algorithm (RFC 8725 3.1).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

/// The algorithms there are, by their names (RFC 7518 3.1, RFC 8037 3.1).
pub const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// Why something is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No algorithm has this name.
    #[error("{0:?} is no algorithm: use one of {list}", list = names())]
    UnknownAlgorithm(String),
    /// A secret that is shorter than the hash that it keys (RFC 7518 3.2).
    #[error(
        "a secret for this algorithm has {wanted} bytes at least, and this one has {given}: make one with `openssl rand -base64 48`"
    )]
    WeakSecret {
        /// How many it has.
        given: usize,
        /// How many it has to have.
        wanted: usize,
    },
    /// A secret that others may know.
    #[error(
        "this is a key in PEM and no secret: everybody may know a public key. Name the algorithm that the key is for"
    )]
    PublicSecret,
    /// A key on another curve than the algorithm's (RFC 7518 3.4).
    #[error("this key lies on another curve: ES256 takes P-256 and ES384 takes P-384")]
    WrongCurve,
    /// The text is no PEM of the kind that the algorithm takes.
    #[error("this is no {expected} in PEM: {reason}")]
    BadPem {
        /// What the algorithm takes.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// A key that proves who signed a token.
#[derive(Clone)]
pub struct Key {
    /// Tells it from every other key, in this process.
    fingerprint: u64,
    /// Tokens that name a key (`kid`) are held against this one only.
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Key {
    /// Takes a secret, or the PEM of a public key, for one algorithm. White space at the end of a
    /// secret is no part of it: editors and `echo` add it.
    ///
    /// # Errors
    /// Says what is wrong with it, without showing it.
    pub fn new(id: Option<String>, algorithm: &str, material: &[u8]) -> Result<Self, KeyError> {
        let algorithm = find(algorithm)?;
        use Algorithm as A;
        let key = match algorithm {
            A::HS256 | A::HS384 | A::HS512 => {
                DecodingKey::from_secret(secret(algorithm, material)?)
            }
            A::ES256 | A::ES384 => {
                let parsed = DecodingKey::from_ec_pem(material);
                on_curve(algorithm, pem("public key of an elliptic curve", parsed)?)?
            }
            A::EdDSA => pem("public key for Ed25519", DecodingKey::from_ed_pem(material))?,
            _ => pem("public key for RSA", DecodingKey::from_rsa_pem(material))?,
        };
        Ok(Self {
            fingerprint: fingerprint(algorithm, material),
            id,
            algorithm,
            key,
        })
    }

    /// A key whose kind is known to fit its algorithm.
    pub(crate) fn of(
        id: Option<String>,
        algorithm: Algorithm,
        material: &[u8],
        key: DecodingKey,
    ) -> Self {
        Self {
            fingerprint: fingerprint(algorithm, material),
            id,
            algorithm,
            key,
        }
    }

    /// What those who hang on it know it by. Another key in its place has another one.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.key
    }

    /// Whether a token that names this key, or none, may be signed with it.
    pub(crate) fn answers_to(&self, id: Option<&str>) -> bool {
        match (id, &self.id) {
            (Some(id), Some(own)) => id == own,
            _ => true,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Key");
        shown.field("id", &self.id);
        shown
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A key that signs tokens.
pub struct SigningKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl SigningKey {
    /// Takes a secret, or the PEM of a private key, for one algorithm.
    ///
    /// # Errors
    /// Says what is wrong with it, without showing it.
    pub fn new(id: Option<String>, algorithm: &str, material: &[u8]) -> Result<Self, KeyError> {
        let algorithm = find(algorithm)?;
        use Algorithm as A;
        let key = match algorithm {
            A::HS256 | A::HS384 | A::HS512 => {
                EncodingKey::from_secret(secret(algorithm, material)?)
            }
            A::ES256 | A::ES384 => pem(
                "private key of an elliptic curve (PKCS #8)",
                EncodingKey::from_ec_pem(material),
            )?,
            A::EdDSA => pem(
                "private key for Ed25519 (PKCS #8)",
                EncodingKey::from_ed_pem(material),
            )?,
            _ => pem("private key for RSA", EncodingKey::from_rsa_pem(material))?,
        };
        Ok(Self { id, algorithm, key })
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.key
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A hash under a key of this process: it tells nobody anything about the material.
fn fingerprint(algorithm: Algorithm, material: &[u8]) -> u64 {
    static STATE: OnceLock<RandomState> = OnceLock::new();
    let state = STATE.get_or_init(RandomState::new);
    state.hash_one((algorithm, material))
}

/// What a secret is without the white space at its end.
fn secret(algorithm: Algorithm, material: &[u8]) -> Result<&[u8], KeyError> {
    let secret = material.trim_ascii_end();
    if secret.starts_with(b"-----BEGIN ") {
        return Err(KeyError::PublicSecret);
    }
    let wanted = match algorithm {
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => 32,
    };
    let given = secret.len();
    match given >= wanted {
        true => Ok(secret),
        false => Err(KeyError::WeakSecret { given, wanted }),
    }
}

fn pem<K>(expected: &'static str, parsed: jsonwebtoken::errors::Result<K>) -> Result<K, KeyError> {
    parsed.map_err(|error| KeyError::BadPem {
        expected,
        reason: error.to_string(),
    })
}

/// Looks at the length of the point, which PEM does not hold against the algorithm: tokens would be
/// refused one by one otherwise, and nobody would know why.
fn on_curve(algorithm: Algorithm, key: DecodingKey) -> Result<DecodingKey, KeyError> {
    // An uncompressed point: a byte, and two coordinates (SEC 1, 2.3.3).
    let wanted = match algorithm {
        Algorithm::ES384 => 1 + 2 * 48,
        _ => 1 + 2 * 32,
    };
    match key.try_get_as_bytes() {
        Ok(point) if point.len() == wanted => Ok(key),
        _ => Err(KeyError::WrongCurve),
    }
}

fn find(name: &str) -> Result<Algorithm, KeyError> {
    let found = ALGORITHMS.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, algorithm)| *algorithm)
        .ok_or_else(|| KeyError::UnknownAlgorithm(name.to_owned()))
}

fn names() -> String {
    let names: Vec<_> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
