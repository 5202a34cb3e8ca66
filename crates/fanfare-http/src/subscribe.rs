//! GET: from a request to an event stream in the form that it asks for.

use fanfare_hub::{Selection, Selector, Start, Subscribed, Subscription};
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::{StatusCode, Uri};

use crate::app::App;
use crate::auth::Asker;
use crate::body::{Body, Response};
use crate::clock;
use crate::negotiate::Form;
use crate::page;
use crate::problem::Problem;
use crate::query::SubscribeQuery;
use crate::quota::Slots;
use crate::stream::EventBody;

/// Nothing on the way may keep, change or hold back a stream.
const CACHE: HeaderValue = HeaderValue::from_static("no-cache, no-store, no-transform, private");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Milliseconds: what clients need to know to tell silence from a dead connection.
const HEARTBEAT: HeaderName = HeaderName::from_static("fanfare-heartbeat");

/// Answers a GET of a topic or pattern.
pub(crate) async fn respond(
    app: &App,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let Some(form) = Form::negotiate(headers) else {
        let detail = "a topic is text/event-stream, application/x-ndjson or application/json: accept one of them";
        return Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            detail,
        ));
    };
    let asker = app.asker(headers, uri, false)?;
    if form == Form::Page {
        let (subscription, limit) = parse(app, &asker, uri, headers, page::START_DEFAULT)?;
        return Ok(page::respond(app, subscription, limit).await);
    }
    let (subscription, _) = parse(app, &asker, uri, headers, Start::Tail)?;
    let slots = app.open_stream(&asker)?;
    open(app, subscription, form, slots).await
}

/// Opens an event stream, or answers 204 when there is nothing to wait for: that status makes every
/// `EventSource` stop reconnecting (HTML 9.2.2).
pub(crate) async fn open(
    app: &App,
    subscription: Subscription,
    form: Form,
    slots: Option<Box<Slots>>,
) -> Result<Response, Problem> {
    let lease = subscription.selection.lease().cloned();
    Ok(
        match app.hub().subscribe(subscription, clock::now()).await? {
            Subscribed::Open(cursor) => {
                let body = EventBody::new(app.clone(), cursor, form).ends_with(lease);
                let body = body.holds(slots);
                stream_response(app, body, form)
            }
            Subscribed::Over => over(),
        },
    )
}

/// Opens an SSE stream whose end the embedder hears of.
///
/// # Errors
/// When the hub has no room for another subscriber.
pub async fn open_sse(
    app: &App,
    subscription: Subscription,
    on_close: Option<Box<dyn FnOnce() + Send>>,
) -> Result<Response, Problem> {
    let lease = subscription.selection.lease().cloned();
    let subscribed = app.hub().subscribe(subscription, clock::now()).await?;
    let Subscribed::Open(cursor) = subscribed else {
        if let Some(hook) = on_close {
            hook();
        }
        return Ok(over());
    };
    let mut body = EventBody::new(app.clone(), cursor, Form::Sse).ends_with(lease);
    if let Some(hook) = on_close {
        body = body.on_close(hook);
    }
    Ok(stream_response(app, body, Form::Sse))
}

/// What a request subscribes to, from where, and how much of it a page shall have.
pub(crate) fn parse(
    app: &App,
    asker: &Asker,
    uri: &Uri,
    headers: &HeaderMap,
    default: Start,
) -> Result<(Subscription, Option<u64>), Problem> {
    let limits = app.hub().limits();
    let in_path = Selector::from_path(topic_path(uri))?;
    let mut query = SubscribeQuery::parse(uri.query().unwrap_or_default(), limits.selectors_max)?;
    let selectors = std::iter::once(in_path).chain(std::mem::take(&mut query.selectors));
    let selection = asker.may_subscribe(Selection::new(selectors, &limits)?)?;
    let limit = query.limit;
    let start = match query.start(headers, default) {
        Start::Last(count) => Start::Last(count.min(limits.history_events_max)),
        start => start,
    };
    Ok((Subscription { selection, start }, limit))
}

/// The path without its first slash: a topic or pattern, still percent-encoded.
pub(crate) fn topic_path(uri: &Uri) -> &str {
    let path = uri.path();
    path.strip_prefix('/').unwrap_or(path)
}

fn stream_response(app: &App, body: EventBody, form: Form) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = stream_headers(app, form);
    response
}

/// What every event stream says in its head.
pub(crate) fn stream_headers(app: &App, form: Form) -> HeaderMap {
    let heartbeat = app.hub().limits().heartbeat.as_millis();
    let heartbeat = u64::try_from(heartbeat).unwrap_or(u64::MAX);
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(form.media_type())),
        (CACHE_CONTROL, CACHE),
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (HEARTBEAT, heartbeat.into()),
    ])
}

fn over() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
