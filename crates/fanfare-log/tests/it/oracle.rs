//! Goal: the log on disk answers every question as the log in memory does, whatever was done to
//! both, and goes on doing so after it was closed and opened.
//! Method: random operations on both, with segments, tail and cache so small that almost everything
//! is read from disk. A failure prints its seed; `FANFARE_SEED=N` runs that one alone.

use std::sync::Arc;
use std::time::Duration;

use fanfare_hub::event::Kind;
use fanfare_hub::log::{ReadBudget, ReadRequest, Reading};
use fanfare_hub::{
    Batch, EventId, IdempotencyKey, Limits, Log, MemoryLog, NewEvent, Resume, Retention,
    RetentionRules, Selection, Selector, Seq, Start, Timestamp, TopicName,
};
use fanfare_log::storage::Storage;
use fanfare_log::{DiskLog, Options};
use fanfare_testkit::disk::SimDisk;
use fastrand::Rng;

use crate::wait::wait;

const TOPICS: [&str; 8] = [
    "a",
    "b",
    "a/x",
    "a/y",
    "a/x/1",
    "c/x",
    "c/x/1/2",
    "long/and/lonely",
];
const SELECTIONS: [&[&str]; 10] = [
    &["a"],
    &["b"],
    &["a/x", "c/x"],
    &["**"],
    &["*"],
    &["a/*"],
    &["a/**", "b"],
    &["*/x/**"],
    &["never"],
    &["a", "b", "a/x", "a/y", "a/x/1", "c/x", "c/x/1/2"],
];

/// Both logs, and the clock.
struct Pair {
    disk: Option<DiskLog>,
    storage: Arc<SimDisk>,
    memory: MemoryLog,
    options: Options,
    now: u64,
    /// Once the log was opened anew it may tell a gap that is none, never the reverse.
    was_reopened: bool,
    rng: Rng,
}

