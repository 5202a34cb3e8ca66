//! Keys that issuers publish: fetched when the hub starts, now and then, and when a token names one
//! that is not known yet. What cannot be fetched leaves what was fetched before in place.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use fanfare::auth::{Key, jwks};
use http::header::{ACCEPT, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use tokio::time::{Instant, timeout};

use crate::https::{self, Https};

/// How long a fetch may take. An issuer that is slower is as good as none.
const FETCH_MAX: Duration = Duration::from_secs(10);
/// Bytes of a set: a hundred keys of RSA have 50 KB.
const DOCUMENT_BYTES_MAX: usize = 256 << 10;
/// How old a set may become. An issuer that takes a key back wants it gone soon.
const AGE_MAX: Duration = Duration::from_secs(300);
/// Between two fetches because of a token that names an unknown key: anybody can send one.
const MISSED_PAUSE: Duration = Duration::from_secs(10);
/// Between two fetches of a set that could not be fetched.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// How often it is looked whether a fetch is due.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JwksUrl(Uri);

impl FromStr for JwksUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "a set of keys is fetched from an URL, such as https://login.example/.well-known/jwks.json";
        let uri: Uri = text.parse().map_err(|_no_uri| form)?;
        let is_here = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => Ok(Self(uri)),
            (Some("http"), Some(_)) if is_here => Ok(Self(uri)),
            (Some("http"), Some(_)) => {
                Err("keys that come over http could be anybody's on the way: use https".to_owned())
            }
            _ => Err(form.to_owned()),
        }
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What was fetched, for all who make rules of it. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published(Arc<Mutex<Vec<Keys>>>);

/// The keys of one issuer.
type Keys = (JwksUrl, Vec<Key>);

impl Published {
    fn lock(&self) -> MutexGuard<'_, Vec<Keys>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that these issuers published last.
    pub(crate) fn keys(&self, issuers: &[JwksUrl]) -> Vec<Key> {
        let all = self.lock();
        let theirs = all.iter().filter(|(url, _)| issuers.contains(url));
        theirs.flat_map(|(_, keys)| keys.iter().cloned()).collect()
    }

    fn set(&self, url: &JwksUrl, keys: Vec<Key>) {
        let mut all = self.lock();
        match all.iter_mut().find(|(known, _)| known == url) {
            Some((_, known)) => *known = keys,
            None => all.push((url.clone(), keys)),
        }
    }
}

/// Fetches the keys of one issuer.
pub(crate) struct Issuer {
    url: JwksUrl,
    client: Https<Empty<Bytes>>,
    /// What the last set was called (RFC 9110 8.8.3).
    etag: Option<HeaderValue>,
    /// When it was fetched last, and whether that went well.
    last: Option<(Instant, bool)>,
}

impl Issuer {
    pub(crate) fn new(url: &JwksUrl) -> Result<Self> {
        Ok(Self {
            url: url.clone(),
            client: https::client()?,
            etag: None,
            last: None,
        })
    }

    /// Fetches the set if that is due, and says whether it is another one than before.
    pub(crate) async fn look(&mut self, has_missed: bool, published: &Published) -> bool {
        let is_due = self.last.is_none_or(|(at, went_well)| {
            let age = at.elapsed();
            let pause = if went_well { AGE_MAX } else { RETRY_PAUSE };
            age >= pause || (has_missed && age >= MISSED_PAUSE)
        });
        if !is_due {
            return false;
        }
        let fetched = timeout(FETCH_MAX, self.fetch()).await;
        let fetched = fetched
            .context("no answer in time")
            .and_then(|fetched| fetched);
        let was_well = self.last.is_none_or(|(_, went_well)| went_well);
        self.last = Some((Instant::now(), fetched.is_ok()));
        match fetched {
            Ok(None) => false,
            Ok(Some(keys)) => {
                tracing::info!(url = %self.url, keys = keys.len(), "keys of an issuer were fetched");
                published.set(&self.url, keys);
                true
            }
            // Once for each trouble, or a dead issuer would fill the log.
            Err(error) if was_well => {
                tracing::error!(url = %self.url, "cannot fetch keys, those from before stay: {error:#}");
                false
            }
            Err(_) => false,
        }
    }

    /// The keys, unless they are those from before.
    async fn fetch(&mut self) -> Result<Option<Vec<Key>>> {
        let mut request = Request::get(self.url.0.clone())
            .header(ACCEPT, "application/jwk-set+json, application/json");
        if let Some(etag) = &self.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = self.client.request(request.body(Empty::new())?).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if self.etag.is_some() => return Ok(None),
            status if status.is_redirection() => {
                bail!("the answer is {status}: name the URL that it leads to")
            }
            status => bail!("the answer is {status}"),
        }
        let etag = response.headers().get(ETAG).cloned();
        let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer cannot be read: {error}"))?;
        let keys = jwks::read(&body.to_bytes())?;
        ensure!(!keys.is_empty(), "the set is empty");
        self.etag = etag;
        Ok(Some(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for text in [
            "https://login.example/jwks.json",
            "http://127.0.0.1:8080/keys",
            "http://localhost/keys",
        ] {
            assert!(text.parse::<JwksUrl>().is_ok(), "{text}");
        }
        for text in [
            "",
            "jwks.json",
            "http://login.example/keys",
            "ftp://a/b",
            "/keys",
        ] {
            assert!(text.parse::<JwksUrl>().is_err(), "{text}");
        }
    }
}
