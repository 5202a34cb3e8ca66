//! What threads of Fanfare share without a lock, tried in every order in which they can meet, by
//! [loom](https://docs.rs/loom): the sources are those of the crates, with loom's types in the place
//! of the standard library's.
//!
//! `cargo xtask test --only models` runs them.
#![cfg(test)]

#[path = "../../crates/fanfare-delivery/src/alarm.rs"]
mod alarm;

/// What `alarm` shares.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU8, Ordering};
}

use loom::sync::{Arc, Mutex};
use loom::thread;

use alarm::Alarm;

/// A shard, as those see it who tell it something.
#[derive(Default)]
struct Shard {
    alarm: Alarm,
    mail: Mutex<u32>,
    /// How often its eventfd was written: one time wakes it.
    written: Mutex<u32>,
}

impl Shard {
    fn post(&self) {
        *self.mail.lock().unwrap() += 1;
        if self.alarm.ring() {
            *self.written.lock().unwrap() += 1;
        }
    }

    fn take(&self) -> u32 {
        std::mem::take(&mut *self.mail.lock().unwrap())
    }
}

/// Two threads tell a shard something while it works; then it sleeps if it may. Nothing may be left
/// for one that sleeps and that nobody wakes.
fn two_post_to(turn: impl Fn(&Shard) + Sync + Send + 'static) {
    loom::model(move || {
        let shard = Arc::new(Shard::default());
        let posting = [0, 1].map(|_| {
            let shard = Arc::clone(&shard);
            thread::spawn(move || shard.post())
        });
        turn(&shard);
        let sleeps = shard.alarm.may_sleep();
        for thread in posting {
            thread.join().unwrap();
        }
        let is_woken = *shard.written.lock().unwrap() > 0;
        let is_slept_through = sleeps && !is_woken && shard.take() > 0;
        assert!(!is_slept_through, "slept through");
    });
}

#[test]
fn nobody_who_rings_is_slept_through() {
    two_post_to(|shard| {
        shard.alarm.begin_turn();
        shard.take();
    });
}

/// That the model notices: what comes between a look and the turn that begins after it is lost.
#[test]
#[should_panic(expected = "slept through")]
fn a_shard_that_looks_before_its_turn_begins_sleeps_through_it() {
    two_post_to(|shard| {
        shard.take();
        shard.alarm.begin_turn();
    });
}
