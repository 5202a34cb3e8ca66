//! Whether a damaged log still keeps its word: right bytes or a gap, nothing good lost, no id that
//! means something else than before, and a start each time.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fanfare_hub::event::Kind;
use fanfare_hub::log::Batch;
use fanfare_hub::{EventId, GapReason, Hub, Limits, NewEvent, Selector, Seq, TopicName};
use fanfare_log::DiskLog;
use fanfare_testkit::disk::SimDisk;
use fastrand::Rng;

use super::harm::Harm;
use super::scene::{NOW, Scene, TOPICS, options};
use super::witness::{Seen, Told, read};

/// What became of one damage.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Events that are gone.
    pub(crate) missing: u64,
    pub(crate) is_new_epoch: bool,
    pub(crate) breaches: Vec<String>,
}

/// The topic of an event that is published after the damage; no other test reads it.
const AFTERWARDS: &str = "afterwards";

/// Opens the damaged log, reads it in every way, goes on with it, and opens it once more.
pub(crate) async fn judge(scene: &Scene, harm: &Harm, rng: &mut Rng) -> Verdict {
    let mut verdict = Verdict::default();
    let disk = harm.apply(scene);
    let Some(hub) = open(&disk, &mut verdict) else {
        return verdict;
    };
    verdict.is_new_epoch = hub.log().epoch() != scene.epoch;
    let before = read(&hub, "**", None).await;
    let Some(before) = before else {
        verdict
            .breaches
            .push("reading everything never ends".to_owned());
        return verdict;
    };
    let mut case = Case {
        scene,
        harm,
        epoch_is_new: verdict.is_new_epoch,
        hub: &hub,
        breaches: Vec::new(),
    };
    case.read_all(rng).await;
    verdict.breaches.append(&mut case.breaches);
    let kept: HashSet<_> = events(&before).map(|seen| seen.seq).collect();
    let missing = scene.events.iter().filter(|seen| !kept.contains(&seen.seq));
    verdict.missing = missing.count() as u64;
    let Some(added) = go_on(scene, &hub, &mut verdict).await else {
        return verdict;
    };
    drop(hub);
    if let Some(hub) = open(&disk, &mut verdict) {
        let again = read(&hub, "**", None).await.unwrap_or_default();
        let again: Vec<_> = events(&again).map(|seen| seen.seq).collect();
        let mut expected: Vec<_> = events(&before).map(|seen| seen.seq).collect();
        expected.push(added);
        if again != expected {
            let lost = expected.iter().filter(|seq| !again.contains(seq));
            let lost: Vec<_> = lost.collect();
            verdict
                .breaches
                .push(format!("another start lost {lost:?}"));
        }
    }
    verdict
}

fn open(disk: &SimDisk, verdict: &mut Verdict) -> Option<Hub> {
    let storage = Arc::new(disk.clone());
    let opened = catch_unwind(AssertUnwindSafe(|| DiskLog::open_on(storage, options())));
    match opened {
        Ok(Ok(log)) => Some(Hub::new(Arc::new(log), Limits::default())),
        Ok(Err(error)) => {
            verdict.breaches.push(format!("it does not open: {error}"));
            None
        }
        Err(_panic) => {
            verdict
                .breaches
                .push("it panics when it is opened".to_owned());
            None
        }
    }
}

/// Publishes one more event. An id that was given out before must not come again.
async fn go_on(scene: &Scene, hub: &Hub, verdict: &mut Verdict) -> Option<Seq> {
    let batch = Batch {
        topic: TopicName::parse(AFTERWARDS).unwrap(),
        events: vec![(NewEvent::new("more").encode(), Kind::Published)],
        idempotency: None,
        time: NOW,
    };
    let id = match hub.log().append(batch).await {
        Ok(receipt) => receipt.id,
        Err(error) => {
            verdict.breaches.push(format!("it takes no event: {error}"));
            return None;
        }
    };
    let last = scene.events.last().map_or(Seq::ZERO, |seen| seen.seq);
    // What nothing on disk says was acknowledged may have been a write that was cut short.
    let is_used = id.seq <= last && id.seq < scene.in_doubt_from;
    if id.epoch == scene.epoch && is_used {
        verdict.breaches.push(format!("{id} was given out before"));
    }
    Some(id.seq)
}

