//! Publishing from Rust: what it answers, and what it refuses.

use std::time::Duration;

use fanfare::{
    Durability, Hub, HubError, Limits, NewEvent, PublishError, Retention, RetentionRules,
};

#[tokio::test]
async fn a_receipt_tells_where_an_event_is_and_how_safe() {
    let hub = Hub::in_memory();
    let first = hub.publish("a", "text").await.unwrap();
    let second = hub.publish("b", String::from("text")).await.unwrap();
    assert_eq!((first.id.seq.0, second.id.seq.0), (1, 2));
    assert_eq!(first.id.epoch, second.id.epoch);
    assert_eq!((first.count, first.durability), (1, Durability::Memory));
    assert!(!first.is_replayed);
    let end = hub.end("a").await.unwrap();
    assert_eq!((end.count, end.id.seq.0), (0, 3));
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let limits = Limits {
        event_bytes_max: 10,
        ..Limits::default()
    };
    let hub = Hub::builder().limits(limits).build();
    assert_eq!(hub.limits().event_bytes_max, 10);
    for topic in [
        "",
        "/a",
        "a/",
        "a//b",
        "a/../b",
        "*",
        "a/**",
        "-/own",
        ".well-known/x",
        "a\nb",
    ] {
        let error = hub.publish(topic, "x").await.unwrap_err();
        assert!(matches!(error, HubError::Topic(_)), "{topic}: {error}");
    }
    let error = hub.publish("a", "12345678901").await.unwrap_err();
    let too_large = PublishError::EventTooLarge { bytes: 11, max: 10 };
    assert_eq!(error, HubError::Publish(too_large));
    assert!(NewEvent::new("x").event_type("fanfare.end").is_err());
    hub.end("a").await.unwrap();
    assert!(hub.publish("a", "x").await.is_err());
    assert!(hub.publish("b", "1234567890").await.is_ok());
}

#[tokio::test]
async fn retention_is_the_builders() {
    let retention = RetentionRules {
        topic: Retention {
            age_max: Duration::from_secs(60),
            events_max: 2,
            bytes_max: u64::MAX,
        },
        ..RetentionRules::default()
    };
    let hub = Hub::builder().retention(retention).build();
    for text in ["1", "2", "3"] {
        hub.publish("a", text).await.unwrap();
    }
    let read = crate::streaming::read(hub.subscribe("a").history(fanfare::History::All), 2).await;
    assert_eq!(read, ["2", "3"]);
}

#[tokio::test]
async fn two_hubs_have_two_epochs() {
    let (one, two) = (Hub::in_memory(), Hub::in_memory());
    let (one, two) = (one.publish("a", "x").await, two.publish("a", "x").await);
    assert_ne!(one.unwrap().id.epoch, two.unwrap().id.epoch);
}
