//! Goal: whatever is done to a hub, in whatever order, it does what the naive model does.
//! Method: random operations on both (proptest), every step of every cursor compared, and all
//! transcripts looked at in the end. A failure prints the shortest such run and its seed;
//! `PROPTEST_CASES=10000` looks longer.

use std::time::Duration;

use fanfare_hub::{
    EventId, ReadBudget, Resume, Retention, RetentionRules, Selector, Seq, Start, Timestamp,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select as any_of, subsequence};

use crate::fixture::{epoch, select, topic};
use crate::world::{Key, World};

const TOPICS: [&str; 7] = ["a", "b", "a/x", "a/y", "a/x/1", "c/x", "c/x/1/2"];
const SELECTORS: [&str; 12] = [
    "a", "b", "a/x", "a/x/1", "never", "*", "**", "a/*", "a/**", "*/x", "*/x/**", "c/*",
];

const TEN_YEARS: i64 = 315_360_000_000;

#[derive(Clone, Debug)]
enum Op {
    Publish(&'static str, Vec<String>, bool, Option<Key>),
    Forget(&'static str),
    /// The clock goes on or back by so many milliseconds.
    Clock(i64),
    Trim,
    Subscribe(Vec<&'static str>, Start),
    /// Several polls of one cursor, each with its own budget.
    Poll(usize, Vec<(usize, usize)>),
    Page(Vec<&'static str>, Start, (usize, usize)),
    Resume(usize, Index),
    Close(usize),
}

fn start() -> impl Strategy<Value = Start> {
    let after = |epoch, seq| {
        Start::Resume(Resume::After(EventId {
            epoch,
            seq: Seq(seq),
        }))
    };
    let other = fanfare_hub::Epoch::from_entropy(1);
    prop_oneof![
        2 => Just(Start::Tail),
        2 => Just(Start::All),
        2 => (0_u64..12).prop_map(Start::Last),
        1 => Just(Start::Last(u64::MAX)),
        2 => (0_u64..40).prop_map(|seconds| Start::Since(Duration::from_secs(seconds))),
        1 => Just(Start::Since(Duration::MAX)),
        5 => (0_u64..60).prop_map(move |seq| after(epoch(), seq)),
        1 => (0_u64..60).prop_map(move |seq| after(other, seq)),
        1 => Just(after(epoch(), u64::MAX)),
        1 => any_of(&["earliest", "urn:uuid:1", "two words", "", "k3v9q2-007"][..])
            .prop_map(|text| Start::Resume(Resume::parse(text))),
    ]
}

fn selectors() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        any_of(&SELECTORS[..]).prop_map(|selector| vec![selector]),
        subsequence(&SELECTORS[..], 1..5),
    ]
}

fn budget() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![
        Just((usize::MAX, usize::MAX)),
        (0_usize..300, Just(usize::MAX)),
        (Just(usize::MAX), 0_usize..6),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let texts = vec("[a-z]{0,30}[.]", 1..4);
    let key = option::weighted(0.15, (0_u8..2, 0_u64..2, 0_u8..2));
    prop_oneof![
        20 => (any_of(&TOPICS[..]), texts, key)
            .prop_map(|(name, texts, key)| Op::Publish(name, texts, false, key)),
        1 => (any_of(&TOPICS[..]), vec("[a-z]", 0..2))
            .prop_map(|(name, texts)| Op::Publish(name, texts, true, None)),
        2 => any_of(&TOPICS[..]).prop_map(Op::Forget),
        4 => (0_i64..12_000).prop_map(Op::Clock),
        2 => any_of(&[-1_i64, -1_000, -1_001, -3_600_000, TEN_YEARS, -TEN_YEARS][..]).prop_map(Op::Clock),
        3 => Just(Op::Trim),
        6 => (selectors(), start()).prop_map(|(selectors, start)| Op::Subscribe(selectors, start)),
        20 => (any::<usize>(), vec(budget(), 1..4)).prop_map(|(nth, budgets)| Op::Poll(nth, budgets)),
        4 => (selectors(), start(), budget())
            .prop_map(|(selectors, start, budget)| Op::Page(selectors, start, budget)),
        4 => (any::<usize>(), any::<Index>()).prop_map(|(nth, index)| Op::Resume(nth, index)),
        1 => any::<usize>().prop_map(Op::Close),
    ]
}

fn retention() -> impl Strategy<Value = Retention> {
    let unbounded = Retention::UNBOUNDED;
    prop_oneof![
        2 => Just(unbounded),
        2 => (0_u64..12).prop_map(move |events_max| Retention { events_max, ..unbounded }),
        1 => (0_u64..3_000).prop_map(move |bytes_max| Retention { bytes_max, ..unbounded }),
        1 => (0_u64..20).prop_map(move |seconds| Retention {
            age_max: Duration::from_secs(seconds),
            ..unbounded
        }),
        1 => (1_u64..12, 500_u64..3_000, 5_u64..20).prop_map(|(events_max, bytes_max, seconds)| {
            let age_max = Duration::from_secs(seconds);
            Retention { age_max, events_max, bytes_max }
        }),
    ]
}

fn rules() -> impl Strategy<Value = RetentionRules> {
    let selector = any_of(&["a/*", "a/**", "b", "*/x/**"][..]);
    let topics = vec((selector, retention()), 0..3);
    (retention(), retention(), topics).prop_map(|(hub, topic, topics)| RetentionRules {
        hub,
        topic,
        topics: topics
            .into_iter()
            .map(|(text, retention)| (Selector::parse(text).unwrap(), retention))
            .collect(),
    })
}

fn budget_of((bytes, events): (usize, usize)) -> ReadBudget {
    ReadBudget { bytes, events }
}

fn run(world: &mut World, op: &Op) {
    match op {
        Op::Publish(name, texts, ends_topic, key) => {
            world.publish(&topic(name), texts, *ends_topic, *key);
        }
        Op::Forget(name) => world.forget(&topic(name)),
        Op::Clock(step) => {
            let now = world.now.0.saturating_add_signed(*step);
            world.now = Timestamp(now);
        }
        Op::Trim => world.trim(),
        Op::Subscribe(selectors, start) => world.subscribe(&select(selectors), start),
        Op::Poll(nth, budgets) => {
            for &budget in budgets {
                world.poll(*nth, budget_of(budget));
            }
        }
        Op::Page(selectors, start, budget) => {
            world.page(&select(selectors), start, budget_of(*budget));
        }
        Op::Resume(nth, index) => world.resume(*nth, index.index(1 << 16)),
        Op::Close(nth) => world.close(*nth),
    }
}

proptest! {
    #[test]
    fn the_hub_does_what_the_model_does(
        rules in rules(),
        topics_max in prop_oneof![4 => Just(usize::MAX), 1 => 1_usize..6],
        ops in vec(op(), 1..120),
    ) {
        let mut world = World::new(rules, topics_max);
        for op in &ops {
            run(&mut world, op);
        }
        world.finish(budget_of((usize::MAX, 3)));
    }
}
