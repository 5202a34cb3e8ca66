//! What a hub says when it refuses: an RFC 9457 problem, or as much of one as a refusal holds.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

/// Bytes of a refusal's body that are read. Problems are some hundred bytes; a proxy's error page
/// may be long, and nobody wants to read it in a terminal.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

/// Characters of a plain-text refusal that are shown.
const TEXT_CHARS_MAX: usize = 200;

/// A refusal: an answer with a status that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// The stable code, such as `topic_ended`; empty when the answer has none.
    pub code: String,
    /// The sentence that says what to change; empty when the answer has none.
    pub detail: String,
    /// The last event that was stored before a streamed body failed.
    pub stored: Option<Stored>,
    /// How long the hub asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

/// What of a streamed body was stored before it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The id of the last stored event.
    pub id: String,
    /// How many events were stored.
    pub count: u64,
}

/// The members of a problem document that are read here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    title: String,
    detail: String,
    code: String,
    id: Option<String>,
    count: Option<u64>,
}

impl Problem {
    /// Reads a refusal from its head and the start of its body.
    pub(crate) fn read(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Self {
        let content_type = field(headers, header::CONTENT_TYPE);
        let document = if content_type.contains("json") {
            serde_json::from_slice(body).unwrap_or_default()
        } else if content_type.starts_with("text/plain") {
            let text = String::from_utf8_lossy(body);
            let detail = text.trim().chars().take(TEXT_CHARS_MAX).collect();
            Document {
                detail,
                ..Document::default()
            }
        } else {
            Document::default()
        };
        let Document {
            title,
            detail,
            code,
            id,
            count,
        } = document;
        Self {
            status,
            code,
            detail: if detail.is_empty() { title } else { detail },
            stored: id.zip(count).map(|(id, count)| Stored { id, count }),
            retry_after: retry_after(&field(headers, header::RETRY_AFTER), now),
        }
    }

    /// Says whether the same request may succeed later: 408, 425, 429 and 5xx.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 425 | 429 | 500..)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the hub answered {}", self.status)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        let Some(stored) = &self.stored else {
            return Ok(());
        };
        write!(
            f,
            "; {} events were stored, the last as {}",
            stored.count, stored.id
        )
    }
}

impl std::error::Error for Problem {}

/// A header field as text; empty when it is missing or no text.
pub(crate) fn field(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Reads `Retry-After`, which is either seconds or a date (RFC 9110 10.2.3).
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(status: u16, headers: &[(header::HeaderName, &'static str)], body: &str) -> Problem {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let headers = headers.collect();
        Problem::read(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.as_bytes(),
            SystemTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn a_refusal_reads_as_one_sentence() {
        let json = (header::CONTENT_TYPE, "application/problem+json");
        let text = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
        for (status, headers, body, want) in [
            (
                409,
                vec![json.clone()],
                r#"{"title":"T","detail":"the topic ended","code":"topic_ended"}"#,
                "the hub answered 409 Conflict: the topic ended (topic_ended)",
            ),
            (
                400,
                vec![json.clone()],
                r#"{"title":"Bad topic"}"#,
                "the hub answered 400 Bad Request: Bad topic",
            ),
            (502, vec![json], "{ cut", "the hub answered 502 Bad Gateway"),
            (
                502,
                vec![text],
                " upstream is down\n",
                "the hub answered 502 Bad Gateway: upstream is down",
            ),
            (
                502,
                vec![(header::CONTENT_TYPE, "text/html")],
                "<html>",
                "the hub answered 502 Bad Gateway",
            ),
            (
                599,
                vec![],
                "",
                "the hub answered 599 <unknown status code>",
            ),
        ] {
            assert_eq!(read(status, &headers, body).to_string(), want);
        }
    }

    #[test]
    fn a_partly_stored_stream_says_how_far_it_came() {
        let json = [(header::CONTENT_TYPE, "application/problem+json")];
        let problem = read(
            500,
            &json,
            r#"{"code":"partly_stored","id":"abcdef-9","count":3}"#,
        );
        assert_eq!(
            problem.stored,
            Some(Stored {
                id: "abcdef-9".into(),
                count: 3
            })
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (value, want) in [
            ("7", Some(7)),
            ("Thu, 01 Jan 1970 00:01:00 GMT", Some(60)),
            ("soon", None),
            ("-1", None),
        ] {
            let problem = read(503, &[(header::RETRY_AFTER, value)], "");
            assert_eq!(
                problem.retry_after,
                want.map(Duration::from_secs),
                "{value}"
            );
        }
    }

    #[test]
    fn only_some_statuses_are_worth_another_try() {
        let temporary = |status| read(status, &[], "").is_temporary();
        assert!(
            [408, 425, 429, 500, 502, 503, 504, 599]
                .into_iter()
                .all(temporary)
        );
        assert!(
            ![400, 401, 403, 404, 405, 406, 409, 410, 413, 422]
                .into_iter()
                .any(temporary)
        );
    }
}
