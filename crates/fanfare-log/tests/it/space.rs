//! The disk gets back what retention drops, also where a quiet topic is kept among busy ones.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fanfare_hub::event::Kind;
use fanfare_hub::log::{ReadBudget, ReadRequest, Reading};
use fanfare_hub::{
    Batch, Limits, Log, NewEvent, Retention, RetentionRules, Selection, Selector, Seq, Timestamp,
    TopicName,
};
use fanfare_log::storage::Storage;
use fanfare_log::{DiskLog, Options};
use fanfare_testkit::disk::SimDisk;

use crate::wait::wait;

const SEGMENT: u64 = 256 << 10;

fn open(storage: &Arc<SimDisk>) -> DiskLog {
    let busy = Retention {
        events_max: 10,
        ..Retention::UNBOUNDED
    };
    let options = Options {
        retention: RetentionRules {
            hub: Retention::UNBOUNDED,
            topic: Retention::UNBOUNDED,
            topics: vec![(Selector::parse("busy/*").unwrap(), busy)],
        },
        segment_bytes: SEGMENT,
        tail_bytes: 10_000,
        ..Options::default()
    };
    let storage: Arc<dyn Storage> = Arc::<SimDisk>::clone(storage);
    DiskLog::open_on(storage, options).unwrap()
}

fn publish(log: &DiskLog, topic: &str, text: &str) -> Seq {
    let batch = Batch {
        topic: TopicName::parse(topic).unwrap(),
        events: vec![(NewEvent::new(text).encode(), Kind::Published)],
        idempotency: None,
        time: Timestamp(1),
    };
    wait(log.append(batch)).unwrap().id.seq
}

/// The seqs of everything that is kept of a topic, and whether a gap was told.
fn read(log: &DiskLog, topic: &str) -> (Vec<Seq>, bool) {
    let selectors = [Selector::parse(topic).unwrap()];
    let mut request = ReadRequest {
        selection: Arc::new(Selection::new(selectors, &Limits::default()).unwrap()),
        after: Seq::ZERO,
        trims_seen: 0,
        budget: ReadBudget {
            bytes: 100_000,
            events: 100,
        },
    };
    let (mut seqs, mut is_gap_told) = (Vec::new(), false);
    loop {
        let slice = match log.read(&request) {
            Reading::Ready(slice) => slice,
            Reading::Later(slice) => wait(slice),
        };
        is_gap_told |= slice.missing.is_some();
        seqs.extend(slice.events.iter().map(|event| event.seq));
        if !slice.has_more {
            return (seqs, is_gap_told);
        }
        (request.after, request.trims_seen) = (slice.after, slice.trims_seen);
    }
}

#[test]
fn a_quiet_topic_does_not_keep_busy_ones_on_disk() {
    let storage = Arc::new(SimDisk::new());
    let log = open(&storage);
    let text = "x".repeat(1_000);
    let mut quiet = Vec::new();
    for round in 0..40 {
        quiet.push(publish(&log, "quiet", "kept"));
        for number in 0..250 {
            publish(&log, &format!("busy/{}", (round + number) % 7), &text);
        }
    }
    // Ten megabytes went through; what is kept are some dozens of kilobytes.
    let deadline = Instant::now() + Duration::from_secs(20);
    while log.disk_bytes() > 6 * SEGMENT {
        assert!(
            Instant::now() < deadline,
            "{} bytes on disk",
            log.disk_bytes()
        );
        publish(&log, "busy/0", &text);
        thread::yield_now();
    }
    let check = |log: &DiskLog| {
        assert_eq!(read(log, "quiet"), (quiet.clone(), false));
        let (busy, is_gap_told) = read(log, "busy/3");
        assert_eq!((busy.len(), is_gap_told), (10, true));
    };
    check(&log);
    let epoch = log.epoch();
    drop(log);
    let log = open(&storage);
    assert_eq!(log.epoch(), epoch);
    assert!(log.disk_bytes() <= 6 * SEGMENT);
    check(&log);
    let after_a_kill = Arc::new(storage.kill());
    drop(log);
    check(&open(&after_a_kill));
}
