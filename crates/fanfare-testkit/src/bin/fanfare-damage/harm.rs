//! What is damaged, and which events that may cost.

use std::fmt;
use std::ops::Range;

use fanfare_hub::Seq;
use fanfare_log::storage::Storage;
use fanfare_testkit::disk::SimDisk;
use fastrand::Rng;

use super::scene::Scene;

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    SegmentHeader,
    /// With the topic, the key, and what fills up the record before.
    RecordHeader,
    EventHeader,
    Frame,
    /// Behind the last record.
    Room,
    Index,
    Trailer,
    Mark,
    /// The file of the last start.
    Start,
    OtherFile,
    /// A file that nobody of us made.
    Stranger,
}

impl Place {
    const ALL: [Self; 11] = [
        Self::SegmentHeader,
        Self::RecordHeader,
        Self::EventHeader,
        Self::Frame,
        Self::Room,
        Self::Index,
        Self::Trailer,
        Self::Mark,
        Self::Start,
        Self::OtherFile,
        Self::Stranger,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SegmentHeader => "header of a segment",
            Self::RecordHeader => "header of a record, topic, key, padding",
            Self::EventHeader => "header of an event",
            Self::Frame => "frame of an event",
            Self::Room => "room behind the records",
            Self::Index => "index",
            Self::Trailer => "trailer",
            Self::Mark => "mark",
            Self::Start => "file of the last start",
            Self::OtherFile => "spare and other files",
            Self::Stranger => "a stranger's file",
        }
    }
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    FlipBit(u8),
    /// So many bytes become zero.
    Zero(usize),
    /// So many bytes become noise.
    Noise(usize),
    /// The file ends here.
    Cut,
    /// The whole file is gone.
    Remove,
    /// A file appears.
    Add(usize),
}

/// One damage.
pub(crate) struct Harm {
    pub(crate) place: Place,
    file: String,
    at: usize,
    deed: Deed,
    noise: u64,
    /// What of the file is not as it was.
    touched: Range<usize>,
}

/// The longest run of bytes that is damaged: two pages and a bit, across their borders.
const RUN_MAX: usize = 9_000;

impl Harm {
    pub(crate) fn choose(scene: &Scene, rng: &mut Rng) -> Self {
        // Every kind of place alike, however few bytes it has.
        let places: Vec<_> = Place::ALL
            .into_iter()
            .filter(|place| *place == Place::Stranger || scene.parts.iter().any(|p| p.0 == *place))
            .collect();
        let place = places[rng.usize(..places.len())];
        if place == Place::Stranger {
            return Self::stranger(rng);
        }
        let parts: Vec<_> = scene.parts.iter().filter(|part| part.0 == place).collect();
        let (_, file, bytes) = parts[rng.usize(..parts.len())];
        let at = rng.usize(bytes.clone());
        let len = scene.disk.contents(file).unwrap().len();
        let run = 1 + rng.usize(..RUN_MAX.min(len - at));
        let (deed, touched) = match rng.u8(0..12) {
            0..6 => (Deed::FlipBit(rng.u8(0..8)), at..at + 1),
            6..8 => (Deed::Zero(run), at..at + run),
            8..10 => (Deed::Noise(run), at..at + run),
            10 => (Deed::Cut, at..usize::MAX),
            _ => (Deed::Remove, 0..usize::MAX),
        };
        Self {
            place,
            file: file.clone(),
            at,
            deed,
            noise: rng.u64(..),
            touched,
        }
    }

    fn stranger(rng: &mut Rng) -> Self {
        let names = [
            "notes.txt",
            "zzzz.seg",
            "00000000000fffff.seg.bak",
            "memo.next",
            "core",
        ];
        Self {
            place: Place::Stranger,
            file: names[rng.usize(..names.len())].to_owned(),
            at: 0,
            deed: Deed::Add(rng.usize(0..10_000)),
            noise: rng.u64(..),
            touched: 0..0,
        }
    }

    /// A disk with the damage.
    pub(crate) fn apply(&self, scene: &Scene) -> SimDisk {
        let disk = scene.disk.kill();
        let mut rng = Rng::with_seed(self.noise);
        let file = self.file.as_str();
        match self.deed {
            Deed::FlipBit(bit) => disk.corrupt(file, self.at, |bytes| bytes[0] ^= 1 << bit),
            Deed::Zero(run) => disk.corrupt(file, self.at, |bytes| bytes[..run].fill(0)),
            Deed::Noise(run) => disk.corrupt(file, self.at, |bytes| {
                bytes[..run].fill_with(|| rng.u8(..));
            }),
            Deed::Cut => disk.truncate(file, self.at),
            Deed::Remove => disk.remove(file).unwrap(),
            Deed::Add(len) => {
                disk.create(file, len as u64).unwrap();
                disk.corrupt(file, 0, |bytes| bytes.fill_with(|| rng.u8(..)));
            }
        }
        disk
    }

    /// Whether the event may be gone because of it: nothing but what shares a record with it may.
    pub(crate) fn may_cost(&self, scene: &Scene, seq: Seq) -> bool {
        let after = scene
            .records
            .partition_point(|record| record.seqs.end <= seq.0);
        let record = &scene.records[after];
        record.file == self.file
            && self.touched.start < record.bytes.end
            && record.bytes.start < self.touched.end
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, file, at) = (self.place.name(), &self.file, self.at);
        write!(f, "{:?} at {file}:{at} ({place})", self.deed)
    }
}
