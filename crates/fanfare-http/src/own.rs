//! The hub's own routes: health, metrics, and what it tells of itself.

use fanfare_auth::{Revocation, RevocationError};
use fanfare_hub::limits::{Bound, Measure, REVOKED_NAME_BYTES_MAX};
use fanfare_hub::{EventId, Limits, MayAdminister, TopicName, TopicStatus};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::body::{Body, Request, Response, collect};
use crate::clock;
use crate::problem::Problem;
use crate::stream::millis;

/// Bytes of what is to be revoked: a name of which JSON may escape each byte with six, and the
/// words around it.
const REVOKE_BYTES_MAX: usize = 6 * REVOKED_NAME_BYTES_MAX + 1_024;
/// Topics of one answer, unless the client asks for fewer.
const TOPICS_MAX: usize = 1_000;

/// Routes that are read.
const ROUTES: [&str; 6] = [
    "/-/health/live",
    "/-/health/ready",
    "/-/info",
    "/-/metrics",
    "/-/openapi.json",
    "/-/topics",
];

/// What may be asked of them.
const READS: &str = "GET, HEAD, OPTIONS";
/// What may be asked of the door where credentials are taken back.
const WRITES: &str = "POST, OPTIONS";

/// The contract, for tools.
pub(crate) const OPENAPI: &str = include_str!("openapi.json");

/// The methods of a route of the hub's own; those of a topic are another's business.
pub(crate) fn methods(path: &str) -> Option<&'static str> {
    match path {
        "/-/revoke" => Some(WRITES),
        path if ROUTES.contains(&path) => Some(READS),
        _ => None,
    }
}

/// Answers a request below `/-/`. What tells of the hub's inside is the operator's.
pub(crate) async fn respond(app: &App, request: &Parts) -> Result<Response, Problem> {
    let path = request.uri.path();
    if !ROUTES.contains(&path) {
        return Err(Problem::not_found());
    }
    if !is_read(request) {
        return Err(Problem::method_not_allowed(READS));
    }
    match path {
        "/-/health/live" => return Ok(json(&json!({ "status": "live" }))),
        "/-/health/ready" => return Ok(ready(app)),
        "/-/openapi.json" => return Ok(with_type(Body::from(OPENAPI), "application/json")),
        _ => {}
    }
    let may = operator(app, request)?;
    match path {
        "/-/info" => Ok(json(&about(app))),
        "/-/metrics" => Ok(metrics(app)),
        _ => topics(app, may, request).await,
    }
}

fn operator(app: &App, request: &Parts) -> Result<MayAdminister, Problem> {
    let writes = !is_read(request);
    app.asker(&request.headers, &request.uri, writes)?
        .may_administer()
}

/// What is to be taken back.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Revoke {
    Token(String),
    Subject(String),
}

/// Takes credentials back: the token with an id, or all of a subject.
pub(crate) async fn revoke(app: &App, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return Err(Problem::method_not_allowed(WRITES));
    }
    operator(app, &parts)?;
    let bytes = collect(body, REVOKE_BYTES_MAX, app.hub().limits().body_deadline).await?;
    let revoke = serde_json::from_slice(&bytes).map_err(|error| {
        let detail = format!(
            "the body is {{\"token\":\"its jti\"}} or {{\"subject\":\"its sub\"}}: {error}"
        );
        Problem::bad("bad_body", detail)
    })?;
    let revocation = match revoke {
        Revoke::Token(id) => Revocation::Token(id),
        Revoke::Subject(subject) => Revocation::Subject(subject),
    };
    let auth = app.auth().clone();
    // Whoever keeps it may wait for a disk.
    let revoked = tokio::task::spawn_blocking(move || auth.revoke(revocation, clock::now())).await;
    match revoked {
        Ok(Ok(())) => Ok(json(&json!({ "status": "revoked" }))),
        Ok(Err(error @ RevocationError::NotKept(_))) => Err(Problem::not_kept(error.to_string())),
        Ok(Err(error)) => Err(Problem::bad("bad_body", error.to_string())),
        Err(error) => Err(Problem::not_kept(error.to_string())),
    }
}

fn is_read(request: &Parts) -> bool {
    matches!(request.method, Method::GET | Method::HEAD)
}

