//! A gap is always told, before the first event, whatever the form, and its id is a position.
//! The sixth reason, `slow`, needs a reader that stands still: see `slow`.

use fanfare_testkit::{Form, Item, TestHub};

/// Keeps ten events of the thirty that were published: ids 21 to 30, data `20` to `29`.
async fn hub_that_trimmed() -> TestHub {
    let hub = TestHub::builder().keep_events(10).start().await;
    hub.publish_many("/news", 30).await;
    hub
}

/// What a client may ask for, why it is not all there, and where the stream goes on.
fn cases(hub: &TestHub) -> Vec<(Vec<u8>, &'static str)> {
    let id = |seq: u64| format!("{}-{seq}", hub.app().hub().log().epoch()).into_bytes();
    vec![
        (id(3), "trimmed"),
        (id(0), "trimmed"),
        (b"zzzzzz-25".to_vec(), "epoch"),
        (b"5e94c686-2c0b-4f9b-958c-92ccc3bbb4eb".to_vec(), "unknown"),
        (b"25".to_vec(), "unknown"),
        (b"".to_vec(), "malformed"),
        (b"a b".to_vec(), "malformed"),
        ("caf\u{e9}".as_bytes().to_vec(), "malformed"),
        (b"caf\xe9".to_vec(), "malformed"),
        (vec![b'x'; 65], "malformed"),
        (id(31), "future"),
    ]
}

#[tokio::test]
async fn every_form_tells_the_gap_first_and_then_what_is_there() {
    let hub = hub_that_trimmed().await;
    let epoch = hub.app().hub().log().epoch();
    for (asked, reason) in cases(&hub) {
        for form in Form::ALL {
            let get = hub.fetch("/news").last_event_id(&asked);
            let mut stream = get.subscribe(form).await;
            let mut first = stream.next_item().await.unwrap();
            // What is no event may come before: the reconnection time, an empty line.
            while matches!(first, Item::Retry(_) | Item::Heartbeat) {
                first = stream.next_item().await.unwrap();
            }
            let Item::Event(gap) = first else {
                panic!("{form:?} {reason}: {first:?} before the gap")
            };
            assert_eq!(gap.event_type, "fanfare.gap");
            assert_eq!(gap.json()["reason"], reason, "{form:?} {asked:?}");
            assert_eq!(gap.json()["oldest"], format!("{epoch}-21"));
            let echoed: String = String::from_utf8_lossy(&asked).chars().take(64).collect();
            assert_eq!(gap.json()["asked"], echoed);
            assert_eq!(gap.id, format!("{epoch}-20"), "the position after the gap");
            for number in 20..30 {
                assert_eq!(stream.next_data().await, number.to_string());
            }
        }
    }
}

#[tokio::test]
async fn a_page_begins_with_the_gap() {
    let hub = hub_that_trimmed().await;
    for (asked, reason) in cases(&hub) {
        let page = hub.fetch("/news").last_event_id(&asked);
        let page = page.header("accept", "application/json").send().await;
        let page = page.json();
        assert_eq!(page[0]["event"], "fanfare.gap");
        let told: serde_json::Value =
            serde_json::from_str(page[0]["data"].as_str().unwrap()).unwrap();
        assert_eq!(told["reason"], reason);
        assert_eq!(page.as_array().unwrap().len(), 11);
        assert_eq!(page[1]["data"], "20");
    }
}

#[tokio::test]
async fn who_resumes_from_a_gap_gets_everything_after_it_and_no_second_gap() {
    let hub = hub_that_trimmed().await;
    for (asked, reason) in cases(&hub) {
        for form in Form::ALL {
            let get = hub.fetch("/news").last_event_id(&asked);
            let gap = get.subscribe(form).await.next().await;
            let get = hub.fetch("/news").last_event_id(&gap.id);
            let mut resumed = get.subscribe(form).await;
            assert_eq!(resumed.opening().await.id, gap.id, "{form:?} {reason}");
            assert_eq!(resumed.next_data().await, "20");
        }
    }
}

#[tokio::test]
async fn a_position_at_the_edge_of_retention_is_no_gap() {
    let hub = hub_that_trimmed().await;
    let epoch = hub.app().hub().log().epoch();
    for (seq, next) in [(20, "20"), (29, "29"), (30, "new")] {
        let get = hub.fetch("/news").last_event_id(format!("{epoch}-{seq}"));
        let mut stream = get.subscribe(Form::Sse).await;
        if seq == 30 {
            hub.publish("/news", "new").await;
        }
        assert_eq!(stream.next_data().await, next);
    }
}

#[tokio::test]
async fn a_hub_that_was_started_anew_says_that_the_epoch_changed() {
    let before = TestHub::builder().epoch(1).start().await;
    let id = before.publish("/news", "before").await.id;
    let after = TestHub::builder().epoch(2).start().await;
    after.publish("/news", "after").await;
    let get = after.fetch("/news").last_event_id(&id);
    let mut stream = get.subscribe(Form::Sse).await;
    assert_eq!(stream.gap().await, "epoch");
    assert_eq!(stream.next_data().await, "after");
}

#[tokio::test]
async fn a_topic_that_was_deleted_is_a_gap_for_who_had_not_read_it() {
    let hub = TestHub::start().await;
    let first = hub.publish("/news", "read").await;
    hub.publish("/news", "unread").await;
    let dropped = hub.ask(http::Method::DELETE, "/news").send().await;
    assert_eq!(dropped.json()["dropped"], 2);
    hub.publish("/news", "new").await;
    let get = hub.fetch("/news").last_event_id(&first.id);
    let mut stream = get.subscribe(Form::Sse).await;
    assert_eq!(stream.gap().await, "trimmed");
    assert_eq!(stream.next_data().await, "new");
}
