//! Requests that are plain enough to be read on the spot: a publish of one event, and an event
//! stream. Whatever else a head says is left to hyper, which reads it from its first byte again, so
//! that every rule of HTTP/1.1 and every refusal stands in one place.

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN};

use crate::address::FORWARDED_FOR;

/// Header fields of a plain request. Browsers send about 15.
const FIELDS_MAX: usize = 32;
/// Bytes of a plain head; a longer one is hyper's to bound.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// What HTTP/2 begins with (RFC 9113 3.4), as far as no method of HTTP/1 begins so.
const PREFACE_START: &[u8] = b"PRI";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Fields that a plain POST may have besides those that are read on the spot. What a page of
/// another origin may write is looked at elsewhere.
const MAY_POST: [HeaderName; 4] = [HOST, AUTHORIZATION, COOKIE, FORWARDED_FOR];

/// What bytes at the start of a request are.
#[derive(Debug)]
pub(super) enum Plain<'a> {
    /// Not yet a whole head.
    Incomplete,
    /// A GET for an event stream: its target, and the fields that matter.
    Subscribe(&'a str, HeaderMap),
    /// A POST of one event.
    Publish(Post<'a>),
    /// Anything else.
    Other,
}

/// A POST whose body has a known length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Post<'a> {
    /// The target of the request.
    pub(super) target: &'a str,
    /// The value of `Content-Type`, empty when there is none.
    pub(super) content_type: &'a str,
    /// The value of `Authorization`.
    pub(super) authorization: Option<&'a [u8]>,
    /// What a proxy says of its client.
    pub(super) forwarded_for: Option<&'a [u8]>,
    /// Whether there are cookies, which may say who sends it.
    pub(super) has_cookies: bool,
    /// Where the body begins.
    pub(super) head_bytes: usize,
    /// How long it is.
    pub(super) body_bytes: usize,
}

/// What of the fields of a plain head matters.
#[derive(Default)]
struct Fields<'a> {
    hosts: usize,
    accept: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    body_bytes: Option<usize>,
    kept: Vec<(HeaderName, &'a [u8])>,
}

impl<'a> Plain<'a> {
    /// Reads the start of a request.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let len = bytes.len().min(PREFACE_START.len());
        if bytes.starts_with(&PREFACE_START[..len]) {
            return match len == PREFACE_START.len() {
                true => Self::Other,
                false => Self::Incomplete,
            };
        }
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(head_bytes)) => {
                Self::of(&request, head_bytes).unwrap_or(Self::Other)
            }
            Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES_MAX => Self::Incomplete,
            _ => Self::Other,
        }
    }

    /// `None` for all that is not plain.
    fn of(request: &httparse::Request<'_, 'a>, head_bytes: usize) -> Option<Self> {
        let target = request.path?;
        if request.version != Some(1) || !target.starts_with('/') {
            return None;
        }
        let mut fields = Fields::default();
        for field in &*request.headers {
            fields.take(field.name, field.value)?;
        }
        if fields.hosts != 1 {
            return None;
        }
        match (request.method?, fields.body_bytes) {
            ("GET", None) if fields.wants_events() => {
                Some(Self::Subscribe(target, fields.into_map()?))
            }
            ("POST", Some(body_bytes))
                if fields.kept.iter().all(|(name, _)| MAY_POST.contains(name)) =>
            {
                let value = |wanted| fields.kept.iter().find(|(name, _)| name == wanted);
                Some(Self::Publish(Post {
                    authorization: value(AUTHORIZATION).map(|(_, value)| *value),
                    forwarded_for: value(FORWARDED_FOR).map(|(_, value)| *value),
                    has_cookies: value(COOKIE).is_some(),
                    target,
                    content_type: std::str::from_utf8(fields.content_type.unwrap_or_default())
                        .ok()?,
                    head_bytes,
                    body_bytes,
                }))
            }
            _ => None,
        }
    }
}