/// What a program finds at `/`.
pub(crate) fn index(app: &App) -> Response {
    json(&json!({
        "name": "fanfare",
        "version": env!("CARGO_PKG_VERSION"),
        "publish": "POST /{topic}",
        "subscribe": "GET /{topic or pattern}",
        "more": ["/-/info", "/-/topics", "/-/metrics", "/-/openapi.json", "/-/health/live", "/-/health/ready"],
        "home": app.settings().home,
    }))
}

/// Whether a publish would be stored: it asks the log, not just the process.
fn ready(app: &App) -> Response {
    let trouble = if app.is_draining() {
        Some("the hub is stopping".to_owned())
    } else {
        app.hub()
            .log()
            .writable()
            .err()
            .map(|error| error.to_string())
    };
    let Some(reason) = trouble else {
        return json(&json!({ "status": "ready" }));
    };
    let mut response = json(&json!({ "status": "not ready", "reason": reason }));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

fn about(app: &App) -> Value {
    let (hub, log) = (app.hub(), app.hub().log());
    let limits = hub.limits();
    let last = EventId {
        epoch: log.epoch(),
        seq: log.last(),
    };
    json!({
        "name": "fanfare",
        "version": env!("CARGO_PKG_VERSION"),
        "epoch": log.epoch().as_str(),
        "newest": last.to_string(),
        "durability": log.durability().as_str(),
        "subscribers": hub.subscribers_len(),
        "uptime_s": app.uptime().as_secs(),
        "heartbeat_ms": millis(limits.heartbeat),
        "retry_ms": millis(limits.retry),
        "limits": bounds(&limits),
    })
}

/// Every limit by its name, times in milliseconds.
fn bounds(limits: &Limits) -> Value {
    let bound = |bound: &Bound| match bound.of(limits) {
        Measure::Number(number) => (bound.name.to_owned(), json!(number)),
        Measure::Span(span) => (format!("{}_ms", bound.name), json!(millis(span))),
    };
    Limits::ALL.iter().map(bound).collect()
}

fn metrics(app: &App) -> Response {
    let Ok(text) = app.metrics().encode() else {
        return Problem::not_found().into_response();
    };
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    with_type(Body::from(text), media_type)
}

/// Topics in the order of their names: `?after=NAME&limit=N` pages through them.
async fn topics(app: &App, may: MayAdminister, request: &Parts) -> Result<Response, Problem> {
    let mut after = None;
    let mut limit = TOPICS_MAX;
    for pair in request.uri.query().unwrap_or_default().split('&') {
        match pair.split_once('=') {
            Some(("after", name)) => after = Some(TopicName::from_path(&name.replace('+', "%20"))?),
            Some(("limit", text)) => {
                let number = text
                    .parse()
                    .ok()
                    .filter(|limit| (1..=TOPICS_MAX).contains(limit));
                let detail = || format!("limit is a number from 1 to {TOPICS_MAX}");
                limit = number.ok_or_else(|| Problem::bad("bad_query", detail()))?;
            }
            _ => {}
        }
    }
    let log = app.hub().log();
    let id = |seq| {
        EventId {
            epoch: log.epoch(),
            seq,
        }
        .to_string()
    };
    let describe = |status: TopicStatus| {
        json!({
            "topic": status.topic.as_str(),
            "oldest": status.oldest.map(id),
            "newest": status.newest.map(id),
            "count": status.events,
            "bytes": status.bytes,
            "ended": status.is_ended,
        })
    };
    let topics = app.hub().topics(may, after.as_ref(), limit).await;
    let topics: Vec<_> = topics.into_iter().map(describe).collect();
    Ok(json(&json!({ "topics": topics })))
}

/// A JSON answer that nobody keeps.
pub(crate) fn json(value: &Value) -> Response {
    with_type(Body::from(format!("{value:#}\n")), "application/json")
}

fn with_type(body: Body, media_type: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_openapi_document_knows_every_route_and_code() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let codes = crate::problem::CODES.iter().map(|(_, code)| *code);
        // Those two are answers to requests that no tool would make of the document.
        for code in codes.filter(|code| !["not_found", "method_not_allowed"].contains(code)) {
            assert!(OPENAPI.contains(&format!("`{code}`")), "{code}");
        }
    }
}
