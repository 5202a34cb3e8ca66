//! Damages the files of a log in any way and opens it: whatever is on disk, nothing panics, no
//! event is given that was not published, and what is lost is told as a gap. Then the log goes on:
//! what is published is read back, also after it was closed and opened once more.
//!
//! Every seven bytes of the input are one damage: file, place, kind and a number.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use fanfare_hub::event::{Encoded, Kind};
use fanfare_hub::log::{ReadBudget, ReadRequest, Reading};
use fanfare_hub::{
    Batch, Epoch, Event, EventId, IdempotencyKey, Limits, Log, NewEvent, Retention, RetentionRules,
    Selection, Selector, Seq, Timestamp, TopicName,
};
use fanfare_log::storage::Storage;
use fanfare_log::{DiskLog, Options};
use libfuzzer_sys::fuzz_target;

use crate::testkit::disk::SimDisk;
use crate::wait::wait;

#[allow(dead_code, reason = "only a part of the disk is used here")]
#[path = "../../crates/fanfare-testkit/src"]
mod testkit {
    pub(crate) mod disk;
}
#[path = "../../crates/fanfare-log/tests/it/wait.rs"]
mod wait;

/// A log of several sealed segments and one that is not full.
struct Original {
    disk: SimDisk,
    epoch: Epoch,
    last: Seq,
    published: BTreeMap<Seq, Published>,
}

/// An event as it was published.
struct Published {
    topic: TopicName,
    /// The frame behind its id line.
    block: Vec<u8>,
    /// Whether it was still there when the log was closed.
    is_kept: bool,
}

static ORIGINAL: LazyLock<Original> = LazyLock::new(Original::new);

/// Damages of one input. More only repeat what fewer found.
const DAMAGES_MAX: usize = 32;

fuzz_target!(|input: &[u8]| {
    let original = &*ORIGINAL;
    let disk = original.disk.kill();
    input
        .chunks_exact(7)
        .take(DAMAGES_MAX)
        .for_each(|chunk| damage(&disk, chunk));
    let log = open(&disk);
    let epoch = log.epoch();
    let events = read(&log, original);
    let topic = TopicName::parse("a/1").unwrap();
    let topic = if wait(log.topic(&topic)).is_some_and(|status| status.is_ended) {
        TopicName::parse("never/ended").unwrap()
    } else {
        topic
    };
    let receipt = wait(log.append(batch(&topic, 1, "later"))).expect("the log goes on");
    assert_eq!(receipt.id.epoch, epoch);
    if epoch == original.epoch {
        assert!(receipt.id.seq > original.last, "a seq means two events");
    }
    drop(log);
    let log = open(&disk);
    assert_eq!(log.epoch(), epoch, "what was closed in good order goes on");
    let mut again = read(&log, original);
    let later = again.pop().expect("what was published is there");
    assert_eq!((later.seq, &later.topic), (receipt.id.seq, &topic));
    let seqs = |events: &[Arc<Event>]| events.iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(
        seqs(&again),
        seqs(&events),
        "nothing comes or goes by itself"
    );
});

fn options() -> Options {
    // What is left of these among the other topics is compacted.
    let busy = Retention {
        events_max: 5,
        ..Retention::UNBOUNDED
    };
    Options {
        // Small ones, so that a few hundred events fill several.
        segment_bytes: 24 << 10,
        retention: RetentionRules {
            hub: Retention::UNBOUNDED,
            topic: Retention::UNBOUNDED,
            topics: vec![(Selector::parse("busy/*").expect("a pattern"), busy)],
        },
        // Everything is read from disk.
        tail_bytes: 0,
        cache_bytes: 64 << 10,
        ..Options::default()
    }
}

fn open(disk: &SimDisk) -> DiskLog {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    DiskLog::open_on(storage, options()).expect("a damaged log opens")
}

fn batch(topic: &TopicName, events: usize, text: &str) -> Batch {
    let encoded = NewEvent::new(text);
    Batch {
        topic: topic.clone(),
        events: (0..events)
            .map(|_| (encoded.encode(), Kind::Published))
            .collect(),
        idempotency: None,
        time: Timestamp(1_000_000),
    }
}

impl Original {
    fn new() -> Self {
        let disk = SimDisk::new();
        let log = open(&disk);
        let mut published = BTreeMap::new();
        for number in 0..600_usize {
            let name = match number {
                ..300 => format!("a/{}", number % 7),
                // Little is left of what comes now.
                _ if number % 20 > 0 => format!("busy/{}", number % 3),
                _ => "a/1".to_owned(),
            };
            let topic = TopicName::parse(&name).unwrap();
            let text = format!("{number} {}", "x".repeat(number * 37 % 400));
            let mut batch = batch(&topic, 1 + number % 5 / 4 * 3, &text);
            batch.idempotency = (number % 9 == 0).then(|| IdempotencyKey {
                key: number.to_string(),
                part: 0,
                fingerprint: [number as u8; 32],
            });
            let events = batch.events.len() as u64;
            let last = wait(log.append(batch)).unwrap().id.seq.0;
            for seq in last + 1 - events..=last {
                let event = Published {
                    topic: topic.clone(),
                    block: format!("data: {text}\n\n").into_bytes(),
                    is_kept: false,
                };
                published.insert(Seq(seq), event);
            }
        }
        let ended = TopicName::parse("a/6").unwrap();
        let mut end = batch(&ended, 0, "");
        end.events.push((Encoded::end_of(&ended), Kind::End));
        wait(log.append(end)).unwrap();
        wait(log.forget(&TopicName::parse("a/5").unwrap())).unwrap();
        let (epoch, last) = (log.epoch(), log.last());
        drop(log);
        let log = open(&disk);
        assert_eq!(log.epoch(), epoch);
        for event in raw(&log).0 {
            if let Some(published) = published.get_mut(&event.seq) {
                assert_eq!(published.block, block(&event, epoch));
                published.is_kept = true;
            }
        }
        drop(log);
        Self {
            disk,
            epoch,
            last,
            published,
        }
    }
}

