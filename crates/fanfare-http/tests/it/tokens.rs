//! Tokens that must not be believed (RFC 8725), each made by hand.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use fanfare_auth::{Auth, Key, KeyError, Rules, SigningKey};
use fanfare_http::clock;
use fanfare_hub::Grant;
use fanfare_hub::limits::TOKEN_BYTES_MAX;
use fanfare_testkit::TestHub;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

const SECRET: &[u8] = b"thirty-two bytes of a secret, and some more";

/// What is signed, and with what.
struct Forgery<'a> {
    header: &'a str,
    claims: String,
    key: EncodingKey,
    algorithm: Algorithm,
}

impl Forgery<'_> {
    fn token(&self) -> String {
        let message = format!(
            "{}.{}",
            BASE64.encode(self.header),
            BASE64.encode(&self.claims)
        );
        let signature = crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
const RIGHTS: &str = r#""fanfare":{"publish":["**"],"subscribe":["**"]}"#;

fn signed(header: &str, claims: impl Into<String>) -> String {
    let (key, algorithm) = (EncodingKey::from_secret(SECRET), Algorithm::HS256);
    let claims = claims.into();
    Forgery {
        header,
        claims,
        key,
        algorithm,
    }
    .token()
}

fn in_a_minute() -> u64 {
    clock::now().0 / 1000 + 60
}

fn good_claims() -> String {
    format!("{{\"exp\":{},{RIGHTS}}}", in_a_minute())
}

/// A pair of keys, as PEM.
fn pair(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    (pair.serialize_pem(), pair.public_key_pem())
}

async fn hub(keys: Vec<Key>) -> TestHub {
    let rules = Rules {
        keys,
        awaits_keys: false,
        // Everybody may: a token that is not believed must not be taken for none.
        everybody: Arc::new(Grant::everything()),
        issuer: None,
        audience: Some("hub".to_owned()),
    };
    TestHub::builder().auth(Auth::new(rules)).start().await
}

async fn status(hub: &TestHub, token: &str) -> u16 {
    let page = hub.fetch("/a").header("accept", "application/json");
    page.header("authorization", format!("Bearer {token}"))
        .send()
        .await
        .status
}

#[tokio::test]
async fn every_algorithm_is_taken_from_its_own_key() {
    for (algorithm, rcgen) in [
        ("ES256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("ES384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("EdDSA", &rcgen::PKCS_ED25519),
        ("RS256", &rcgen::PKCS_RSA_SHA256),
        ("PS512", &rcgen::PKCS_RSA_SHA256),
    ] {
        let (private, public) = pair(rcgen);
        let hub = hub(vec![Key::new(None, algorithm, public.as_bytes()).unwrap()]).await;
        let key = SigningKey::new(Some("any".to_owned()), algorithm, private.as_bytes()).unwrap();
        let claims: fanfare_auth::Claims = serde_json::from_str(&good_claims()).unwrap();
        assert_eq!(
            status(&hub, &claims.sign(&key).unwrap()).await,
            200,
            "{algorithm}"
        );
        // Another key of the same kind signs nothing here.
        let (private, _) = pair(rcgen);
        let key = SigningKey::new(None, algorithm, private.as_bytes()).unwrap();
        assert_eq!(
            status(&hub, &claims.sign(&key).unwrap()).await,
            401,
            "{algorithm}"
        );
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let (_, public) = pair(&rcgen::PKCS_RSA_SHA256);
    let hub = hub(vec![Key::new(None, "RS256", public.as_bytes()).unwrap()]).await;
    for material in [public.as_bytes(), public.trim_end().as_bytes()] {
        let token = Forgery {
            header: HEADER,
            claims: good_claims(),
            key: EncodingKey::from_secret(material),
            algorithm: Algorithm::HS256,
        };
        assert_eq!(status(&hub, &token.token()).await, 401);
    }
}

#[tokio::test]
async fn what_is_not_right_in_all_of_its_parts_is_not_believed() {
    let hub = hub(vec![
        Key::new(Some("one".to_owned()), "HS256", SECRET).unwrap(),
    ])
    .await;
    let good = signed(HEADER, good_claims());
    assert_eq!(status(&hub, &good).await, 200);
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let exp = in_a_minute();
    let mut bad = vec![
        String::new(),
        "x".to_owned(),
        format!("{head}.{claims}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}.{signature}."),
        format!("{head}.{claims}.{}", BASE64.encode("x")),
        format!(".{claims}.{signature}"),
        format!("{head}..{signature}"),
        ".".repeat(TOKEN_BYTES_MAX),
        format!("{good}{}", "A".repeat(TOKEN_BYTES_MAX)),
        // Nobody signs for `none`, however it is written.
        format!("{}.{claims}.", BASE64.encode(r#"{"alg":"none"}"#)),
        format!("{}.{claims}.", BASE64.encode(r#"{"alg":"nOnE"}"#)),
        format!(
            "{}.{claims}.{signature}",
            BASE64.encode(r#"{"alg":"none"}"#)
        ),
        format!("{}.{claims}.{signature}", BASE64.encode(r#"{"typ":"JWT"}"#)),
    ];
    // Rightly signed, and wrong.
    for header in [
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","kid":"two"}"#,
        r#"{"alg":"HS256","kid":"../../../../dev/null"}"#,
        r#"{"alg":"HS256","kid":"' OR 1=1 --"}"#,
        r#"{"alg":"HS256","kid":7}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        "[]",
        "",
    ] {
        bad.push(signed(header, good_claims()));
    }
    let nested = format!("{{\"exp\":{exp},\"fanfare\":{}", "[".repeat(2_000));
    for claims in [
        format!("{{{RIGHTS}}}"),
        format!("{{\"exp\":\"{exp}\",{RIGHTS}}}"),
        format!("{{\"exp\":[{exp}],{RIGHTS}}}"),
        format!("{{\"exp\":null,{RIGHTS}}}"),
        format!("{{\"exp\":true,{RIGHTS}}}"),
        format!("{{\"exp\":-1,{RIGHTS}}}"),
        format!("{{\"exp\":1e400,{RIGHTS}}}"),
        format!("{{\"exp\":{exp}.5,{RIGHTS}}}"),
        format!("{{\"exp\":99999999999999999999999,{RIGHTS}}}"),
        format!("{{\"exp\":0,{RIGHTS}}}"),
        format!("{{\"exp\":1,\"exp\":{exp},{RIGHTS}}}"),
        format!("{{\"exp\":{exp},\"nbf\":{},{RIGHTS}}}", exp + 60),
        format!("{{\"exp\":{exp},\"nbf\":\"0\",{RIGHTS}}}"),
        format!("{{\"exp\":{exp},\"iat\":{},{RIGHTS}}}", exp + 60),
        format!("{{\"exp\":{exp},\"aud\":\"other\",{RIGHTS}}}"),
        format!("{{\"exp\":{exp},\"aud\":[\"other\",\"hub2\"],{RIGHTS}}}"),
        format!("{{\"exp\":{exp},\"aud\":[],{RIGHTS}}}"),
        format!("{{\"exp\":{exp},\"fanfare\":{{\"publish\":\"**\"}}}}"),
        format!("{{\"exp\":{exp},\"fanfare\":{{\"publish\":[\"a/**/b\"]}}}}"),
        format!("{{\"exp\":{exp},\"fanfare\":{{\"publish\":[\"/a\"]}}}}"),
        format!("{{\"exp\":{exp},\"fanfare\":{{\"publishes\":[\"a\"]}}}}"),
        format!(
            "{{\"exp\":{exp},\"fanfare\":{{\"subscribe\":[{}]}}}}",
            vec!["\"a\""; 257].join(",")
        ),
        nested,
        "null".to_owned(),
        "{".to_owned(),
    ] {
        bad.push(signed(HEADER, claims));
    }
    for token in &bad {
        let shown = &token[..token.len().min(120)];
        assert_eq!(status(&hub, token).await, 401, "{shown}");
    }
    // Keys and places that a token brings along are not looked at.
    let (_, public) = pair(&rcgen::PKCS_ED25519);
    let lure = format!(
        r#"{{"alg":"HS256","kid":"one","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","x":{public:?}}}"#
    );
    assert_eq!(status(&hub, &signed(&lure, good_claims())).await, 200);
    for claims in [
        format!("{{\"exp\":{exp},\"aud\":\"hub\",{RIGHTS}}}"),
        format!("{{\"exp\":{exp},\"aud\":[\"x\",\"hub\"],\"more\":{{\"a\":[1]}},{RIGHTS}}}"),
        format!("{{\"exp\":{exp},\"nbf\":{},{RIGHTS}}}", exp - 30),
    ] {
        assert_eq!(status(&hub, &signed(HEADER, claims)).await, 200);
    }
}

#[tokio::test]
async fn only_the_issuer_that_is_named_is_taken() {
    let rules = Rules {
        keys: vec![Key::new(None, "HS256", SECRET).unwrap()],
        issuer: Some("https://login.example".to_owned()),
        ..Rules::default()
    };
    let hub = TestHub::builder().auth(Auth::new(rules)).start().await;
    let exp = in_a_minute();
    for (issuer, wanted) in [
        ("", 401),
        ("\"iss\":\"https://login.example\",", 200),
        ("\"iss\":\"https://login.example/\",", 401),
        ("\"iss\":[\"https://login.example\"],", 401),
    ] {
        let token = signed(HEADER, format!("{{{issuer}\"exp\":{exp},{RIGHTS}}}"));
        assert_eq!(status(&hub, &token).await, wanted, "{issuer}");
    }
}

#[test]
fn a_key_that_could_be_guessed_or_is_none_is_refused() {
    for (algorithm, wanted) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let given = wanted - 1;
        let refused = Key::new(None, algorithm, &vec![b'x'; given]).err();
        assert_eq!(refused, Some(KeyError::WeakSecret { given, wanted }));
        assert!(Key::new(None, algorithm, &vec![b'x'; wanted]).is_ok());
    }
    // A line end is no part of a secret.
    assert!(Key::new(None, "HS256", &[&[b'x'; 31][..], b"\n\n"].concat()).is_err());
    assert!(matches!(
        Key::new(None, "none", SECRET),
        Err(KeyError::UnknownAlgorithm(_))
    ));
    let (private, public) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    for (algorithm, pem) in [
        ("RS256", &public),
        ("EdDSA", &public),
        ("ES256", &"x".to_owned()),
        ("ES256", &private),
    ] {
        let refused = Key::new(None, algorithm, pem.as_bytes());
        assert!(
            matches!(refused, Err(KeyError::BadPem { .. })),
            "{algorithm}"
        );
    }
    // Everybody knows it, and could sign with it.
    let refused = Key::new(None, "HS256", public.as_bytes()).err();
    assert_eq!(refused, Some(KeyError::PublicSecret));
    let refused = Key::new(None, "ES384", public.as_bytes()).err();
    assert_eq!(refused, Some(KeyError::WrongCurve));
    let key = Key::new(None, "HS256", SECRET).unwrap();
    assert!(!format!("{key:?}").contains("thirty"), "{key:?}");
}
