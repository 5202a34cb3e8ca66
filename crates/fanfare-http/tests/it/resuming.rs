//! One id resumes everything, and it is found wherever a client may put it.

use std::time::Duration;

use fanfare_hub::{NewEvent, Publication, TopicName, Trusted};
use fanfare_testkit::{Ask, Form, TestHub};

/// What is published to which topic, in this order.
const STORY: &[(&str, &str)] = &[
    ("/a", "a1"),
    ("/b/x", "x1"),
    ("/c", "c1"),
    ("/b/y", "y1"),
    ("/a", "a2"),
    ("/b/x/deep", "d1"),
    ("/c", "c2"),
    ("/b/x", "x2"),
    ("/a", "a3"),
];

async fn tell(hub: &TestHub, story: &[(&str, &str)]) -> Vec<String> {
    let mut ids = Vec::new();
    for (topic, data) in story {
        ids.push(hub.publish(topic, data).await.id);
    }
    ids
}

/// The data of so many events.
async fn read(ask: Ask, form: Form, count: usize) -> Vec<String> {
    let events = ask.subscribe(form).await.take(count).await;
    events.into_iter().map(|event| event.data).collect()
}

#[tokio::test]
async fn topics_and_patterns_resume_by_one_id() {
    let hub = TestHub::start().await;
    let ids = tell(&hub, STORY).await;
    for (path, all) in [
        ("/a", &["a1", "a2", "a3"][..]),
        ("/a?topic=b/*", &["a1", "x1", "y1", "a2", "x2", "a3"]),
        ("/b/*?topic=a", &["a1", "x1", "y1", "a2", "x2", "a3"]),
        ("/b/**", &["x1", "y1", "d1", "x2"]),
        ("/*?topic=b%2Fx%2F*", &["a1", "c1", "a2", "d1", "c2", "a3"]),
        (
            "/a?topic=b/x&topic=c",
            &["a1", "x1", "c1", "a2", "c2", "x2", "a3"],
        ),
        (
            "/**",
            &["a1", "x1", "c1", "y1", "a2", "d1", "c2", "x2", "a3"],
        ),
        // Selected twice, sent once.
        (
            "/a?topic=a&topic=*&topic=**&topic=a",
            &["a1", "x1", "c1", "y1"],
        ),
    ] {
        for form in Form::ALL {
            for (after, id) in ids.iter().enumerate() {
                let read_already = &STORY[..=after];
                let is_unread = |data: &&&str| read_already.iter().all(|(_, read)| read != *data);
                let expected: Vec<_> = all.iter().filter(is_unread).collect();
                let get = hub.fetch(path).last_event_id(id);
                assert_eq!(
                    read(get, form, expected.len()).await,
                    *expected.into_iter().copied().collect::<Vec<_>>(),
                    "{path} {form:?} {id}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_stream_of_several_topics_goes_on_live_where_history_ended() {
    let hub = TestHub::start().await;
    for form in Form::ALL {
        let topic = format!("/{form:?}");
        let path = format!("{topic}/*?history=all&topic={form:?}");
        hub.publish(&topic, "1").await;
        hub.publish(&format!("{topic}/x"), "2").await;
        let mut stream = hub.subscribe(form, &path).await;
        stream.take(2).await;
        hub.publish("/elsewhere", "unseen").await;
        hub.publish(&format!("{topic}/new"), "3").await;
        let third = stream.next().await;
        assert_eq!(third.data, "3");
        if form == Form::Ndjson || form == Form::WebSocket {
            assert_eq!(third.topic.unwrap(), format!("{form:?}/new"));
        }
    }
}

#[tokio::test]
async fn the_header_wins_over_the_query_and_both_over_history() {
    let hub = TestHub::start().await;
    let ids = tell(&hub, &[("/a", "1"), ("/a", "2"), ("/a", "3")]).await;
    for form in Form::ALL {
        for spelling in ["last_event_id", "lastEventId", "lastEventID"] {
            let path = format!("/a?history=all&{spelling}={}", ids[0]);
            assert_eq!(
                read(hub.fetch(&path), form, 2).await,
                ["2", "3"],
                "{spelling}"
            );
            let get = hub.fetch(&path).last_event_id(&ids[1]);
            assert_eq!(read(get, form, 1).await, ["3"]);
        }
        let path = format!("/a?history=all&last_event_id={}", ids[1]);
        let get = hub.fetch(&path).last_event_id("earliest");
        assert_eq!(read(get, form, 3).await, ["1", "2", "3"]);
        let mut gap = hub.subscribe(form, "/a?history=1&last_event_id=").await;
        assert_eq!(gap.gap().await, "malformed");
    }
}

#[tokio::test]
async fn earliest_begins_at_the_oldest_event_without_a_gap() {
    let hub = TestHub::builder().keep_events(2).start().await;
    tell(&hub, &[("/a", "1"), ("/a", "2"), ("/a", "3")]).await;
    for form in Form::ALL {
        let mut stream = hub.subscribe(form, "/a?last_event_id=earliest").await;
        assert!(
            stream.opening().await.id.ends_with("-1"),
            "before the second event"
        );
        assert_eq!(stream.next_data().await, "2");
    }
}

#[tokio::test]
async fn history_is_everything_a_number_or_a_span() {
    let hub = TestHub::start().await;
    let now = fanfare_http::clock::now();
    for (data, age) in [("day", 80_000), ("hour", 3_600), ("minute", 60), ("now", 0)] {
        let publication = Publication {
            topic: Trusted.publish(TopicName::parse("a").unwrap()),
            events: vec![NewEvent::new(data)],
            ends_topic: false,
            idempotency: None,
        };
        let time = now.before(Duration::from_secs(age));
        hub.app().hub().publish(publication, time).await.unwrap();
    }
    for (history, expected) in [
        ("all", &["day", "hour", "minute", "now"][..]),
        ("1", &["now"]),
        ("3", &["hour", "minute", "now"]),
        ("1000000", &["day", "hour", "minute", "now"]),
        ("30s", &["now"]),
        ("10m", &["minute", "now"]),
        ("2h", &["hour", "minute", "now"]),
        ("1d", &["day", "hour", "minute", "now"]),
    ] {
        let path = format!("/a?history={history}");
        let mut streams = Vec::new();
        for form in Form::ALL {
            streams.push(hub.subscribe(form, &path).await);
        }
        for stream in &mut streams {
            for data in expected {
                assert_eq!(stream.next_data().await, *data, "{history}");
            }
        }
    }
    let mut stream = hub.subscribe(Form::Sse, "/a?history=0").await;
    hub.publish("/a", "next").await;
    assert_eq!(stream.next_data().await, "next");
}

#[tokio::test]
async fn who_asks_for_no_history_gets_what_comes_from_now_on() {
    let hub = TestHub::start().await;
    hub.publish("/a", "before").await;
    for form in Form::ALL {
        let mut stream = hub.subscribe(form, "/a").await;
        hub.publish("/a", "now").await;
        assert_eq!(stream.next_data().await, "now");
    }
}

/// What one has just read of the past is sent to the others from the same bytes. Each stands
/// elsewhere in it, and the past is several reads long.
#[tokio::test]
async fn many_who_ask_for_the_same_past_get_exactly_what_they_missed() {
    const EVENTS: usize = 6_000;
    const APART: usize = 97;
    let hub = TestHub::start().await;
    for _ in 0..EVENTS / 1_000 {
        hub.publish_many("/a", 1_000).await;
    }
    let mut first = hub.subscribe(Form::Sse, "/a?history=all").await;
    let all: Vec<_> = first.take(EVENTS).await;
    let ids: Vec<_> = all.into_iter().map(|event| event.id).collect();
    let mut streams = Vec::new();
    for nth in 0..30 {
        let from = nth * APART;
        let ask = hub.fetch("/a").last_event_id(&ids[from]);
        streams.push((from, ask.subscribe(Form::Sse).await));
    }
    for (from, stream) in &mut streams {
        let missed = stream.take(EVENTS - *from - 1).await;
        let missed: Vec<_> = missed.into_iter().map(|event| event.id).collect();
        assert!(missed == ids[*from + 1..], "from {from} on");
    }
}
