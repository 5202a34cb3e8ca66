//! What readers share and what they cost: the bytes of an event are one for all of them, and a
//! cursor that stands still keeps nothing alive.

use std::sync::Arc;

use fanfare_hub::{Cursor, Event, Start, Step};

use crate::fixture::{hub, hub_of, open, publish, resume, step};

fn events(cursor: &mut Cursor) -> Vec<Arc<Event>> {
    match step(cursor) {
        Some(Step::Events(slice)) => slice.events.to_vec(),
        other => panic!("expected events, got {other:?}"),
    }
}

#[test]
fn every_reader_is_handed_the_same_bytes() {
    let hub = hub();
    let mut live = open(&hub, &["chat/room"], Start::Tail);
    let mut of_many = open(&hub, &["chat/*", "news"], Start::Tail);
    publish(&hub, "chat/room", &["one", "two"]);
    let mut replaying = open(&hub, &["**"], resume("k3v9q2-0"));

    let addresses = |cursor: &mut Cursor| -> Vec<*const u8> {
        let events = events(cursor);
        events.iter().map(|event| event.frame.as_ptr()).collect()
    };
    let first = addresses(&mut live);
    assert_eq!(first.len(), 2);
    assert_eq!(addresses(&mut of_many), first);
    assert_eq!(addresses(&mut replaying), first);
}

#[test]
fn a_cursor_that_stands_still_keeps_no_event_alive() {
    let hub = hub_of(3);
    let mut cursor = open(&hub, &["chat"], Start::Tail);
    publish(&hub, "chat", &["first"]);
    let first = Arc::downgrade(&events(&mut cursor)[0]);
    publish(&hub, "chat", &["next"]);
    let unread = open(&hub, &["chat"], resume("k3v9q2-0"));
    assert!(first.upgrade().is_some(), "history still holds it");

    publish(&hub, "chat", &["a", "b", "c", "d"]);
    assert!(
        first.upgrade().is_none(),
        "a cursor holds what history dropped"
    );
    drop((cursor, unread));
}
