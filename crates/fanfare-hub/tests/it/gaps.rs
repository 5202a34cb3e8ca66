//! A gap is always told: each of its six reasons is provoked once, as the first thing a stream
//! says; and the losses that are hard to notice are noticed.

use fanfare_hub::limits::DROPS_REMEMBERED_MAX;
use fanfare_hub::{
    Cursor, EventId, Gap, GapReason, Hub, Limits, Retention, RetentionRules, Start, Step,
};

use crate::fixture::{
    Bell, WHOLE, end, forget, hub, hub_of, hub_with, open, poll, publish, resume, step, step_seqs,
    subscribe,
};

fn first_gap(cursor: &mut Cursor) -> Gap {
    match step(cursor) {
        Some(Step::Gap(gap)) => gap,
        other => panic!("expected a gap, got {other:?}"),
    }
}

fn gap(reason: GapReason, asked: &str, oldest: &str, resumes_after: &str) -> Gap {
    Gap {
        reason,
        asked: asked.to_owned(),
        oldest: EventId::parse(oldest).unwrap(),
        resumes_after: EventId::parse(resumes_after).unwrap(),
    }
}

/// A hub that keeps the events 3 to 5 of topic `a`.
fn trimmed_hub() -> Hub {
    let hub = hub_of(3);
    publish(&hub, "a", &["one", "two", "three", "four", "five"]);
    hub
}

/// What a stream says that resumes from this text: a gap, and then the rest.
fn resumed(asked: &str) -> Gap {
    let hub = trimmed_hub();
    let mut cursor = open(&hub, &["a"], resume(asked));
    let gap = first_gap(&mut cursor);
    assert_eq!(cursor.position(), gap.resumes_after);
    assert_eq!(step_seqs(&mut cursor), [3, 4, 5]);
    assert!(step(&mut cursor).is_none());
    gap
}

#[test]
fn a_position_below_the_floor_is_trimmed() {
    let expected = gap(GapReason::Trimmed, "k3v9q2-1", "k3v9q2-3", "k3v9q2-2");
    assert_eq!(resumed("k3v9q2-1"), expected);
}

#[test]
fn a_position_of_another_incarnation_is_of_another_epoch() {
    let expected = gap(GapReason::Epoch, "zzzzzz-4", "k3v9q2-3", "k3v9q2-2");
    assert_eq!(resumed("zzzzzz-4"), expected);
}

#[test]
fn a_position_that_this_hub_never_gave_is_unknown() {
    let expected = gap(GapReason::Unknown, "urn:1", "k3v9q2-3", "k3v9q2-2");
    assert_eq!(resumed("urn:1"), expected);
}

#[test]
fn a_position_that_cannot_be_read_is_malformed() {
    let expected = gap(GapReason::Malformed, "a b", "k3v9q2-3", "k3v9q2-2");
    assert_eq!(resumed("a b"), expected);
}

#[test]
fn a_position_beyond_the_tail_lies_in_the_future() {
    let expected = gap(GapReason::Future, "k3v9q2-6", "k3v9q2-3", "k3v9q2-2");
    assert_eq!(resumed("k3v9q2-6"), expected);
}

#[test]
fn a_stream_that_retention_overtakes_is_slow() {
    let hub = hub_of(3);
    publish(&hub, "a", &["zero"]);
    let mut cursor = open(&hub, &["a"], Start::Tail);
    publish(&hub, "a", &["two", "three", "four", "five"]);
    let expected = gap(GapReason::Slow, "k3v9q2-1", "k3v9q2-3", "k3v9q2-2");
    assert_eq!(first_gap(&mut cursor), expected);
    // What comes after the gap was read together with it, and later losses do not change it.
    publish(&hub, "a", &["six"]);
    assert_eq!(step_seqs(&mut cursor), [3, 4, 5]);
    assert_eq!(step_seqs(&mut cursor), [6]);
    assert!(step(&mut cursor).is_none());
}

#[test]
fn a_position_at_the_floor_has_lost_nothing() {
    let mut cursor = open(&trimmed_hub(), &["a"], resume("k3v9q2-2"));
    assert_eq!(cursor.opening_gap(), None);
    assert_eq!(step_seqs(&mut cursor), [3, 4, 5]);
}

#[test]
fn what_other_topics_lost_is_no_gap() {
    let hub = hub_of(2);
    publish(&hub, "b", &["one"]);
    publish(&hub, "a", &["two", "three", "four"]);
    let mut cursor = open(&hub, &["b"], resume("k3v9q2-1"));
    assert_eq!(cursor.opening_gap(), None);
    assert!(step(&mut cursor).is_none());
}

#[test]
fn a_topic_forgotten_after_one_with_younger_events_is_missed_too() {
    let hub = hub();
    publish(&hub, "a", &["one"]);
    publish(&hub, "b", &["two"]);
    publish(&hub, "c", &["three"]);
    forget(&hub, "c");
    let mut cursor = open(&hub, &["a", "b", "*/x"], Start::All);
    forget(&hub, "b");
    let gap = first_gap(&mut cursor);
    assert_eq!(gap.reason, GapReason::Slow);
    assert_eq!(step_seqs(&mut cursor), [1]);
}

