//! A waiting cursor is woken when something of its selection becomes visible, and only then.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use fanfare_hub::{Cursor, Start, Step};

use crate::fixture::{Bell, WHOLE, end, forget, hub, hub_of, open, poll, publish};

#[test]
fn only_what_is_selected_wakes_a_waiting_cursor_and_only_once() {
    let hub = hub();
    let mut cursor = open(&hub, &["a/*", "a/x", "b"], Start::Tail);
    let bell = Arc::new(Bell::default());
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
    for name in ["a", "c", "a/x/y", "b/x"] {
        publish(&hub, name, &["passed over"]);
        assert_eq!(bell.rings(), 0, "{name}");
    }
    publish(&hub, "a/x", &["selected twice"]);
    assert_eq!(bell.rings(), 1);
    publish(&hub, "b", &["awake already"]);
    assert_eq!(bell.rings(), 0);
    assert!(matches!(
        poll(&mut cursor, &bell, WHOLE),
        Some(Step::Events(_))
    ));
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
    end(&hub, "b");
    assert_eq!(bell.rings(), 1);
}

#[test]
fn dropping_history_wakes_nobody_at_the_tail() {
    let hub = hub_of(1);
    publish(&hub, "a", &["one"]);
    let mut cursor = open(&hub, &["a"], Start::Tail);
    let bell = Arc::new(Bell::default());
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
    forget(&hub, "a");
    publish(&hub, "b", &["two", "three"]);
    hub.log().trim(fanfare_hub::Timestamp(u64::MAX));
    assert_eq!(bell.rings(), 0);
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_woken() {
    let hub = hub();
    let mut cursor = open(&hub, &["a"], Start::Tail);
    let (first, second) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    assert!(poll(&mut cursor, &first, WHOLE).is_none());
    assert!(poll(&mut cursor, &second, WHOLE).is_none());
    publish(&hub, "a", &["one"]);
    assert_eq!((first.rings(), second.rings()), (0, 1));
}

#[test]
fn what_is_published_between_subscribing_and_the_first_poll_is_given() {
    let hub = hub();
    let mut cursor = open(&hub, &["a"], Start::Tail);
    publish(&hub, "a", &["one"]);
    let bell = Arc::new(Bell::default());
    assert!(matches!(
        poll(&mut cursor, &bell, WHOLE),
        Some(Step::Events(_))
    ));
}

/// An executor that runs its task inside the wake, and whose task ends there.
struct Inline(Mutex<Option<Cursor>>);

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
    }
}

#[test]
fn a_cursor_may_be_dropped_inside_its_own_wake() {
    let hub = hub();
    let mut cursor = open(&hub, &["a", "*"], Start::Tail);
    let task = Arc::new(Inline(Mutex::default()));
    let waker = Waker::from(Arc::clone(&task));
    let mut cx = Context::from_waker(&waker);
    assert!(matches!(cursor.poll_step(&mut cx, WHOLE), Poll::Pending));
    *task.0.lock().unwrap() = Some(cursor);
    let (done, is_done) = channel();
    let publisher = hub.clone();
    thread::spawn(move || {
        publish(&publisher, "a", &["one"]);
        done.send(()).unwrap();
    });
    let waited = is_done.recv_timeout(Duration::from_secs(10));
    assert!(waited.is_ok(), "the wake waits for itself");
    assert_eq!(hub.subscribers_len(), 0);
}