/// The frame behind the id line, which has to be the right one.
fn block(event: &Event, epoch: Epoch) -> &[u8] {
    let seq = event.seq;
    let id = format!("id: {epoch}-{seq}\n");
    assert!(event.frame.starts_with(id.as_bytes()), "the id of {seq}");
    assert_eq!(event.id(epoch), EventId { epoch, seq });
    &event.frame[id.len()..]
}

/// Does one damage.
fn damage(disk: &SimDisk, chunk: &[u8]) {
    let [file, place @ .., kind, number] = chunk else {
        return;
    };
    let mut names = disk.names().unwrap();
    names.sort_unstable();
    let Some(name) = names.get(usize::from(*file) % names.len().max(1)) else {
        return;
    };
    let len = disk.contents(name).map_or(0, |bytes| bytes.len());
    if len == 0 {
        return;
    }
    let place = place
        .iter()
        .fold(0, |place, byte| place << 8 | usize::from(*byte))
        % len;
    let sector = place / 512 * 512;
    match kind % 6 {
        0 => disk.corrupt(name, place, |bytes| bytes[0] ^= number.max(&1)),
        1 => disk.corrupt(name, sector, |bytes| fill(bytes, 512, 0)),
        2 => disk.corrupt(name, sector, |bytes| fill(bytes, 4096, *number)),
        3 => disk.remove(name).unwrap(),
        // A sector that was written to the wrong place.
        4 => {
            let from = usize::from(*number) * 512 % len;
            let bytes = disk.contents(name).unwrap_or_default();
            let wrong = bytes[from..len.min(from + 512)].to_vec();
            disk.corrupt(name, sector, |bytes| {
                let end = wrong.len().min(bytes.len());
                bytes[..end].copy_from_slice(&wrong[..end]);
            });
        }
        // Everything behind a place was never written.
        _ => disk.corrupt(name, sector, |bytes| bytes.fill(0)),
    }
}

fn fill(bytes: &mut [u8], len: usize, with: u8) {
    let end = len.min(bytes.len());
    bytes[..end].fill(with);
}

/// Everything there is; which events are told as missing where.
fn raw(log: &DiskLog) -> (Vec<Arc<Event>>, Vec<(Seq, Seq)>) {
    let selectors = [Selector::parse("**").unwrap()];
    let selection = Arc::new(Selection::new(selectors, &Limits::default()).unwrap());
    let (mut events, mut gaps) = (Vec::new(), Vec::new());
    let (mut after, mut trims_seen) = (Seq::ZERO, 0);
    // Each turn gets at least one event further, or tells a gap.
    for _ in 0..10_000 {
        let request = ReadRequest {
            selection: Arc::clone(&selection),
            after,
            trims_seen,
            budget: ReadBudget {
                bytes: 20_000,
                events: 64,
            },
        };
        let slice = match log.read(&request) {
            Reading::Ready(slice) => slice,
            Reading::Later(slice) => wait(slice),
        };
        assert!(slice.after >= after, "a cursor never goes back");
        if slice.missing.is_some() {
            let through = slice.events.first().map_or(slice.after, |event| event.seq);
            gaps.push((after, through));
        }
        events.extend_from_slice(&slice.events);
        let is_stuck = slice.after == after && slice.missing.is_none();
        (after, trims_seen) = (slice.after, slice.trims_seen);
        if !slice.has_more {
            return (events, gaps);
        }
        assert!(!is_stuck, "a reader at {after} gets nowhere");
    }
    panic!("reading has no end");
}

/// Reads everything, and compares it with what was published.
fn read(log: &DiskLog, original: &Original) -> Vec<Arc<Event>> {
    let epoch = log.epoch();
    let (events, gaps) = raw(log);
    assert!(events.is_sorted_by(|one, other| one.seq < other.seq));
    let kept = original
        .published
        .iter()
        .filter(|(_, published)| published.is_kept);
    let mut missing: BTreeMap<_, _> = kept.collect();
    for event in &events {
        let block = block(event, epoch);
        let Some(published) = original.published.get(&event.seq) else {
            continue;
        };
        if published.block == block {
            assert_eq!(published.topic, event.topic);
            missing.remove(&event.seq);
        } else {
            assert!(epoch != original.epoch && block == b"data: later\n\n");
        }
    }
    if epoch == original.epoch {
        for seq in missing.into_keys() {
            let is_told = gaps
                .iter()
                .any(|(from, through)| from < seq && seq <= through);
            assert!(is_told, "{seq} is lost and nobody is told");
        }
    }
    events
}
