//! Where a subscription starts, said as tables, and when there is nothing to wait for.

use std::time::Duration;

use fanfare_hub::{
    Cursor, Hub, Limits, PublishError, ReadBudget, Retention, RetentionRules, Start, Step,
    SubscribeError, Subscribed, Subscription, Timestamp, Trusted,
};

use crate::fixture::{
    NOW, WHOLE, end, forget, hub, hub_with, now_or_panic, open, publication, publish, resume,
    select, step, step_seqs, subscribe,
};

/// All seqs that a cursor gives until it waits.
fn drain(cursor: &mut Cursor) -> Vec<u64> {
    match step(cursor) {
        Some(Step::Events(slice)) => {
            let given = slice.events.iter().map(|event| event.seq.0);
            given.chain(drain(cursor)).collect()
        }
        Some(Step::Gap(gap)) => panic!("nothing was lost: {gap:?}"),
        Some(Step::Over) | None => Vec::new(),
    }
}

/// Seqs 1 to 6, a second apart: a, b, a/x, a, b, c.
fn six_events() -> Hub {
    let hub = hub();
    for (second, name) in (0..).zip(["a", "b", "a/x", "a", "b", "c"]) {
        let time = Timestamp(NOW.0 - 5_000 + 1_000 * second);
        now_or_panic(hub.publish(publication(name, &["text"]), time)).unwrap();
    }
    hub
}

#[test]
fn every_start_gives_what_it_says() {
    let hub = six_events();
    let last = Start::Last;
    let since = |seconds| Start::Since(Duration::from_secs(seconds));
    let cases: [(&[&str], Start, &[u64]); 21] = [
        (&["**"], Start::Tail, &[]),
        (&["**"], Start::All, &[1, 2, 3, 4, 5, 6]),
        (&["*"], Start::All, &[1, 2, 4, 5, 6]),
        (&["a"], Start::All, &[1, 4]),
        (&["a", "a/x"], Start::All, &[1, 3, 4]),
        (&["a", "*"], Start::All, &[1, 2, 4, 5, 6]),
        (&["never"], Start::All, &[]),
        (&["a"], last(0), &[]),
        (&["a"], last(1), &[4]),
        (&["a"], last(9), &[1, 4]),
        (&["a", "b"], last(3), &[2, 4, 5]),
        (&["**"], last(u64::MAX), &[1, 2, 3, 4, 5, 6]),
        (&["**"], since(0), &[6]),
        (&["**"], since(2), &[4, 5, 6]),
        (&["a"], since(2), &[4]),
        (&["a"], since(1), &[]),
        (&["a", "b"], Start::Since(Duration::MAX), &[1, 2, 4, 5]),
        (&["**"], resume("k3v9q2-0"), &[1, 2, 3, 4, 5, 6]),
        (&["b"], resume("k3v9q2-3"), &[5]),
        (&["b"], resume("k3v9q2-6"), &[]),
        (&["b"], resume("earliest"), &[2, 5]),
    ];
    for (selectors, start, expected) in cases {
        let mut cursor = open(&hub, selectors, start.clone());
        assert_eq!(drain(&mut cursor), expected, "{selectors:?} {start:?}");
    }
}

#[test]
fn a_clock_that_was_set_back_costs_events_and_never_order() {
    let cases: [(&[u64], u64, &[u64]); 3] = [
        (&[0, 315_360_000, 1, 2], 2, &[2, 3, 4]),
        (&[100, 0], 50, &[]),
        (&[100, 0, 49], 50, &[3]),
    ];
    let at = |seconds: u64| Timestamp(NOW.0 + 1_000 * seconds);
    for (times, now, expected) in cases {
        let hub = hub();
        for &time in times {
            now_or_panic(hub.publish(publication("a", &["text"]), at(time))).unwrap();
        }
        let subscription = Subscription {
            selection: Trusted.subscribe(select(&["a"])),
            start: Start::Since(Duration::from_secs(1)),
        };
        let Subscribed::Open(mut cursor) =
            now_or_panic(hub.subscribe(subscription, at(now))).unwrap()
        else {
            panic!("the topic goes on");
        };
        assert_eq!(drain(&mut cursor), expected, "{times:?}");
    }
}

