//! Which pages of other origins may use the hub (Fetch standard, CORS protocol).

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::uri::Authority;

/// The pages that may use the hub from another origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    /// None.
    #[default]
    SameOrigin,
    /// Any, without credentials. For development.
    AnyOrigin,
    /// Exactly these, such as `https://app.example`, with credentials.
    Origins(Vec<String>),
}

macro_rules! response_headers {
    () => {
        "fanfare-count, fanfare-heartbeat, fanfare-newest, fanfare-oldest, idempotency-replayed, link, retry-after"
    };
}

/// Methods that topics answer.
pub(crate) const METHODS: &str = "GET, HEAD, POST, DELETE, OPTIONS";
/// What scripts may send besides the safelisted headers.
const REQUEST_HEADERS: &str =
    "authorization, cache-control, content-type, idempotency-key, last-event-id";
/// What scripts may read besides the safelisted headers.
const RESPONSE_HEADERS: &str = response_headers!();
/// Browsers cap it at two hours or a day; either spares a preflight for each publish.
const PREFLIGHT_SECONDS: &str = "7200";

impl Cors {
    /// Whether a page of this origin may use the hub. No origin means no browser, or no
    /// cross-origin request.
    pub(crate) fn allows(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else {
            return true;
        };
        match self {
            Self::AnyOrigin => true,
            Self::SameOrigin => is_same_origin(origin, headers),
            Self::Origins(origins) => {
                is_same_origin(origin, headers) || origins.iter().any(|allowed| origin == allowed)
            }
        }
    }

    /// Whether what the browser adds by itself, a cookie, counts as the page's own word: never for
    /// pages that nobody named.
    pub(crate) fn trusts_cookies(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::AnyOrigin => Self::SameOrigin.allows(headers),
            Self::SameOrigin | Self::Origins(_) => self.allows(headers),
        }
    }

    /// Adds what lets the browser hand the response to the page.
    pub(crate) fn add_headers(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let allowed = match (self, request.get(ORIGIN)) {
            (Self::SameOrigin, _) => return,
            (Self::AnyOrigin, _) => HeaderValue::from_static("*"),
            (Self::Origins(_), origin) => {
                response.append(VARY, HeaderValue::from_static("Origin"));
                match origin {
                    Some(origin) if self.allows(request) => origin.clone(),
                    _ => return,
                }
            }
        };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if matches!(self, Self::Origins(_)) {
            // Or a page could not read what its cookie opens. Never together with `*`.
            let yes = HeaderValue::from_static("true");
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        let exposed = HeaderValue::from_static(RESPONSE_HEADERS);
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }

    /// The same for a response to a request that no page made, as lines of a head.
    pub(crate) fn plain_lines(&self) -> &'static [u8] {
        match self {
            Self::SameOrigin => b"",
            Self::AnyOrigin => concat!(
                "access-control-allow-origin: *\r\naccess-control-expose-headers: ",
                response_headers!(),
                "\r\n"
            )
            .as_bytes(),
            Self::Origins(_) => b"vary: Origin\r\n",
        }
    }

    /// Adds what a preflight asks for.
    pub(crate) fn add_preflight_headers(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if matches!(self, Self::SameOrigin) || !self.allows(request) {
            return;
        }
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
        ] {
            response.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Whether the origin names the host that the request was sent to. The scheme is not compared: a
/// proxy in front may have ended TLS.
fn is_same_origin(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let authority = |text: &str| text.parse::<Authority>().ok();
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (origin, host) {
        (Some((_, origin)), Some(host)) => {
            authority(origin).is_some_and(|origin| authority(host) == Some(origin))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: &'static str) -> HeaderMap {
        let host = HeaderValue::from_static("hub.example:4000");
        HeaderMap::from_iter([(HOST, host), (ORIGIN, HeaderValue::from_static(origin))])
    }

    #[test]
    fn only_listed_origins_and_the_hub_itself_are_let_in() {
        let listed = Cors::Origins(vec!["https://app.example".to_owned()]);
        for (origin, is_listed, is_same) in [
            ("https://app.example", true, false),
            ("http://hub.example:4000", true, true),
            ("http://hub.example", false, false),
            ("https://app.example.evil", false, false),
            ("https://evil-app.example", false, false),
            ("http://app.example", false, false),
            ("https://app.example:8443", false, false),
            ("null", false, false),
            ("", false, false),
        ] {
            assert_eq!(listed.allows(&headers(origin)), is_listed, "{origin}");
            assert_eq!(
                Cors::SameOrigin.allows(&headers(origin)),
                is_same,
                "{origin}"
            );
            assert!(Cors::AnyOrigin.allows(&headers(origin)));
            let mut response = HeaderMap::new();
            listed.add_headers(&headers(origin), &mut response);
            assert_eq!(
                response.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN),
                is_listed,
                "{origin}"
            );
            assert_eq!(response[VARY], "Origin");
        }
    }
}
