//! Where a hub is reached, and the request targets of its topics; the only place that
//! percent-encodes.

use std::fmt;
use std::str::FromStr;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a query value must encode: everything but the unreserved characters of RFC 3986.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a topic in the path must encode: `/` separates its segments, and `*` stays readable.
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/').remove(b'*');

/// The URL under which a hub is reached, such as `http://127.0.0.1:4000`.
///
/// A path is kept as a prefix of every request, for a hub behind a reverse proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubUrl {
    origin: Origin,
    /// The path without its trailing slash: empty, or `/prefix`.
    prefix: String,
}

/// Why a text does not address a hub or a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is no URL with `http://` or `https://`, host and optional port.
    #[error("`{0}` is not a hub's address: write it like http://127.0.0.1:4000")]
    Malformed(String),
    /// The URL carries a user name or password, which would end up in logs.
    #[error("a hub's address carries no user name or password")]
    Credentials,
    /// The URL carries a query, which belongs to single requests.
    #[error("a hub's address carries no query")]
    Query,
    /// A topic or pattern is empty, which would address the hub itself.
    #[error("the topic is empty: name one, such as chat")]
    EmptyTopic,
}

/// Scheme and authority: what one connection reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) is_tls: bool,
    authority: Authority,
}

/// One request target: an origin, and the path with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) origin: Origin,
    pub(crate) path: String,
}

impl FromStr for HubUrl {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Target { origin, path } = text.parse()?;
        if path.contains('?') {
            return Err(AddressError::Query);
        }
        let prefix = path.trim_end_matches('/').to_owned();
        Ok(Self { origin, prefix })
    }
}

impl fmt::Display for HubUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.prefix)
    }
}

impl HubUrl {
    /// The target of a topic or pattern, with its query.
    pub(crate) fn target(&self, topic: &str, query: &Query) -> Result<Target, AddressError> {
        if topic.is_empty() {
            return Err(AddressError::EmptyTopic);
        }
        let topic = utf8_percent_encode(topic, IN_PATH);
        let path = format!("{}/{topic}{}", self.prefix, query.0);
        Ok(Target {
            origin: self.origin.clone(),
            path,
        })
    }
}

/// A query under construction: empty, or text that starts with `?`.
#[derive(Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    /// Adds `name=value`.
    pub(crate) fn pair(&mut self, name: &str, value: &str) {
        self.flag(name);
        self.0.extend(
            ["="]
                .into_iter()
                .chain(utf8_percent_encode(value, IN_QUERY)),
        );
    }

    /// Adds a name without a value.
    pub(crate) fn flag(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
    }
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return None,
        };
        let authority = uri.authority().filter(|it| !it.host().is_empty())?.clone();
        Some(Self { is_tls, authority })
    }

    /// The host to resolve or to verify: an IPv6 address loses its brackets.
    pub(crate) fn host(&self) -> &str {
        self.authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
    }

    /// The port, by default that of the scheme.
    pub(crate) fn port(&self) -> u16 {
        self.authority
            .port_u16()
            .unwrap_or(if self.is_tls { 443 } else { 80 })
    }

    /// What the `Host` field says.
    pub(crate) fn host_field(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.authority.as_str()).ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            if self.is_tls { "https" } else { "http" },
            self.authority
        )
    }
}

impl FromStr for Target {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed(text.to_owned());
        let uri: Uri = text.parse().ok().ok_or_else(malformed)?;
        let origin = Origin::of(&uri).ok_or_else(malformed)?;
        if origin.authority.as_str().contains('@') {
            return Err(AddressError::Credentials);
        }
        let path = uri.path_and_query().ok_or_else(malformed)?.to_string();
        Ok(Self { origin, path })
    }
}

impl Target {
    /// Where a `Location` leads from here (RFC 3986 5.2, without dot segments, which hubs refuse).
    /// `None` when it is no place that HTTP reaches.
    pub(crate) fn redirected(&self, location: &str) -> Option<Self> {
        let location = location.split('#').next().unwrap_or_default();
        let origin = &self.origin;
        let absolute = if location.contains("://") {
            location.to_owned()
        } else if location.starts_with("//") {
            format!(
                "{}:{location}",
                if origin.is_tls { "https" } else { "http" }
            )
        } else if location.starts_with('/') {
            format!("{origin}{location}")
        } else {
            let path = self.path.split('?').next().unwrap_or_default();
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{origin}{folder}/{location}")
        };
        let uri: Uri = absolute.parse().ok()?;
        let origin = Origin::of(&uri).filter(|it| !it.authority.as_str().contains('@'))?;
        Some(Self {
            origin,
            path: uri.path_and_query()?.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_url_keeps_its_prefix_and_names_its_target() {
        let mut query = Query::default();
        query.pair("topic", "a&b ü");
        query.flag("end");
        for (url, topic, path) in [
            (
                "http://127.0.0.1:4000",
                "chat",
                "/chat?topic=a%26b%20%C3%BC&end",
            ),
            ("http://h/", "a/b c", "/a/b%20c?topic=a%26b%20%C3%BC&end"),
            (
                "https://h/push/",
                "100%/*/**",
                "/push/100%25/*/**?topic=a%26b%20%C3%BC&end",
            ),
        ] {
            let target = url
                .parse::<HubUrl>()
                .unwrap()
                .target(topic, &query)
                .unwrap();
            assert_eq!(target.path, path, "{url} {topic}");
        }
    }

    #[test]
    fn what_is_no_hub_url_says_why() {
        let parse = |text: &str| text.parse::<HubUrl>().unwrap_err();
        for text in [
            "",
            "127.0.0.1:4000",
            "ftp://h",
            "/chat",
            "http://",
            "http:// h",
        ] {
            assert_eq!(parse(text), AddressError::Malformed(text.to_owned()));
        }
        assert_eq!(parse("http://u:p@h"), AddressError::Credentials);
        assert_eq!(parse("http://h/?x=1"), AddressError::Query);
        let hub: HubUrl = "http://h".parse().unwrap();
        assert_eq!(
            hub.target("", &Query::default()),
            Err(AddressError::EmptyTopic)
        );
    }

    #[test]
    fn host_and_port_follow_the_scheme_and_the_brackets() {
        for (url, host, port) in [
            ("http://example.org", "example.org", 80),
            ("https://example.org", "example.org", 443),
            ("http://[::1]:4000", "::1", 4000),
        ] {
            let hub: HubUrl = url.parse().unwrap();
            assert_eq!((hub.origin.host(), hub.origin.port()), (host, port));
            assert_eq!(hub.to_string(), url);
        }
    }

    #[test]
    fn redirects_resolve_against_the_target() {
        let hub: HubUrl = "http://h:1/p".parse().unwrap();
        let from = hub.target("a/b", &Query::default()).unwrap();
        for (location, want) in [
            ("https://other/x?y#z", Some("https://other/x?y")),
            ("//other/x", Some("http://other/x")),
            ("/x?y", Some("http://h:1/x?y")),
            ("c?y", Some("http://h:1/p/a/c?y")),
            ("ftp://h/x", None),
            ("http://u:p@h/x", None),
        ] {
            let got = from
                .redirected(location)
                .map(|it| format!("{}{}", it.origin, it.path));
            assert_eq!(got.as_deref(), want, "{location}");
        }
    }
}