#[test]
fn publishers_who_looked_at_the_clock_a_little_early_publish_no_old_events() {
    let hub = hub();
    for early in [0, 1, 1_000] {
        let time = Timestamp(NOW.0 - early);
        now_or_panic(hub.publish(publication("a", &["text"]), time)).unwrap();
    }
    let mut cursor = open(&hub, &["a"], Start::All);
    let Some(Step::Events(slice)) = step(&mut cursor) else {
        panic!("there are events");
    };
    assert!(slice.events.iter().all(|event| event.time == NOW));
    let mut young = open(&hub, &["a"], Start::Since(Duration::ZERO));
    assert_eq!(drain(&mut young), [1, 2, 3]);
}

#[test]
fn a_stream_is_over_when_all_its_topics_ended_and_were_read() {
    let hub = hub();
    publish(&hub, "a", &["one"]);
    end(&hub, "a");
    publish(&hub, "b", &["three"]);
    let is_over =
        |selectors: &[&str], start| matches!(subscribe(&hub, selectors, start), Subscribed::Over);
    for (selectors, start, expected) in [
        (&["a"][..], Start::Tail, true),
        (&["a"], Start::Last(0), true),
        (&["a"], resume("k3v9q2-2"), true),
        (&["a"], resume("k3v9q2-3"), true),
        (&["a"], resume("k3v9q2-1"), false),
        (&["a"], resume("k3v9q2-4"), false),
        (&["a"], Start::All, false),
        (&["a", "b"], Start::Tail, false),
        (&["a", "never"], Start::Tail, false),
        (&["a", "x/*"], Start::Tail, false),
    ] {
        assert_eq!(
            is_over(selectors, start.clone()),
            expected,
            "{selectors:?} {start:?}"
        );
    }
    assert_eq!(hub.subscribers_len(), 0);
}

#[test]
fn an_open_stream_ends_with_its_last_topic_and_not_before() {
    let hub = hub();
    let mut cursor = open(&hub, &["a", "b"], Start::Tail);
    end(&hub, "a");
    assert_eq!(step_seqs(&mut cursor), [1]);
    assert!(step(&mut cursor).is_none());
    publish(&hub, "b", &["two"]);
    end(&hub, "b");
    assert_eq!(step_seqs(&mut cursor), [2, 3]);
    assert!(matches!(step(&mut cursor), Some(Step::Over)));
    forget(&hub, "b");
    assert!(step(&mut cursor).is_none());
    publish(&hub, "b", &["anew"]);
    assert_eq!(step_seqs(&mut cursor), [4]);
}

#[test]
fn the_end_outlives_the_event_that_carried_it() {
    let hub = hub_with(
        RetentionRules {
            hub: Retention {
                age_max: Duration::from_secs(60),
                ..Retention::UNBOUNDED
            },
            ..RetentionRules::default()
        },
        Limits::default(),
    );
    end(&hub, "a");
    hub.log().trim(Timestamp(NOW.0 + 61_000));
    assert!(matches!(
        subscribe(&hub, &["a"], Start::All),
        Subscribed::Over
    ));
    let refused = now_or_panic(hub.publish(publication("a", &["late"]), NOW));
    assert!(matches!(refused, Err(PublishError::Append(_))));
}

#[test]
fn a_page_walks_through_history_and_says_when_there_is_more() {
    let hub = six_events();
    let mut after = Start::All;
    let mut walked = Vec::new();
    loop {
        let subscription = Subscription {
            selection: Trusted.subscribe(select(&["a", "b"])),
            start: after,
        };
        let budget = ReadBudget { events: 1, ..WHOLE };
        let page = now_or_panic(hub.page(subscription, budget, NOW));
        assert_eq!(page.gap, None);
        walked.extend(page.slice.events.iter().map(|event| event.seq.0));
        if !page.slice.has_more {
            break;
        }
        after = resume(&format!("k3v9q2-{}", page.slice.after));
    }
    assert_eq!(walked, [1, 2, 4, 5]);
}

#[test]
fn a_hub_takes_as_many_subscribers_as_it_may() {
    let limits = Limits {
        subscribers_max: 1,
        ..Limits::default()
    };
    let hub = hub_with(RetentionRules::default(), limits);
    let subscription = Subscription {
        selection: Trusted.subscribe(select(&["a"])),
        start: Start::Tail,
    };
    let first = now_or_panic(hub.subscribe(subscription.clone(), NOW)).unwrap();
    let refused = now_or_panic(hub.subscribe(subscription.clone(), NOW)).err();
    assert_eq!(refused, Some(SubscribeError::TooManySubscribers(1)));
    drop(first);
    assert!(now_or_panic(hub.subscribe(subscription, NOW)).is_ok());
}
