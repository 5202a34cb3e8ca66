//! One page of history as a JSON array, with a link to the next (RFC 8288).

use fanfare_hub::{ReadBudget, Start, Subscription};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::app::App;
use crate::body::{Body, Response};
use crate::clock;
use crate::envelope;

/// Events of a page when the client names no limit.
const LIMIT_DEFAULT: u64 = 100;

/// What a path may not hold as it is (RFC 3986 3.3), and what would end the link.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'%')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The same for a value of the query.
const QUERY: &AsciiSet = &PATH.add(b'&').add(b'+').add(b'=');

/// Answers one page.
pub(crate) async fn respond(app: &App, subscription: Subscription, limit: Option<u64>) -> Response {
    let limits = app.hub().limits();
    let limit = limit
        .unwrap_or(LIMIT_DEFAULT)
        .min(limits.history_events_max);
    let budget = ReadBudget {
        bytes: limits.body_bytes_max,
        events: usize::try_from(limit).unwrap_or(usize::MAX).max(1),
    };
    let selectors = link_target(&subscription);
    let now = clock::now();
    let page = app.hub().page(subscription, budget, now).await;
    let epoch = app.hub().log().epoch();

    let mut array = vec![b'['];
    let gap = page.gap.as_ref().map(|gap| envelope::gap_line(gap, now));
    let events = page.slice.events.iter();
    let events = events.map(|event| app.envelope(event));
    for (index, line) in gap.into_iter().chain(events).enumerate() {
        array.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        array.extend_from_slice(line.trim_ascii_end());
    }
    array.extend_from_slice(b"\n]\n");

    let mut response = Response::new(Body::from(array));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if page.slice.has_more {
        let after = fanfare_hub::EventId {
            epoch,
            seq: page.slice.after,
        };
        let link = format!("<{selectors}last_event_id={after}&limit={limit}>; rel=\"next\"");
        // Everything in it was percent-encoded or is ours.
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(LINK, link);
        }
    }
    response
}

/// Where a page starts when the client does not say: a page from the tail would be empty.
pub(crate) const START_DEFAULT: Start = Start::All;

/// The path and query that select the same topics again.
fn link_target(subscription: &Subscription) -> String {
    let selection = subscription.selection.selection();
    let topics = selection.topics.iter().map(ToString::to_string);
    let mut names = topics.chain(selection.patterns.iter().map(ToString::to_string));
    let mut target = String::from("/");
    target.extend(
        names
            .next()
            .iter()
            .flat_map(|name| utf8_percent_encode(name, PATH)),
    );
    target.push('?');
    for name in names {
        target.push_str("topic=");
        target.extend(utf8_percent_encode(&name, QUERY));
        target.push('&');
    }
    target
}
