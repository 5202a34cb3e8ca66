//! The log before the damage: its events, its disk, and where its parts lie in the files.

use std::ops::Range;
use std::sync::Arc;

use fanfare_hub::event::Kind;
use fanfare_hub::log::Batch;
use fanfare_hub::{
    Epoch, Hub, IdempotencyKey, Limits, NewEvent, RetentionRules, Seq, Timestamp, TopicName,
};
use fanfare_log::{DiskLog, Options};
use fanfare_testkit::disk::SimDisk;
use fanfare_testkit::until;
use fastrand::Rng;

use super::harm::Place;
use super::witness::{Seen, everything};

/// Six topics, of which patterns select some.
pub(crate) const TOPICS: [&str; 6] = ["a", "b", "c/x", "c/y", "d", "rare"];

/// How the log was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Closed in good order.
    Stopped,
    /// The process was killed.
    Killed,
}

impl End {
    pub(crate) const ALL: [Self; 2] = [Self::Stopped, Self::Killed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Killed => "killed",
        }
    }
}

/// A log that was left, and everything that is known of it.
pub(crate) struct Scene {
    pub(crate) end: End,
    pub(crate) disk: SimDisk,
    pub(crate) epoch: Epoch,
    /// All events, oldest first.
    pub(crate) events: Vec<Seen>,
    pub(crate) records: Vec<Record>,
    /// Parts of the files by kind.
    pub(crate) parts: Vec<(Place, String, Range<usize>)>,
    /// From here on an event may be taken for a write that was cut short, since nothing on disk
    /// says that it was acknowledged.
    pub(crate) in_doubt_from: Seq,
}

/// One record: what was stored whole.
pub(crate) struct Record {
    pub(crate) file: String,
    pub(crate) bytes: Range<usize>,
    pub(crate) seqs: Range<u64>,
}

/// So many records make several segments of the size below.
const RECORDS: usize = 300;
/// Small, so that a case takes milliseconds, and large enough for some forty records.
const SEGMENT_BYTES: u64 = 64 << 10;
/// The last records of a log that is killed, right after which it is. Of these and no others the
/// mark may know nothing.
const RECORDS_IN_DOUBT: usize = 10;
/// Bytes before the first record of a segment.
const SEGMENT_HEADER: usize = 4096;
/// Bytes before the frame of an event that belong to it.
const EVENT_HEADER: usize = 20;
/// Bytes at the end of a sealed segment that say where its index lies.
const TRAILER: usize = 4096;
/// Any moment will do.
pub(crate) const NOW: Timestamp = Timestamp(1_763_680_000_000);

/// Options that every log of the campaign is opened with.
pub(crate) fn options() -> Options {
    let mut retention = RetentionRules::default();
    retention.hub.events_max = u64::MAX;
    Options {
        retention,
        limits: Limits::default(),
        segment_bytes: SEGMENT_BYTES,
        // Little, so that most is read from the disk and not from memory.
        tail_bytes: 8 << 10,
        cache_bytes: 256 << 10,
        ..Options::default()
    }
}

impl Scene {
    pub(crate) async fn new(end: End, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let disk = SimDisk::new();
        let log = DiskLog::open_on(Arc::new(disk.clone()), options()).expect("an empty disk");
        let hub = Hub::new(Arc::new(log), Limits::default());
        let mut ends = Vec::new();
        for number in 0..RECORDS {
            if number == RECORDS - RECORDS_IN_DOUBT {
                settle(&disk).await;
            }
            let receipt = hub
                .log()
                .append(batch(number, &mut rng))
                .await
                .expect("room");
            ends.push((receipt.id.seq.0, receipt.count));
        }
        let in_doubt = ends[RECORDS - RECORDS_IN_DOUBT];
        let epoch = hub.log().epoch();
        let (left, events) = match end {
            End::Killed => {
                let left = disk.kill();
                (left, everything(&hub).await)
            }
            End::Stopped => {
                let events = everything(&hub).await;
                drop(hub);
                (disk.kill(), events)
            }
        };
        let mut scene = Self {
            end,
            disk: left,
            epoch,
            events,
            records: Vec::new(),
            parts: Vec::new(),
            in_doubt_from: match end {
                End::Killed => Seq(in_doubt.0 - in_doubt.1 + 1),
                End::Stopped => Seq(u64::MAX),
            },
        };
        scene.find_parts(&ends);
        scene
    }