#[test]
fn a_topic_of_others_that_was_forgotten_is_no_gap() {
    let hub = hub();
    let mut waiting = open(&hub, &["a", "a/*"], Start::Tail);
    publish(&hub, "b", &["one"]);
    forget(&hub, "b");
    publish(&hub, "a", &["two"]);
    assert_eq!(step_seqs(&mut waiting), [2]);
    let mut resumed = open(&hub, &["a", "a/*"], resume("k3v9q2-0"));
    assert_eq!(step_seqs(&mut resumed), [2]);
}

#[test]
fn a_loss_that_lies_farther_back_than_drops_are_remembered_is_told() {
    let hub = hub_of(1);
    let selections: [&[&str]; 4] = [&["a"], &["a/*"], &["a", "b"], &["**"]];
    let mut cursors = selections.map(|selection| open(&hub, selection, Start::Tail));
    publish(&hub, "a", &["one"]);
    publish(&hub, "a/x", &["two"]);
    let others = ["passed over"; DROPS_REMEMBERED_MAX + 1];
    publish(&hub, "other", &others);
    for (cursor, selection) in cursors.iter_mut().zip(selections) {
        assert_eq!(first_gap(cursor).reason, GapReason::Slow, "{selection:?}");
        let resumed = open(&hub, selection, resume("k3v9q2-0"));
        assert!(resumed.opening_gap().is_some(), "{selection:?}");
    }
}

#[test]
fn so_is_the_loss_of_a_topic_that_goes_on() {
    let newest = Retention {
        events_max: 1,
        ..Retention::UNBOUNDED
    };
    let rules = RetentionRules {
        hub: Retention::UNBOUNDED,
        topic: newest,
        topics: Vec::new(),
    };
    let hub = hub_with(rules, Limits::default());
    let selections: [&[&str]; 3] = [&["a/x"], &["a/*"], &["b", "a/**"]];
    let mut cursors = selections.map(|selection| open(&hub, selection, Start::Tail));
    publish(&hub, "a/x", &["one", "two"]);
    let others = ["passed over"; DROPS_REMEMBERED_MAX + 2];
    publish(&hub, "other", &others);
    for (cursor, selection) in cursors.iter_mut().zip(selections) {
        assert_eq!(first_gap(cursor).reason, GapReason::Slow, "{selection:?}");
        assert_eq!(step_seqs(cursor), [2]);
        let resumed = open(&hub, selection, resume("k3v9q2-0"));
        assert!(resumed.opening_gap().is_some(), "{selection:?}");
    }
    let mut unconcerned = open(&hub, &["c", "b/*"], resume("k3v9q2-0"));
    assert!(step(&mut unconcerned).is_none());
}

#[test]
fn a_topic_that_was_forgotten_and_opened_anew_is_still_missed() {
    let hub = hub();
    publish(&hub, "a", &["one", "two"]);
    let mut cursor = open(&hub, &["a"], Start::All);
    forget(&hub, "a");
    publish(&hub, "a", &["three"]);
    assert_eq!(first_gap(&mut cursor).oldest.seq.0, 3);
    assert_eq!(step_seqs(&mut cursor), [3]);
    let reopened = open(&hub, &["a"], resume("k3v9q2-1"));
    assert!(reopened.opening_gap().is_some());
}

#[test]
fn a_gap_with_nothing_after_it_does_not_swallow_what_comes_next() {
    let hub = hub();
    publish(&hub, "a", &["one", "two"]);
    let mut cursor = open(&hub, &["a"], Start::All);
    forget(&hub, "a");
    let gap = first_gap(&mut cursor);
    assert_eq!(cursor.position(), gap.resumes_after);
    // The event that becomes visible now rings a bell that the next poll answers.
    publish(&hub, "a", &["three"]);
    assert_eq!(step_seqs(&mut cursor), [3]);
}

#[test]
fn the_end_of_a_topic_does_not_hide_that_something_before_it_is_gone() {
    let hub = hub_of(1);
    publish(&hub, "a", &["one"]);
    end(&hub, "a");
    publish(&hub, "b", &["three"]);
    let mut cursor = open(&hub, &["a"], resume("k3v9q2-1"));
    assert_eq!(first_gap(&mut cursor).reason, GapReason::Trimmed);
    assert!(matches!(step(&mut cursor), Some(Step::Over)));
    let from_the_tail = subscribe(&hub, &["a"], Start::Tail);
    assert!(matches!(from_the_tail, fanfare_hub::Subscribed::Over));
}

#[test]
fn a_gap_inside_a_batch_larger_than_the_history_is_told() {
    let hub = hub_of(2);
    let mut cursor = open(&hub, &["**"], Start::Tail);
    let bell = std::sync::Arc::new(Bell::default());
    assert!(poll(&mut cursor, &bell, WHOLE).is_none());
    publish(&hub, "a", &["one", "two", "three"]);
    assert_eq!(bell.rings(), 1);
    assert_eq!(first_gap(&mut cursor).reason, GapReason::Slow);
    assert_eq!(step_seqs(&mut cursor), [2, 3]);
}