fn retention(rng: &mut Rng) -> Retention {
    let mut retention = Retention::UNBOUNDED;
    match rng.u8(0..6) {
        0 => retention.events_max = rng.u64(0..40),
        1 => retention.bytes_max = rng.u64(0..20_000),
        2 => retention.age_max = Duration::from_secs(rng.u64(0..60)),
        _ => {}
    }
    retention
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let unbounded = Retention::UNBOUNDED;
        // Of both kinds one: within a batch that is larger than its topic may be, memory may drop
        // events of other topics for a moment's excess that the disk, which looks at whole groups,
        // never sees.
        let (hub, topic) = match rng.bool() {
            true => (retention(&mut rng), unbounded),
            false => (unbounded, retention(&mut rng)),
        };
        let some = if topic == unbounded {
            unbounded
        } else {
            retention(&mut rng)
        };
        let retention = RetentionRules {
            hub,
            topic,
            topics: vec![(Selector::parse("a/*").unwrap(), some)],
        };
        let limits = Limits {
            topics_max: if rng.u8(0..4) == 0 {
                rng.usize(1..6)
            } else {
                usize::MAX
            },
            ..Limits::default()
        };
        let options = Options {
            retention: retention.clone(),
            limits: limits.clone(),
            segment_bytes: [24 << 10, 64 << 10, 1 << 20][rng.usize(0..3)],
            tail_bytes: [0, 2_000, 50_000][rng.usize(0..3)],
            cache_bytes: [40_000, 1 << 20][rng.usize(0..2)],
            ..Options::default()
        };
        let storage = Arc::new(SimDisk::new());
        let disk = open(&storage, &options);
        Self {
            memory: MemoryLog::new(disk.epoch(), retention, &limits),
            disk: Some(disk),
            storage,
            options,
            now: 1_000_000,
            was_reopened: false,
            rng,
        }
    }

    fn disk(&self) -> &DiskLog {
        self.disk.as_ref().unwrap()
    }

    fn act(&mut self) {
        match self.rng.u8(0..60) {
            0 => self.reopen(),
            1 => self.forget(),
            2..=4 => self.trim(),
            5..=9 => self.compare_topics(),
            10..=24 => self.compare_read(),
            25..=34 => self.compare_start(),
            _ => self.publish(),
        }
    }

    fn topic(&mut self) -> TopicName {
        TopicName::parse(TOPICS[self.rng.usize(0..TOPICS.len())]).unwrap()
    }

    fn selection(&mut self) -> Arc<Selection> {
        let texts = SELECTIONS[self.rng.usize(0..SELECTIONS.len())];
        let selectors = texts.iter().map(|text| Selector::parse(text).unwrap());
        Arc::new(Selection::new(selectors, &Limits::default()).unwrap())
    }

    fn publish(&mut self) {
        self.now += self.rng.u64(0..2_000);
        if self.rng.u8(0..40) == 0 {
            self.now = self
                .now
                .saturating_add_signed([-5_000, 3_600_000][self.rng.usize(0..2)]);
        }
        let topic = self.topic();
        let ends = self.rng.u8(0..60) == 0;
        let count = if self.rng.u8(0..8) == 0 {
            self.rng.usize(2..40)
        } else {
            1
        };
        let texts: Vec<_> = (0..count)
            .map(|_| "x".repeat(self.rng.usize(0..600)))
            .collect();
        let key = (self.rng.u8(0..10) == 0).then(|| IdempotencyKey {
            key: self.rng.u8(0..20).to_string(),
            part: 0,
            fingerprint: [self.rng.u8(0..2); 32],
        });
        let batch = || {
            let events = texts.iter();
            let mut events: Vec<_> = events
                .map(|text| (NewEvent::new(text.as_str()).encode(), Kind::Published))
                .collect();
            if ends {
                events.push((fanfare_hub::event::Encoded::end_of(&topic), Kind::End));
            }
            Batch {
                topic: topic.clone(),
                events,
                idempotency: key.clone(),
                time: Timestamp(self.now),
            }
        };
        let stored = wait(self.disk().append(batch()));
        let expected = wait(self.memory.append(batch()));
        let essence =
            |receipt: fanfare_hub::Receipt| (receipt.id, receipt.count, receipt.is_replayed);
        assert_eq!(stored.map(essence), expected.map(essence));
        self.settle();
        self.compare_topics();
    }

    /// Waits until retention was applied to what was published.
    fn settle(&self) {
        let nothing = TopicName::parse("nothing/ever/here").unwrap();
        // The first may be taken in together with what it waits for, the second is not.
        for _ in 0..2 {
            assert_eq!(wait(self.disk().forget(&nothing)), Ok(0));
        }
    }

    fn forget(&mut self) {
        let topic = self.topic();
        let dropped = wait(self.disk().forget(&topic));
        assert_eq!(dropped, wait(self.memory.forget(&topic)));
        self.settle();
    }

    fn trim(&mut self) {
        self.now += self.rng.u64(0..20_000);
        self.disk().trim(Timestamp(self.now));
        self.memory.trim(Timestamp(self.now));
        self.settle();
    }

    fn reopen(&mut self) {
        let epoch = self.disk().epoch();
        self.disk = None;
        self.disk = Some(open(&self.storage, &self.options));
        assert_eq!(self.disk().epoch(), epoch, "a log that was closed goes on");
        self.was_reopened = true;
        // What is too old goes at the next tick.
        self.trim();
    }

    fn compare_topics(&mut self) {
        let found = wait(self.disk().topics(None, usize::MAX));
        let expected = wait(self.memory.topics(None, usize::MAX));
        assert_eq!(found, expected);
        assert_eq!(self.disk().last(), self.memory.last());
    }

    fn compare_start(&mut self) {
        let last = self.memory.last().0;
        let start = match self.rng.u8(0..7) {
            0 => Start::Tail,
            1 => Start::All,
            2 => Start::Last(self.rng.u64(0..50)),
            3 => Start::Since(Duration::from_secs(self.rng.u64(0..100))),
            4 => Start::Resume(Resume::parse("urn:uuid:1")),
            _ => Start::Resume(Resume::After(EventId {
                epoch: self.memory.epoch(),
                seq: Seq(self.rng.u64(0..last + 3)),
            })),
        };
        let selection = self.selection();
        let now = Timestamp(self.now);
        let found = wait(self.disk().locate(&selection, &start, now));
        let expected = wait(self.memory.locate(&selection, &start, now));
        if self.was_reopened && expected.gap.is_none() && found.gap.is_some() {
            return;
        }
        let essence =
            |located: fanfare_hub::log::Located| (located.after, located.gap, located.is_over);
        assert_eq!(essence(found), essence(expected), "{selection:?} {start:?}");
    }

    fn compare_read(&mut self) {
        let selection = self.selection();
        let after = Seq(self.rng.u64(0..self.memory.last().0 + 2));
        let (found, found_missing) = read_all(self.disk(), &selection, after);
        let (expected, missing) = read_all(&self.memory, &selection, after);
        assert_eq!(found, expected, "{selection:?} after {after:?}");
        if self.was_reopened {
            assert!(found_missing || !missing, "a gap is told");
        } else {
            assert_eq!(found_missing, missing, "{selection:?} after {after:?}");
        }
    }
}

/// An event as it was read: its seq, topic, time and frame.
type Read = (Seq, String, Timestamp, Vec<u8>);

/// Everything after a place: seq, topic, time and frame, and whether a gap was told.
fn read_all(log: &dyn Log, selection: &Arc<Selection>, after: Seq) -> (Vec<Read>, bool) {
    let mut request = ReadRequest {
        selection: Arc::clone(selection),
        after,
        trims_seen: 0,
        budget: ReadBudget {
            bytes: 5_000,
            events: 9,
        },
    };
    let (mut events, mut missing) = (Vec::new(), false);
    loop {
        let slice = match log.read(&request) {
            Reading::Ready(slice) => slice,
            Reading::Later(slice) => wait(slice),
        };
        assert!(slice.after >= request.after, "a cursor never falls");
        missing |= slice.missing.is_some();
        events.extend(slice.events.iter().map(|event| {
            (
                event.seq,
                event.topic.to_string(),
                event.time,
                event.frame.to_vec(),
            )
        }));
        if slice.events.is_empty() && !slice.has_more {
            return (events, missing);
        }
        request.after = slice.after;
        request.trims_seen = slice.trims_seen;
    }
}

fn open(storage: &Arc<SimDisk>, options: &Options) -> DiskLog {
    let storage: Arc<dyn Storage> = Arc::<SimDisk>::clone(storage);
    DiskLog::open_on(storage, options.clone()).unwrap()
}

#[test]
fn the_disk_answers_as_memory_does() {
    let one = std::env::var("FANFARE_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    let seeds = one.map_or(0..60, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let mut pair = Pair::new(seed);
            for _ in 0..400 {
                pair.act();
            }
        });
        assert!(run.is_ok(), "failed with FANFARE_SEED={seed}");
    }
}
