//! JSON Web Tokens (RFC 7519): what one says, and whether it may say so.

use std::sync::Arc;

use fanfare_hub::limits::{CLOCK_SKEW_MAX, TOKEN_BYTES_MAX, TOKEN_SELECTORS_MAX};
use fanfare_hub::{Credential, Grant, Lease, Selector, Timestamp};
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};

use crate::auth::Rules;
use crate::keys::SigningKey;

/// What a token says that matters here. Numbers are whole seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// From when on it is worth nothing. There has to be one.
    pub exp: u64,
    /// From when on it is worth something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// Its own id, by which it can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Who holds it, by which all of theirs can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// What its holder may do.
    #[serde(default)]
    pub fanfare: Rights,
}

/// What a token's holder may do. Nothing, until it is said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// Topics and patterns to publish to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<String>,
    /// Topics and patterns to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscribe: Vec<String>,
    /// Whether the hub's own doors are open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
}

/// One name, or several (RFC 7519 4.1.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, hub: &str) -> bool {
        match self {
            Self::One(name) => name == hub,
            Self::Many(names) => names.iter().any(|name| name == hub),
        }
    }
}

impl Rights {
    /// Reads the rights.
    ///
    /// # Errors
    /// A sentence that says what is wrong with them.
    pub fn to_grant(&self) -> Result<Grant, String> {
        Ok(Grant {
            publish: selectors(&self.publish)?,
            subscribe: selectors(&self.subscribe)?,
            is_admin: self.admin,
            lease: None,
        })
    }
}

impl Claims {
    /// Signs the claims.
    ///
    /// # Errors
    /// The key cannot sign, or the token is larger than a hub takes.
    pub fn sign(&self, key: &SigningKey) -> Result<String, String> {
        let mut header = Header::new(key.algorithm());
        header.kid = key.id().map(str::to_owned);
        let signed = jsonwebtoken::encode(&header, self, key.encoding());
        let token = signed.map_err(|error| error.to_string())?;
        match token.len() {
            ..=TOKEN_BYTES_MAX => Ok(token),
            bytes => Err(format!(
                "the token has {bytes} bytes and a hub takes {TOKEN_BYTES_MAX}: name fewer topics, or wider patterns"
            )),
        }
    }
}

fn selectors(texts: &[String]) -> Result<Vec<Selector>, String> {
    if texts.len() > TOKEN_SELECTORS_MAX {
        return Err(format!(
            "a token has {TOKEN_SELECTORS_MAX} topics and patterns of a kind at most: use wider patterns"
        ));
    }
    let parse = |text: &String| {
        Selector::parse(text).map_err(|error| format!("{text:?} is no topic or pattern: {error}"))
    };
    texts.iter().map(parse).collect()
}

/// Why a token is worth nothing. The sentence tells its holder what to change, and an attacker
/// nothing about the keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No key of the hub is the one that it names, for its algorithm.
    #[error("the token is not signed with a key of this hub")]
    UnknownKey,
    /// The keys that it may be signed with did not sign it.
    #[error("the token is not signed with a key of this hub")]
    Unsigned,
    /// What it says.
    #[error("{0}")]
    Said(String),
}

impl<T: Into<String>> From<T> for Refusal {
    fn from(said: T) -> Self {
        Self::Said(said.into())
    }
}

/// Reads a token and checks all of it, in the order in which it costs the least to refuse.
pub(crate) fn read(rules: &Rules, token: &str, now: Timestamp) -> Result<Grant, Refusal> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(format!("a token has {TOKEN_BYTES_MAX} bytes at most").into());
    }
    if token.bytes().filter(|byte| *byte == b'.').count() != 2 {
        return Err("a token is a JWT: three parts with dots between them".into());
    }
    let (key, claims) = verify(rules, token)?;
    let now_s = now.0 / 1000;
    let expires = Timestamp(claims.exp.saturating_mul(1000));
    if now >= expires {
        return Err("the token has expired: ask for another one".into());
    }
    let begins = claims.nbf.into_iter().chain(claims.iat).max();
    if begins.is_some_and(|begins| begins > now_s.saturating_add(CLOCK_SKEW_MAX.as_secs())) {
        return Err("the token begins in the future: compare the clocks".into());
    }
    if let Some(issuer) = &rules.issuer
        && claims.iss.as_ref() != Some(issuer)
    {
        return Err("the token is by another issuer than this hub takes".into());
    }
    let audience = rules.audience.as_deref();
    if claims
        .aud
        .as_ref()
        .is_some_and(|aud| !audience.is_some_and(|hub| aud.names(hub)))
    {
        return Err(
            "the token is for somebody else (`aud`): name this hub as it is configured".into(),
        );
    }
    let credential = Credential {
        key,
        id: claims.jti,
        subject: claims.sub,
        issued: claims
            .iat
            .map(|seconds| Timestamp(seconds.saturating_mul(1000))),
    };
    Ok(Grant {
        lease: Some(Lease {
            expires,
            credential: Arc::new(credential),
        }),
        ..claims.fanfare.to_grant()?
    })
}

/// Holds the token against the keys that it may be signed with.
fn verify(rules: &Rules, token: &str) -> Result<(u64, Claims), Refusal> {
    let header: Header = decode_header(token).map_err(
        |_error| "the head of the token cannot be read, or names an algorithm that is not taken",
    )?;
    // Extensions that have to be understood (RFC 7515 4.1.11); there are none that we do.
    if header.crit.is_some() {
        return Err("the token wants an extension to be understood (`crit`) that is not".into());
    }
    let fitting = rules
        .keys
        .iter()
        .filter(|key| key.algorithm() == header.alg && key.answers_to(header.kid.as_deref()));
    let mut is_known = false;
    for key in fitting {
        is_known = true;
        // One algorithm, the key's own; what the claims say is looked at above, strictly.
        let mut validation = Validation::new(key.algorithm());
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        match decode::<Claims>(token, key.decoding(), &validation) {
            Ok(data) => return Ok((key.fingerprint(), data.claims)),
            Err(error) if is_about_claims(&error) => {
                return Err(format!("the token's claims cannot be read: {error}").into());
            }
            Err(_) => {}
        }
    }
    Err(match is_known {
        true => Refusal::Unsigned,
        false => Refusal::UnknownKey,
    })
}

/// Whether the signature was right and what it signs is not.
fn is_about_claims(error: &jsonwebtoken::errors::Error) -> bool {
    use jsonwebtoken::errors::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::Json(_) | Kind::Utf8(_) | Kind::InvalidClaimFormat(_)
    )
}
