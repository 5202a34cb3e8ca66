//! Patterns that select more topics than are merged, and events that lie farther apart than one
//! turn looks: the ways of reading and finding differ, what is told does not.

use std::time::Duration;

use fanfare_hub::limits::{MERGE_TOPICS_MAX, SCAN_EVENTS_MAX};
use fanfare_hub::{
    EventId, ReadBudget, Resume, Retention, RetentionRules, Selector, Seq, Start, Timestamp,
};

use crate::fixture::{WHOLE, epoch, select, topic};
use crate::world::World;

const FEW: ReadBudget = ReadBudget {
    events: 7,
    bytes: usize::MAX,
};

const MANY: ReadBudget = ReadBudget {
    events: 1_000,
    bytes: usize::MAX,
};

fn unbounded() -> RetentionRules {
    RetentionRules {
        hub: Retention::UNBOUNDED,
        topic: Retention::UNBOUNDED,
        topics: Vec::new(),
    }
}

fn publish(world: &mut World, name: &str, count: usize) {
    let texts: Vec<String> = (0..count).map(|number| format!("text {number}")).collect();
    world.publish(&topic(name), &texts, false, None);
    world.now = Timestamp(world.now.0 + 10);
}

/// Publishes to more topics `many/N` than are merged, one event each.
fn publish_many(world: &mut World) {
    for number in 0..=MERGE_TOPICS_MAX {
        publish(world, &format!("many/{number}"), 1);
    }
}

fn after(seq: u64) -> Start {
    Start::Resume(Resume::After(EventId {
        epoch: epoch(),
        seq: Seq(seq),
    }))
}

const DISTANCE: usize = SCAN_EVENTS_MAX + 500;

/// Many topics, then one loud topic for longer than a turn looks, twice; then many again.
fn loud_world() -> World {
    let mut world = World::new(unbounded(), usize::MAX);
    publish(&mut world, "few/a", 3);
    publish_many(&mut world);
    publish(&mut world, "loud", DISTANCE);
    publish(&mut world, "few/b", 1);
    publish(&mut world, "loud", DISTANCE);
    publish(&mut world, "few/a", 2);
    publish_many(&mut world);
    world
}

const SELECTIONS: [&[&str]; 7] = [
    &["few/a"],
    &["few/a", "few/b"],
    &["few/*"],
    &["many/*"],
    &["many/*", "few/**"],
    &["*/7", "few/b", "many/*"],
    &["**"],
];

#[test]
fn every_start_finds_its_place_over_long_distances() {
    let mut world = loud_world();
    let last = world.hub.log().last().0;
    let spans = [0, 100, 2_000, 4_000, 8_000].map(Duration::from_millis);
    let starts = [Start::Tail, Start::All]
        .into_iter()
        .chain([0, 1, 2, 5, 300, 1_000, u64::MAX].map(Start::Last))
        .chain(spans.map(Start::Since))
        .chain([0, 2, 200, 300, 4_000, last - 300, last - 1, last].map(after));
    for start in starts {
        for selection in SELECTIONS {
            world.subscribe(&select(selection), &start);
            world.page(&select(selection), &start, FEW);
        }
    }
    world.finish(MANY);
}

#[test]
fn a_turn_that_finds_nothing_asks_for_another() {
    let mut world = loud_world();
    for selection in SELECTIONS {
        world.subscribe(&select(selection), &Start::Tail);
    }
    for nth in 0..SELECTIONS.len() {
        world.poll(nth, WHOLE);
    }
    publish(&mut world, "loud", DISTANCE);
    publish(&mut world, "many/7", 1);
    publish(&mut world, "few/a", 1);
    world.finish(MANY);
}

#[test]
fn a_loss_in_one_of_many_topics_is_told() {
    let mut world = World::new(unbounded(), usize::MAX);
    publish_many(&mut world);
    for selection in SELECTIONS {
        world.subscribe(&select(selection), &after(0));
        world.subscribe(&select(selection), &Start::Tail);
    }
    publish_many(&mut world);
    world.forget(&topic("many/200"));
    publish_many(&mut world);
    world.forget(&topic("many/3"));
    for nth in 0..world.followers.len() {
        world.poll(nth, FEW);
    }
    world.forget(&topic("many/256"));
    for seq in [0, 200, 201, 250, 500, 600, 700] {
        world.subscribe(&select(&["many/*"]), &after(seq));
    }
    world.finish(MANY);
}

#[test]
fn topics_that_keep_their_newest_event_have_gaps_of_their_own() {
    let newest = Retention {
        events_max: 1,
        ..Retention::UNBOUNDED
    };
    let mut world = World::new(
        RetentionRules {
            topics: vec![(Selector::parse("many/*").unwrap(), newest)],
            ..unbounded()
        },
        usize::MAX,
    );
    publish_many(&mut world);
    for selection in SELECTIONS {
        world.subscribe(&select(selection), &Start::Tail);
        world.subscribe(&select(selection), &Start::All);
    }
    publish(&mut world, "few/a", 2);
    publish(&mut world, "many/3", 1);
    for nth in 0..world.followers.len() {
        world.poll(nth, FEW);
        world.resume(nth, nth);
    }
    publish(&mut world, "loud", DISTANCE);
    publish(&mut world, "many/5", 2);
    for seq in [0, 4, 257, 258, 260, 261] {
        for selection in SELECTIONS {
            world.subscribe(&select(selection), &after(seq));
        }
    }
    world.finish(MANY);
}