impl<'a> Fields<'a> {
    /// Takes in one field; `None` when it says something that is not plain.
    fn take(&mut self, name: &str, value: &'a [u8]) -> Option<()> {
        /// Fields that change nothing about what the hub does.
        const HARMLESS: [&str; 12] = [
            "user-agent",
            "accept-encoding",
            "accept-language",
            "cache-control",
            "pragma",
            "referer",
            "dnt",
            "priority",
            "traceparent",
            "tracestate",
            "forwarded",
            "via",
        ];
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let starts = |start: &str| {
            let begin = name.get(..start.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(start))
        };
        if is("host") {
            self.hosts += 1;
            self.kept.push((HOST, value));
        } else if is("content-length") {
            let digits = std::str::from_utf8(value).ok()?;
            let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
            if !is_number || self.body_bytes.is_some() {
                return None;
            }
            self.body_bytes = Some(digits.parse().ok()?);
        } else if is("content-type") {
            self.content_type.is_none().then_some(())?;
            self.content_type = Some(value);
        } else if is("accept") {
            self.accept.is_none().then_some(())?;
            self.accept = Some(value);
        } else if is("authorization") {
            // Two of them are for hyper's side to refuse.
            let mut kept = self.kept.iter();
            kept.all(|(name, _)| name != AUTHORIZATION).then_some(())?;
            self.kept.push((AUTHORIZATION, value));
        } else if is(FORWARDED_FOR.as_str()) {
            // Several lines are one list (RFC 9110 5.3), which hyper's side puts together.
            let mut kept = self.kept.iter();
            kept.all(|(name, _)| name != FORWARDED_FOR).then_some(())?;
            self.kept.push((FORWARDED_FOR, value));
        } else if is("cookie") {
            self.kept.push((COOKIE, value));
        } else if is("origin") {
            self.kept.push((ORIGIN, value));
        } else if is("last-event-id") {
            self.kept.push((LAST_EVENT_ID, value));
        } else if is("connection") {
            value.eq_ignore_ascii_case(b"keep-alive").then_some(())?;
        } else if !(HARMLESS.into_iter().any(is) || starts("sec-") || starts("x-")) {
            return None;
        }
        Some(())
    }

    /// Whether `Accept` leaves no doubt.
    fn wants_events(&self) -> bool {
        matches!(self.accept, None | Some(b"text/event-stream" | b"*/*"))
    }

    fn into_map(self) -> Option<HeaderMap> {
        let fields = self.kept.into_iter();
        fields
            .map(|(name, value)| Some((name, HeaderValue::from_bytes(value).ok()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_of_one_event_is_plain_and_whole_heads_only_are_read() {
        let bytes = b"POST /a?event=b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\
            content-type: text/plain\r\nX-Trace: 1\r\n\r\nabc";
        let Plain::Publish(post) = Plain::read(bytes) else {
            panic!("not plain");
        };
        assert_eq!(
            (post.target, post.content_type),
            ("/a?event=b", "text/plain")
        );
        assert_eq!(post.head_bytes + post.body_bytes, bytes.len());
        for end in 0..post.head_bytes {
            let plain = Plain::read(&bytes[..end]);
            assert!(matches!(plain, Plain::Incomplete), "{end}: {plain:?}");
        }
    }

    #[test]
    fn a_get_for_events_is_plain_with_the_fields_that_matter() {
        let bytes = b"GET /a HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\
            Last-Event-ID: \xe2\x80\xa6\r\nOrigin: http://x\r\nsec-fetch-mode: cors\r\n\r\n";
        let Plain::Subscribe("/a", headers) = Plain::read(bytes) else {
            panic!("not plain");
        };
        assert_eq!(headers.len(), 3);
        assert_eq!(headers[LAST_EVENT_ID].as_bytes(), "\u{2026}".as_bytes());
    }

    #[test]
    fn whatever_says_more_is_left_to_hyper() {
        for bytes in [
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /a HTTP/1.0\r\nHost: h\r\n\r\n",
            "GET /a HTTP/1.1\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
            "GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: h\r\nAccept: text/html, */*\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
            "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc",
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nOrigin: http://x\r\n\r\nabc",
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nIdempotency-Key: k\r\n\r\nabc",
            "BREW /\x01 HTTP/1.1\r\n\r\n",
        ] {
            let plain = Plain::read(bytes.as_bytes());
            assert!(matches!(plain, Plain::Other), "{bytes:?}: {plain:?}");
        }
        let long = format!("GET /a HTTP/1.1\r\nX-Long: {}", "x".repeat(HEAD_BYTES_MAX));
        assert!(matches!(Plain::read(long.as_bytes()), Plain::Other));
    }
}
