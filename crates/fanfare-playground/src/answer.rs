//! JSON in and out, bounded, for the routes of the apps.

use std::time::Duration;

use bytes::Bytes;
use fanfare::{Body, Problem, Request, Response};
use http::StatusCode;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A message of a person, many times over; and small enough that a full history stays small.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// What a slow phone needs for that many bytes, many times over.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Reads the request's body as JSON.
pub(crate) async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let body = request.into_body();
    let bytes = fanfare::collect(body, MESSAGE_BYTES_MAX, BODY_DEADLINE).await?;
    parse(&bytes)
}

fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        bad_body(format!(
            "the body is not the JSON that this route takes: {error}"
        ))
    })
}

fn bad_body(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_body", detail)
}

/// Answers a value as JSON.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response {
    let text = value.to_string();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Refuses a path that is no page, script or route.
pub(crate) fn not_found() -> Response {
    let detail = "the playground has no such page: start at /-/playground/";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail).into_response()
}

/// Refuses a method that a path does not answer; `allowed` names those that it does.
pub(crate) fn method_not_allowed(allowed: &'static str) -> Response {
    let detail = format!("this route answers {allowed}");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    let mut response = problem.into_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_read_and_anything_else_is_a_problem() {
        let good = Bytes::from_static(br#"{"text":"<b>\u00e4</b>"}"#);
        assert_eq!(
            parse::<Value>(&good),
            Ok(json!({ "text": "<b>\u{e4}</b>" }))
        );
        for bad in [
            "",
            "{",
            "nonsense",
            "{\"a\":1}x",
            "\u{feff}{}",
            "{\"a\":\"\n\"}",
        ] {
            let problem = parse::<Value>(&Bytes::from_static(bad.as_bytes())).unwrap_err();
            assert_eq!(problem.code(), "bad_body", "{bad:?}");
        }
        let deep = Bytes::from("[".repeat(MESSAGE_BYTES_MAX));
        assert_eq!(parse::<Value>(&deep).unwrap_err().code(), "bad_body");
    }
}