    /// Finds every record by the frames of its events, which lie in the files as readers get them.
    fn find_parts(&mut self, ends: &[(u64, u64)]) {
        let mut files = scene_names(&self.disk);
        files.retain(|name| name.ends_with(".seg"));
        files.reverse();
        let mut walk = Walk {
            file: String::new(),
            bytes: Vec::new(),
            at: 0,
        };
        walk.open(self, &mut files);
        for &(last, count) in ends {
            let seqs = last - count + 1..last + 1;
            // A record lies in one segment, so that its first event says in which.
            let first = self.events[seqs.start as usize - 1].frame.clone();
            while walk.find(&first).is_none() {
                self.end_segment(&walk);
                walk.open(self, &mut files);
            }
            let start = walk.at;
            for seq in seqs.clone() {
                self.event(&mut walk, seq);
            }
            walk.at = walk.at.next_multiple_of(8);
            self.records.push(Record {
                file: walk.file.clone(),
                bytes: start..walk.at,
                seqs,
            });
        }
        self.end_segment(&walk);
        self.find_files();
    }

    /// The parts of one event, and of the record before it.
    fn event(&mut self, walk: &mut Walk, seq: u64) {
        let frame = self.events[seq as usize - 1].frame.clone();
        let found = walk.find(&frame).expect("an event of a record");
        let (at, header) = (walk.at, found - EVENT_HEADER);
        self.part(Place::RecordHeader, &walk.file, at..header);
        self.part(Place::EventHeader, &walk.file, header..found);
        self.part(Place::Frame, &walk.file, found..found + frame.len());
        walk.at = found + frame.len().next_multiple_of(4);
    }

    /// The files that hold no events.
    fn find_files(&mut self) {
        for name in scene_names(&self.disk) {
            let len = self.disk.contents(&name).unwrap().len();
            let place = match name.as_str() {
                "mark" => Place::Mark,
                name if name.starts_with("start-") => Place::Start,
                name if name.ends_with(".seg") => continue,
                _ => Place::OtherFile,
            };
            self.part(place, &name, 0..len);
        }
    }

    /// What follows the records of a segment: its index, or room.
    fn end_segment(&mut self, walk: &Walk) {
        let Walk { file, bytes, at } = walk;
        let at = *at;
        self.part(Place::SegmentHeader, file, 0..SEGMENT_HEADER);
        let is_used = |from: usize| bytes[from..].iter().any(|byte| *byte != 0);
        let trailer = bytes.len() - TRAILER;
        if !is_used(trailer) {
            self.part(Place::Room, file, at..bytes.len());
            return;
        }
        self.part(Place::Trailer, file, trailer..bytes.len());
        let index = at.next_multiple_of(4096);
        self.part(Place::Room, file, at..index);
        self.part(Place::Index, file, index..trailer);
    }

    fn part(&mut self, place: Place, file: &str, bytes: Range<usize>) {
        if !bytes.is_empty() {
            self.parts.push((place, file.to_owned(), bytes));
        }
    }
}

/// Names of all files, in order.
pub(crate) fn scene_names(disk: &SimDisk) -> Vec<String> {
    let mut names = fanfare_log::storage::Storage::names(disk).unwrap();
    names.sort_unstable();
    names
}

/// The way through the segments, oldest first.
struct Walk {
    file: String,
    bytes: Vec<u8>,
    /// Everything before was found.
    at: usize,
}

impl Walk {
    fn open(&mut self, scene: &Scene, files: &mut Vec<String>) {
        self.file = files.pop().expect("a segment that holds the event");
        self.bytes = scene.disk.contents(&self.file).unwrap();
        self.at = SEGMENT_HEADER;
    }

    fn find(&self, frame: &[u8]) -> Option<usize> {
        // The id line is unlike any other, so that the first bytes decide nearly always.
        let mut windows = self.bytes[self.at..].windows(frame.len());
        Some(self.at + windows.position(|window| window == frame)?)
    }
}

/// Waits until the mark says what was acknowledged and nothing more happens to it.
async fn settle(disk: &SimDisk) {
    let before = disk.contents("mark");
    until("a mark", || async { disk.contents("mark") != before }).await;
}

fn batch(number: usize, rng: &mut Rng) -> Batch {
    // The last topic is rare, so that some indexes know nothing of it.
    let topic = match rng.u8(0..60) {
        0 => TOPICS[5],
        other => TOPICS[usize::from(other) % 5],
    };
    let events = 1..=rng.usize(1..=4);
    let events = events.map(|part| {
        let len = rng.usize(0..1_500);
        let text = format!("{number}.{part} {}", "x".repeat(len));
        (NewEvent::new(text).encode(), Kind::Published)
    });
    let events = events.collect();
    Batch {
        topic: TopicName::parse(topic).unwrap(),
        events,
        idempotency: number.is_multiple_of(3).then(|| IdempotencyKey {
            key: number.to_string(),
            part: 0,
            fingerprint: [0; 32],
        }),
        time: NOW,
    }
}
