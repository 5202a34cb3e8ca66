//! Which request goes where.

use fanfare_hub::{Selection, Selector, TopicName};
use http::header::{ALLOW, CACHE_CONTROL, HeaderName, HeaderValue, LOCATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use crate::app::App;
use crate::body::{Body, Request, Response};
use crate::cors::METHODS;
use crate::negotiate;
use crate::own;
use crate::problem::Problem;
use crate::publish;
use crate::subscribe::{self, topic_path};
use crate::websocket;

const OLDEST: HeaderName = HeaderName::from_static("fanfare-oldest");
const NEWEST: HeaderName = HeaderName::from_static("fanfare-newest");
const COUNT: HeaderName = HeaderName::from_static("fanfare-count");

/// Answers any request.
pub(crate) async fn answer(app: &App, request: Request) -> Response {
    // What CORS looks at; requests that no page of another origin made are spared the copy.
    let headers = match request.headers().contains_key(ORIGIN) {
        true => request.headers().clone(),
        false => HeaderMap::new(),
    };
    let is_preflight = request.method() == Method::OPTIONS;
    let result = if is_preflight {
        Ok(options(request.uri().path()))
    } else {
        route(app, request).await
    };
    let mut response = result.unwrap_or_else(|problem| {
        app.metrics().refused(problem.code());
        problem.into_response()
    });
    let cors = &app.settings().cors;
    cors.add_headers(&headers, response.headers_mut());
    if is_preflight {
        cors.add_preflight_headers(&headers, response.headers_mut());
    }
    response
}

async fn route(app: &App, request: Request) -> Result<Response, Problem> {
    guard_origin(app, &request)?;
    let path = request.uri().path();
    if let Some((prefix, route)) = app
        .settings()
        .mounts
        .iter()
        .find(|(prefix, _)| path.starts_with(prefix))
    {
        tracing::trace!(prefix, "mounted route");
        return Ok(route.call(request).await);
    }
    // Meant for OPTIONS alone (RFC 9112 3.2.4); here it must not become a pattern.
    if path == "*" {
        return Err(Problem::bad(
            "bad_topic",
            "the path of a topic starts with a slash",
        ));
    }
    if path == "/" {
        return front_door(app, &request);
    }
    if path == "/-/revoke" {
        return own::revoke(app, request).await;
    }
    if path.starts_with("/-/") || path == "/-" {
        let (parts, _) = request.into_parts();
        return own::respond(app, &parts).await;
    }
    if path.starts_with("/.well-known/") {
        return Err(Problem::not_found());
    }
    topic(app, request).await
}

/// Lets pages of other origins write only when they are allowed to, whatever the route. Reading is
/// guarded by the browser itself, which asks for the CORS headers; it asks nothing for a socket.
fn guard_origin(app: &App, request: &Request) -> Result<(), Problem> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_socket = websocket::is_upgrade(request.headers());
    if (is_read && !is_socket) || app.settings().cors.allows(request.headers()) {
        return Ok(());
    }
    let detail = "pages of this origin may not write here: add it to the allowed origins";
    Err(Problem::origin_not_allowed(detail))
}

async fn topic(app: &App, request: Request) -> Result<Response, Problem> {
    match *request.method() {
        Method::GET if websocket::is_upgrade(request.headers()) => {
            websocket::respond(app, request).await
        }
        Method::GET => {
            let (parts, _) = request.into_parts();
            subscribe::respond(app, &parts.uri, &parts.headers).await
        }
        Method::POST => publish::respond(app, request).await,
        Method::HEAD => {
            let (parts, _) = request.into_parts();
            head(app, &parts).await
        }
        Method::DELETE => {
            let (parts, _) = request.into_parts();
            delete(app, &parts).await
        }
        _ => Err(Problem::method_not_allowed(METHODS)),
    }
}

/// Leads a person to the page that shows the hub, and a program to what the hub tells of itself.
fn front_door(app: &App, request: &Request) -> Result<Response, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::bad(
            "bad_topic",
            fanfare_hub::TopicError::Empty.to_string(),
        ));
    }
    let settings = app.settings();
    let home = settings.home.as_deref();
    let home = home.and_then(|home| HeaderValue::from_str(home).ok());
    match home {
        Some(home) if negotiate::wants_html(request.headers()) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(LOCATION, home);
            Ok(response)
        }
        _ => Ok(own::index(app)),
    }
}

/// Tells a topic's oldest and newest id and its count.
async fn head(app: &App, request: &Parts) -> Result<Response, Problem> {
    let topic = TopicName::from_path(topic_path(&request.uri))?;
    let asker = app.asker(&request.headers, &request.uri, false)?;
    let topic = Selection::new([Selector::Topic(topic)], &app.hub().limits())?;
    let status = app.hub().topic(&asker.may_subscribe(topic)?).await;
    let log = app.hub().log();
    let mut headers = HeaderMap::new();
    let count = status.as_ref().map_or(0, |status| status.events);
    headers.insert(COUNT, HeaderValue::from(count));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(status) = status {
        for (name, seq) in [(OLDEST, status.oldest), (NEWEST, status.newest)] {
            let id = seq.map(|seq| fanfare_hub::EventId {
                epoch: log.epoch(),
                seq,
            });
            if let Some(Ok(value)) = id.map(|id| HeaderValue::from_str(&id.to_string())) {
                headers.insert(name, value);
            }
        }
    }
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = headers;
    Ok(response)
}

/// Drops a topic's history and its end.
async fn delete(app: &App, request: &Parts) -> Result<Response, Problem> {
    let topic = TopicName::from_path(topic_path(&request.uri))?;
    let may = app
        .asker(&request.headers, &request.uri, true)?
        .may_administer()?;
    let dropped = app.hub().forget(may, &topic).await;
    let dropped = dropped.map_err(|error| Problem::from(fanfare_hub::PublishError::from(error)))?;
    let answer = serde_json::json!({ "topic": topic.as_str(), "dropped": dropped });
    Ok(own::json(&answer))
}

/// Says what may be asked for there (RFC 9110 9.3.7).
fn options(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(
        ALLOW,
        HeaderValue::from_static(own::methods(path).unwrap_or(METHODS)),
    );
    response
}
