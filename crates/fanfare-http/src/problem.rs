//! Problems: the only place that knows which trouble has which status (RFC 9457).
//!
//! Every problem has a stable `code` that programs may rely on, and a sentence for people that says
//! what to change. The sentence is never made of a secret.

use std::time::Duration;

use fanfare_auth::Lapse;
use fanfare_hub::{
    AppendError, EventTypeError, PublishError, SelectionError, SelectorError, SubscribeError,
};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, StatusCode};
use serde_json::{Map, Value, json};

use crate::body::{Body, Response};

/// A refused request.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Boxed, like the next, because few problems have one and every result carries the space.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    extra: Option<Box<Map<String, Value>>>,
}

/// Every status and code there is, for the documents and the test that provokes each.
pub const CODES: &[(u16, &str)] = &[
    (400, "bad_topic"),
    (400, "bad_query"),
    (400, "bad_event_type"),
    (400, "bad_header"),
    (400, "bad_body"),
    (400, "no_event"),
    (400, "bad_upgrade"),
    (400, "too_many_topics"),
    (401, "no_credential"),
    (401, "bad_credential"),
    (403, "origin_not_allowed"),
    (403, "not_granted"),
    (404, "not_found"),
    (405, "method_not_allowed"),
    (406, "not_acceptable"),
    (408, "body_timeout"),
    (409, "idempotency_key_reused"),
    (409, "topic_ended"),
    (413, "event_too_large"),
    (413, "body_too_large"),
    (415, "unsupported_encoding"),
    (429, "too_many_subscribers"),
    (429, "too_many_streams"),
    (429, "too_many_events"),
    (500, "partly_stored"),
    (500, "outcome_unknown"),
    (503, "not_stored"),
    (503, "draining"),
    (503, "busy"),
];

impl Problem {
    /// A problem with a sentence that says what to change.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        debug_assert!(
            CODES.contains(&(status.as_u16(), code)),
            "{code} is in no document"
        );
        Self {
            status,
            code,
            detail: detail.into(),
            header: None,
            extra: None,
        }
    }

    pub(crate) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn not_found() -> Self {
        let detail =
            "no such route: topics are any path that does not start with /-/ or /.well-known/";
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("this route answers {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
            .with_header(ALLOW, HeaderValue::from_static(allow))
    }

    pub(crate) fn body_too_large(max: usize) -> Self {
        let detail = format!(
            "the body is larger than {max} bytes: send less at once, or a link to large content"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// Somebody unknown wants what is not everybody's. RFC 6750 3: without a credential there is
    /// no error to tell, only the scheme.
    pub(crate) fn no_credential(denied: &str) -> Self {
        let detail = format!(
            "{denied}, and send a token that has them as `Authorization: Bearer TOKEN` or in a cookie"
        );
        Self::new(StatusCode::UNAUTHORIZED, "no_credential", detail).with_header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"fanfare\""),
        )
    }

    /// A credential that is worth nothing, whatever everybody may do.
    pub(crate) fn bad_credential(detail: impl Into<String>) -> Self {
        let challenge = "Bearer realm=\"fanfare\", error=\"invalid_token\"";
        Self::new(StatusCode::UNAUTHORIZED, "bad_credential", detail)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// A credential that was good when the request began.
    pub(crate) fn lapsed(lapse: Lapse) -> Self {
        let detail = format!(
            "the token was {} while it was in use: ask for another one",
            lapse.as_str()
        );
        Self::bad_credential(detail)
    }

    /// A page of another origin wants to write.
    pub(crate) fn origin_not_allowed(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "origin_not_allowed", detail)
    }

    pub(crate) fn draining() -> Self {
        let detail = "the hub is stopping: try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", detail).retry_after(1)
    }

    /// A client has as many streams as it may have.
    pub(crate) fn too_many_streams(max: usize, of: &str) -> Self {
        let detail = format!(
            "this {of} has {max} event streams open, as many as it may: close one, or follow several topics on one stream with `topic=`"
        );
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail).retry_after(5)
    }

    /// A publisher is faster than it may be.
    pub(crate) fn too_many_events(wait: Duration) -> Self {
        let detail = "this client publishes more events in a second than it may: wait for as long as `Retry-After` says";
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_events", detail)
            .retry_after(seconds.saturating_add(1))
    }

    /// Something holds, and not beyond the end of the process.
    pub(crate) fn not_kept(detail: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_stored", detail).retry_after(1)
    }

    /// Nothing more can be taken in just now.
    pub(crate) fn busy() -> Self {
        let detail = "the hub holds as many bodies as it may: try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(1)
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    fn retry_after(self, seconds: u32) -> Self {
        // Spread, so that those who were refused together do not come back together.
        let seconds = seconds.saturating_add(fastrand::u32(0..=seconds.max(1)));
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds a member, as RFC 9457 3.2 allows.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let extra = self.extra.get_or_insert_default();
        extra.insert(name.to_owned(), value.into());
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The problem as JSON, as it also travels in a WebSocket frame.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        if let (Some(members), Some(extra)) = (members.as_object_mut(), &self.extra) {
            members.extend(
                extra
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        members
    }

    /// The problem as a response.
    #[must_use]
    pub fn into_response(self) -> Response {
        let mut body = self.to_json().to_string();
        body.push('\n');
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header.map(|header| *header) {
            headers.insert(name, value);
        }
        response
    }
}

impl From<SelectorError> for Problem {
    fn from(error: SelectorError) -> Self {
        Self::bad("bad_topic", error.to_string())
    }
}

impl From<fanfare_hub::TopicError> for Problem {
    fn from(error: fanfare_hub::TopicError) -> Self {
        Self::bad("bad_topic", error.to_string())
    }
}

impl From<SelectionError> for Problem {
    fn from(error: SelectionError) -> Self {
        Self::bad("too_many_topics", error.to_string())
    }
}

impl From<EventTypeError> for Problem {
    fn from(error: EventTypeError) -> Self {
        Self::bad("bad_event_type", error.to_string())
    }
}

impl From<SubscribeError> for Problem {
    fn from(error: SubscribeError) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_subscribers",
            error.to_string(),
        )
        .retry_after(5)
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let detail = error.to_string();
        match error {
            PublishError::NoEvent => Self::bad("no_event", detail),
            PublishError::TooManyEvents(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
            }
            PublishError::EventTooLarge { .. } | PublishError::FrameTooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "event_too_large", detail)
            }
            PublishError::Append(AppendError::TopicEnded) => {
                Self::new(StatusCode::CONFLICT, "topic_ended", detail)
            }
            PublishError::Append(AppendError::KeyReused) => {
                Self::new(StatusCode::CONFLICT, "idempotency_key_reused", detail)
            }
            PublishError::Append(AppendError::BatchTooLarge { .. }) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
            }
            PublishError::Append(AppendError::Uncertain(_)) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "outcome_unknown",
                format!("{detail}; repeat it with an Idempotency-Key, or look into the history"),
            ),
            // What is left is the log's trouble, and errors that are not written yet.
            _ => Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_stored", detail).retry_after(1),
        }
    }
}
