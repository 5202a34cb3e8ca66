//! Tokens, and hubs that want them.

use std::sync::Arc;

use fanfare_auth::{Auth, Claims, Key, Rights, Rules, SigningKey};
use fanfare_http::clock;
use fanfare_testkit::{Ask, TestHub, TestHubBuilder};

pub(crate) const SECRET: &[u8] = b"thirty-two bytes of a secret, and some more";

pub(crate) fn now_s() -> u64 {
    clock::now().0 / 1000
}

pub(crate) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn rights(publish: &[&str], subscribe: &[&str]) -> Rights {
    Rights {
        publish: texts(publish),
        subscribe: texts(subscribe),
        admin: false,
    }
}

pub(crate) fn claims(fanfare: Rights) -> Claims {
    Claims {
        exp: now_s() + 60,
        nbf: None,
        iat: Some(now_s()),
        jti: None,
        sub: None,
        iss: None,
        aud: None,
        fanfare,
    }
}

pub(crate) fn sign(claims: &Claims) -> String {
    let key = SigningKey::new(None, "HS256", SECRET).unwrap();
    claims.sign(&key).unwrap()
}

pub(crate) fn token(fanfare: Rights) -> String {
    sign(&claims(fanfare))
}

pub(crate) fn rules(everybody: Rights) -> Rules {
    Rules {
        keys: vec![Key::new(None, "HS256", SECRET).unwrap()],
        everybody: Arc::new(everybody.to_grant().unwrap()),
        ..Rules::default()
    }
}

pub(crate) fn builder(everybody: Rights) -> TestHubBuilder {
    TestHub::builder().auth(Auth::new(rules(everybody)))
}

pub(crate) async fn hub(everybody: Rights) -> TestHub {
    builder(everybody).start().await
}

pub(crate) trait Bearing {
    fn bearing(self, token: &str) -> Self;
}

impl Bearing for Ask {
    fn bearing(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }
}
