//! The public keys of an issuer, as it publishes them: a JWK set (RFC 7517).
//!
//! A set may hold keys that are not for signing, or of kinds that are not known here; they are
//! passed over (RFC 7517 5). A key that is a secret is, too: what everybody can read signs nothing.

use fanfare_hub::limits::JWKS_KEYS_MAX;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::keys::{ALGORITHMS, Key};

/// Why a document gives no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// It is not of the form `{"keys":[...]}`.
    #[error("this is no JWK set (RFC 7517): {0}")]
    NoSet(String),
    /// More keys than are taken.
    #[error("the set has {0} keys and {JWKS_KEYS_MAX} are taken")]
    TooMany(usize),
    /// Not one of the keys can be used.
    #[error(
        "none of the {0} keys of the set signs with an algorithm that is taken: {list}",
        list = names()
    )]
    NoKey(usize),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// Reads the keys of a set that sign tokens. Each is bound to one algorithm: the one that it names,
/// or else the usual one of its kind.
///
/// # Errors
/// When the document is no set, too large a one, or has no key that can be used.
pub fn read(document: &[u8]) -> Result<Vec<Key>, JwksError> {
    let set = serde_json::from_slice::<Set>(document);
    let set = set.map_err(|error| JwksError::NoSet(error.to_string()))?;
    let count = set.keys.len();
    if count > JWKS_KEYS_MAX {
        return Err(JwksError::TooMany(count));
    }
    let keys: Vec<_> = set.keys.into_iter().filter_map(key).collect();
    match keys.is_empty() {
        true => Err(JwksError::NoKey(count)),
        false => Ok(keys),
    }
}

fn key(value: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    let signs = match (&common.public_key_use, &common.key_operations) {
        (Some(PublicKeyUse::Signature), _) | (None, None) => true,
        (None, Some(operations)) => operations.contains(&KeyOperations::Verify),
        (Some(_), _) => false,
    };
    let usual = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Algorithm::ES256,
            EllipticCurve::P384 => Algorithm::ES384,
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) => match key.curve {
            EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        },
        _ => return None,
    };
    let named = common.key_algorithm.map(|named| {
        let name = named.to_string();
        let mut known = ALGORITHMS.iter();
        known.find(|(known, _)| *known == name).map(|it| it.1)
    });
    // A key that names an algorithm is for no other one (RFC 8725 3.1).
    let algorithm = named.unwrap_or(Some(usual))?;
    let fits = algorithm == usual || (is_rsa(algorithm) && is_rsa(usual));
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    let material = serde_json::to_vec(&jwk.algorithm).ok()?;
    (signs && fits).then(|| Key::of(common.key_id.clone(), algorithm, &material, decoding))
}

fn is_rsa(algorithm: Algorithm) -> bool {
    use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
    matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512)
}

fn names() -> String {
    let public = ALGORITHMS
        .iter()
        .filter(|(name, _)| !name.starts_with("HS"));
    let names: Vec<_> = public.map(|(name, _)| *name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037 A.2, and one of P-256.
    const ED: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"ed"}"#;
    const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","alg":"ES256"}"#;

    fn read_all(keys: &[&str]) -> Result<Vec<Key>, JwksError> {
        read(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
    }

    #[test]
    fn each_key_is_bound_to_one_algorithm() {
        let keys = read_all(&[ED, EC]).unwrap();
        let algorithms: Vec<_> = keys.iter().map(Key::algorithm).collect();
        assert_eq!(algorithms, [Algorithm::EdDSA, Algorithm::ES256]);
        assert!(keys[0].answers_to(Some("ed")) && !keys[0].answers_to(Some("other")));
        assert!(keys[1].answers_to(Some("any")));
        let again = read_all(&[EC]).unwrap();
        assert_eq!(again[0].fingerprint(), keys[1].fingerprint());
    }

    #[test]
    fn what_does_not_sign_is_passed_over() {
        let encrypts = EC.replace("\"sig\"", "\"enc\"");
        let swapped = EC.replace("ES256", "RS256");
        let secret = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow","alg":"HS256"}"#;
        let others = [
            &*encrypts,
            &*swapped,
            secret,
            r#"{"kty":"new"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"!","y":"!"}"#,
            "{}",
            "7",
        ];
        assert_eq!(read_all(&others).unwrap_err(), JwksError::NoKey(7));
        let keys = read_all(&[&others[..], &[ED]].concat()).unwrap();
        assert_eq!(keys.len(), 1);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for document in ["", "[]", "{}", r#"{"keys":{}}"#, "\u{0}"] {
            let error = read(document.as_bytes()).unwrap_err();
            assert!(matches!(error, JwksError::NoSet(_)), "{document}");
        }
        let many = vec![ED; JWKS_KEYS_MAX + 1];
        assert_eq!(read_all(&many).unwrap_err(), JwksError::TooMany(101));
        assert_eq!(read_all(&[]).unwrap_err(), JwksError::NoKey(0));
    }
}
