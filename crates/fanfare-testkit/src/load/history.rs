//! The whole history of a hub, read page by page when the load is over.

use std::net::SocketAddr;

use fanfare_hub::EventId;
use http::HeaderMap;
use serde_json::Value;

use super::wire::{Wire, get};
use crate::journal::{Journal, Kept, Name};

/// Events of a page: some 2 MB, which take well under a second.
const PAGE: usize = 1_000;
/// More pages than any campaign fills.
const PAGES_MAX: usize = 100_000;

/// Reads everything that is kept, oldest first.
pub(super) async fn read(address: SocketAddr, journal: &mut Journal) {
    let mut wire = Wire::open(address).await.expect("a hub to read from");
    let mut after = String::from("earliest");
    for _ in 0..PAGES_MAX {
        let mut headers = HeaderMap::new();
        headers.insert("accept", "application/json".parse().unwrap());
        let path = format!("/**?limit={PAGE}&last_event_id={after}");
        let answer = wire.ask(get(&path, headers)).await.expect("a page");
        assert_eq!(answer.status, 200, "{}", answer.json);
        let page = answer.json.as_array().expect("an array");
        let Some(last) = page.last() else {
            return;
        };
        after = text(last, "id").to_owned();
        for event in page {
            take(event, journal);
        }
    }
    panic!("the history does not end");
}

fn take(event: &Value, journal: &mut Journal) {
    match text(event, "event") {
        "fanfare.gap" => journal.kept_gaps += 1,
        // The mark of an end is nobody's event.
        "fanfare.end" => {}
        _ => journal.kept.push(Kept {
            id: EventId::parse(text(event, "id")).expect("an id"),
            topic: text(event, "topic").to_owned(),
            name: Name::of_payload(text(event, "data")),
        }),
    }
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}