fn events(told: &[Told]) -> impl Iterator<Item = &Seen> {
    told.iter().filter_map(|told| match told {
        Told::Event(seen) => Some(seen),
        Told::Gap(_) => None,
    })
}

/// Readers of one damaged log.
struct Case<'a> {
    scene: &'a Scene,
    harm: &'a Harm,
    epoch_is_new: bool,
    hub: &'a Hub,
    breaches: Vec<String>,
}

impl Case<'_> {
    /// From the oldest event on, and from positions that were given out before the damage.
    async fn read_all(&mut self, rng: &mut Rng) {
        let last = self.scene.events.len() as u64;
        for selector in TOPICS.into_iter().chain(["**", "c/*"]) {
            self.read(selector, None).await;
            self.read(selector, Some(rng.u64(0..=last))).await;
        }
        for after in [0, 1, rng.u64(0..=last), rng.u64(0..=last), last] {
            self.read("**", Some(after)).await;
        }
    }

    async fn read(&mut self, selector: &str, after: Option<u64>) {
        let epoch = self.scene.epoch;
        let id = after.map(|seq| EventId {
            epoch,
            seq: Seq(seq),
        });
        let before = self.breaches.len();
        match read(self.hub, selector, id).await {
            Some(told) => self.compare(selector, after, &told),
            None => self.breaches.push("reading never ends".to_owned()),
        }
        for breach in &mut self.breaches[before..] {
            breach.push_str(&format!(" (reading {selector} after {after:?})"));
        }
    }

    fn compare(&mut self, selector: &str, after: Option<u64>, told: &[Told]) {
        let selects = Selector::parse(selector).unwrap();
        let start = after.unwrap_or_default();
        let expected = self.scene.events.iter().filter(|seen| {
            seen.seq.0 > start && selects.matches(&TopicName::parse(&seen.topic).unwrap())
        });
        let mut expected = expected.peekable();
        // Without a position nothing before the first event was asked for.
        let mut is_told = after.is_none();
        let (mut has_new_start, mut has_new_epoch) = (false, false);
        for told in told {
            let seen = match told {
                Told::Gap(reason) => {
                    is_told = true;
                    has_new_epoch |= *reason == GapReason::Epoch;
                    // A position that means nothing any more leads to the oldest event.
                    has_new_start |= matches!(reason, GapReason::Epoch | GapReason::Future);
                    continue;
                }
                Told::Event(seen) => seen,
            };
            while let Some(missing) = expected.next_if(|event| event.seq < seen.seq) {
                self.miss(missing.seq, is_told);
            }
            match expected.next_if(|event| event.seq == seen.seq) {
                Some(event) => self.check_event(event, seen),
                None if has_new_start && seen.seq.0 <= start => {}
                None => self
                    .breaches
                    .push(format!("nobody published {:?}", seen.seq)),
            }
            is_told = false;
        }
        if after.is_some() && self.epoch_is_new && !has_new_epoch {
            self.breaches
                .push("an id of another epoch was taken".to_owned());
        }
        for missing in expected {
            let is_in_doubt = missing.seq >= self.scene.in_doubt_from;
            self.miss(
                missing.seq,
                is_told || has_new_start || is_in_doubt || after.is_none(),
            );
        }
    }

    fn miss(&mut self, seq: Seq, is_told: bool) {
        let is_in_doubt = seq >= self.scene.in_doubt_from;
        if !self.harm.may_cost(self.scene, seq) && !is_in_doubt {
            self.breaches
                .push(format!("{seq:?} is gone and was not touched"));
        } else if !is_told {
            self.breaches
                .push(format!("{seq:?} is gone and nobody says so"));
        }
    }

    fn check_event(&mut self, event: &Seen, seen: &Seen) {
        if (&event.topic, &event.data) != (&seen.topic, &seen.data) {
            self.breaches
                .push(format!("{:?} has other bytes", seen.seq));
        }
        let id = EventId {
            epoch: self.hub.log().epoch(),
            seq: seen.seq,
        };
        let line = format!("id: {id}\n");
        if !seen.frame.starts_with(line.as_bytes()) {
            self.breaches
                .push(format!("the frame of {id} has another id"));
        }
    }
}
