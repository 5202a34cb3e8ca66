//! Takes any text for a token: it is never a reason to panic, and never worth anything without a
//! signature of one of the keys. Claims that are signed are held against what they say.
//! The first line of the input is a head, the second the claims, the third a signature.
#![no_main]

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_auth::{Auth, Key, Rules};
use fanfare_hub::{Grant, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const SECRET: &[u8] = b"a secret of more than thirty-two bytes, for this alone";
/// The public key of RFC 8037 A.2; no input finds a signature for it by chance.
const PUBLIC: &[u8] = b"-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";
/// The hub's clock.
const NOW_S: u64 = 1_000_000_000;
/// How far ahead a token may begin.
const SKEW_S: u64 = 60;

static AUTH: LazyLock<Auth> = LazyLock::new(|| {
    let secret = Key::new(Some("one".to_owned()), "HS256", SECRET);
    let public = Key::new(None, "EdDSA", PUBLIC);
    Auth::new(Rules {
        keys: vec![secret.expect("a secret"), public.expect("a public key")],
        everybody: Arc::new(Grant::default()),
        audience: Some("hub".to_owned()),
        ..Rules::default()
    })
});

fn read(token: &str) -> Result<Grant, String> {
    AUTH.read(token, Timestamp(1_000 * NOW_S))
}

fuzz_target!(|input: &str| {
    let told = read(input);
    assert!(told.is_err(), "taken without a key: {input}");
    let mut lines = input.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (head, claims, signature) = (line(), line(), line());
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = |head: &str| {
        let message = format!("{}.{}", encode(head), encode(claims));
        let key = EncodingKey::from_secret(SECRET);
        let right = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
        (right.expect("it can be signed"), message)
    };
    // Whatever the head says, a signature that is not there or of somebody else is worth nothing.
    let (right, message) = signed(head);
    for wrong in ["", signature, &encode(signature), &right[..right.len() - 1]] {
        if wrong == right {
            continue;
        }
        let told = read(&format!("{message}.{wrong}"));
        assert!(told.is_err(), "taken with {wrong:?}: {input}");
    }
    // The signature of the secret counts for the one algorithm of the secret only.
    if let Ok(grant) = read(&format!("{message}.{right}")) {
        let head: Value = serde_json::from_str(head).expect("a head that was taken is JSON");
        assert_eq!(head["alg"], "HS256", "{input}");
        assert!(head["kid"].is_null() || head["kid"] == "one", "{input}");
        check(claims, &grant);
    }
    // What is signed as it should be is worth what it says.
    let (right, message) = signed(r#"{"alg":"HS256"}"#);
    if let Ok(grant) = read(&format!("{message}.{right}")) {
        check(claims, &grant);
    }
});

/// What was granted is what the claims say, at a time when they may say it.
fn check(claims: &str, grant: &Grant) {
    // One that has a name twice has the last one; the hub must have read the same, or refused.
    let claims: Value = serde_json::from_str(claims).expect("claims that were taken are JSON");
    let seconds = |name: &str| claims[name].as_u64();
    assert!(seconds("exp").is_some_and(|exp| exp > NOW_S), "{claims}");
    for name in ["nbf", "iat"] {
        let is_early =
            claims[name].is_null() || seconds(name).is_some_and(|it| it <= NOW_S + SKEW_S);
        assert!(is_early, "{claims}");
    }
    let names_hub = |aud: &Value| aud == "hub";
    let is_for_us = match &claims["aud"] {
        Value::Null => true,
        Value::Array(all) => all.iter().any(names_hub),
        one => names_hub(one),
    };
    assert!(is_for_us, "{claims}");
    let rights = &claims["fanfare"];
    assert_eq!(grant.is_admin, rights["admin"] == true, "{claims}");
    for (name, granted) in [("publish", &grant.publish), ("subscribe", &grant.subscribe)] {
        let wanted = rights[name].as_array().into_iter().flatten();
        let wanted: Vec<_> = wanted.filter_map(Value::as_str).collect();
        let granted: Vec<_> = granted.iter().map(ToString::to_string).collect();
        assert_eq!(granted, wanted, "{claims}");
    }
}
