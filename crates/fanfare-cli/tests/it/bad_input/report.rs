//! A trial: one hub, its healthy neighbours, and the lines of the report.

use std::time::Duration;

use super::hub::Hub;
use super::witness::{TOPIC, Witness};

/// How late an event of the neighbours may come while others misbehave, on a busy machine.
const LATENESS_MAX: Duration = Duration::from_secs(5);

/// One hub that is treated badly at one door.
pub(super) struct Trial {
    pub(super) hub: Hub,
    door: &'static str,
    witness: Option<Witness>,
    rss_before_kib: u64,
}

impl Trial {
    pub(super) fn at(door: &'static str) -> Self {
        Self::of(door, Hub::dev(&[""; 0]))
    }

    pub(super) fn of(door: &'static str, hub: Hub) -> Self {
        let witness = Some(Witness::of(&hub));
        let rss_before_kib = hub.rss_kib();
        Self {
            hub,
            door,
            witness,
            rss_before_kib,
        }
    }

    /// Runs one case and reports its answer.
    pub(super) fn case(&self, name: &str, run: impl FnOnce(&Hub) -> String) -> String {
        let before = self.hub.rss_kib();
        let answer = run(&self.hub);
        let after = self.hub.rss_kib();
        let (door, before, after) = (self.door, mib(before), mib(after));
        println!("| {door} | {name} | {answer} | {before} -> {after} |");
        answer
    }

    /// What memory the hub has taken since the trial began.
    pub(super) fn grown_kib(&self) -> u64 {
        self.hub.rss_kib().saturating_sub(self.rss_before_kib)
    }

    /// Ends the trial: the process lives and did not panic, it has grown by no more than that, the
    /// neighbours lost nothing, and the topics are theirs and these, with so many events.
    pub(super) fn end(mut self, grown_kib_max: u64, stored: &[(&str, u64)]) {
        let published = self.conclude(grown_kib_max);
        let seen = self.hub.events(TOPIC);
        let numbers: Vec<_> = (0..published).map(|number| number.to_string()).collect();
        let seen: Vec<_> = seen
            .iter()
            .map(|event| event["data"].as_str().unwrap())
            .collect();
        assert_eq!(seen, numbers, "what was acknowledged is kept, in order");
        let mut topics = self.hub.topics();
        topics.retain(|(topic, _)| topic != TOPIC);
        let mut stored: Vec<_> = stored
            .iter()
            .map(|(topic, count)| ((*topic).to_owned(), *count))
            .collect();
        stored.sort();
        assert_eq!(topics, stored, "what was refused is not stored");
    }

    /// Ends a trial whose history is too short to hold everything.
    pub(super) fn end_trimmed(mut self, grown_kib_max: u64) {
        self.conclude(grown_kib_max);
    }

    /// Says how many events the neighbours published, each of which they have also read.
    fn conclude(&mut self, grown_kib_max: u64) -> usize {
        let grown = self.grown_kib();
        let testimony = self.witness.take().expect("it ends once").dismiss();
        self.hub.assert_sound();
        let (door, before) = (self.door, mib(self.rss_before_kib));
        let after = mib(self.hub.rss_kib());
        let (events, slowest) = (testimony.events, testimony.slowest.as_millis());
        let neighbours = format!("neighbours: {events} events, slowest {slowest} ms");
        println!("| {door} | all of these | {neighbours} | {before} -> {after} |");
        assert!(
            grown <= grown_kib_max,
            "grew by {grown} KiB, more than {grown_kib_max}"
        );
        assert!(testimony.slowest < LATENESS_MAX, "{testimony:?}");
        testimony.events
    }
}

fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}
