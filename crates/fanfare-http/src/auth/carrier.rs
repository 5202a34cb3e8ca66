//! Where a request carries its token: a header, a cookie, or the URL (RFC 6750 2).

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Uri};

use crate::problem::Problem;

/// The cookie that is looked at unless the operator names another.
pub const COOKIE_DEFAULT: &str = "fanfare_token";
/// The parameter of the query (RFC 6750 2.3).
const PARAMETER: &str = "access_token";

/// Where a token may stand, besides the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carriers {
    /// The cookie that carries it.
    pub cookie: String,
    /// Whether it may stand in the URL, as `access_token=`. Histories and logs of proxies keep it
    /// then (RFC 6750 2.3).
    pub takes_query: bool,
}

impl Default for Carriers {
    fn default() -> Self {
        Self {
            cookie: COOKIE_DEFAULT.to_owned(),
            takes_query: false,
        }
    }
}

/// How a token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Header,
    Cookie,
    Query,
}

/// A token that nobody has looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) token: &'a str,
    pub(super) carrier: Carrier,
}

/// Finds the token of a request. The header wins over the URL, and both over a cookie, which the
/// browser sends along without being asked.
pub(super) fn find<'a>(
    carriers: &Carriers,
    headers: &'a HeaderMap,
    uri: &'a Uri,
) -> Result<Option<Found<'a>>, Problem> {
    if let Some(token) = bearer(headers)? {
        let carrier = Carrier::Header;
        return Ok(Some(Found { token, carrier }));
    }
    let mut parameters = uri.query().unwrap_or_default().split('&');
    let parameter = parameters.find_map(|pair| pair.strip_prefix(PARAMETER)?.strip_prefix('='));
    if let Some(token) = parameter {
        if !carriers.takes_query {
            return Err(Problem::bad_credential(
                "tokens in the URL are switched off here, because URLs are kept in many places: send `Authorization: Bearer` or a cookie",
            ));
        }
        let carrier = Carrier::Query;
        return Ok(Some(Found { token, carrier }));
    }
    let token = cookie(headers, &carriers.cookie)?;
    let carrier = Carrier::Cookie;
    Ok(token.map(|token| Found { token, carrier }))
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::bad_credential(
            "there are two Authorization headers: send one",
        ));
    }
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        // Schemes have no case (RFC 9110 11.1).
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim_matches(' '))
    });
    match token {
        Some(token) => Ok(Some(token)),
        None => Err(Problem::bad_credential(
            "Authorization is `Bearer` and a token",
        )),
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut found = None;
    for value in headers.get_all(COOKIE) {
        // One that is no ASCII text is somebody else's.
        let pairs = value.to_str().unwrap_or_default().split(';');
        let ours = pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
        for token in ours {
            if found.is_some_and(|found| found != token) {
                let detail = format!(
                    "there are two cookies `{name}`: they differ in path or domain, remove one"
                );
                return Err(Problem::bad_credential(detail));
            }
            found = Some(token);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn look(
        fields: &[(&'static str, &'static str)],
        uri: &'static str,
        carriers: &Carriers,
    ) -> Result<Option<(String, Carrier)>, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let uri = Uri::from_static(uri);
        let found = find(carriers, &headers, &uri);
        match found {
            Ok(found) => Ok(found.map(|found| (found.token.to_owned(), found.carrier))),
            Err(problem) => Err(problem.detail().to_owned()),
        }
    }

    #[test]
    fn the_header_wins_over_the_url_and_the_url_over_the_cookie() {
        let carriers = Carriers {
            takes_query: true,
            ..Carriers::default()
        };
        let (header, cookie) = (
            ("authorization", "bEaReR a.b.c"),
            ("cookie", "x=1; fanfare_token=k; y=2"),
        );
        let query = "/t?a=b&access_token=q";
        let is = |token: &str, carrier| Ok(Some((token.to_owned(), carrier)));
        assert_eq!(
            look(&[header, cookie], query, &carriers),
            is("a.b.c", Carrier::Header)
        );
        assert_eq!(look(&[cookie], query, &carriers), is("q", Carrier::Query));
        assert_eq!(look(&[cookie], "/t", &carriers), is("k", Carrier::Cookie));
        assert_eq!(
            look(
                &[("cookie", "my_fanfare_token=k; fanfare_tokens=k")],
                "/t",
                &carriers
            ),
            Ok(None)
        );
        assert_eq!(look(&[], "/t?not_access_token=q", &carriers), Ok(None));
        let named = Carriers {
            cookie: "other".to_owned(),
            ..Carriers::default()
        };
        assert_eq!(
            look(&[("cookie", "other=o")], "/t", &named),
            is("o", Carrier::Cookie)
        );
    }

    #[test]
    fn what_is_unclear_is_refused_and_never_nobody() {
        let carriers = Carriers::default();
        for (fields, uri) in [
            (&[("authorization", "Basic dTpw")][..], "/t"),
            (&[("authorization", "Bearer")], "/t"),
            (
                &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
                "/t",
            ),
            (
                &[("cookie", "fanfare_token=a"), ("cookie", "fanfare_token=b")],
                "/t",
            ),
            (&[], "/t?access_token=q"),
        ] {
            assert!(look(fields, uri, &carriers).is_err(), "{fields:?} {uri}");
        }
    }
}
