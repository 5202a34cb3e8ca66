//! Goal: every event is read back as it was written or told as damaged, one by one, and the cache
//! neither grows beyond its bound nor keeps what may still change.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fanfare_hub::event::Kind;
use fanfare_hub::{Epoch, Event, EventId, NewEvent, Seq, Timestamp, TopicName};

use super::events::DamagedEvent;
use super::*;
use crate::header::HEADER_BYTES;
use crate::index::Entry;
use crate::record::{Encoder, Holds, Opening};
use crate::storage::Identity;

/// A file in memory, of which a part may be unreadable.
pub(crate) struct Ram {
    bytes: Mutex<Vec<u8>>,
    bad: Mutex<Range<u64>>,
    reads: AtomicUsize,
}

impl Ram {
    pub(crate) fn new(len: usize) -> Self {
        Self {
            bytes: Mutex::new(vec![0; len]),
            bad: Mutex::new(0..0),
            reads: AtomicUsize::new(0),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub(crate) fn flip(&self, at: usize) {
        self.bytes.lock().unwrap()[at] ^= 0x20;
    }
}

impl StoredFile for Ram {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let end = offset + buf.len() as u64;
        let bad = self.bad.lock().unwrap().clone();
        if offset < bad.end && bad.start < end {
            return Err(io::Error::other("a bad sector"));
        }
        let bytes = self.bytes.lock().unwrap();
        let read = bytes.get(offset as usize..end as usize);
        buf.copy_from_slice(read.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let at = offset as usize;
        self.bytes.lock().unwrap()[at..at + buf.len()].copy_from_slice(buf);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity {
            inode: 1,
            born_ns: 1,
        })
    }
}

const BASE: Seq = Seq(50);

fn epoch() -> Epoch {
    Epoch::from_entropy(1)
}

/// A segment that records are appended to.
struct Written {
    file: Arc<Ram>,
    segment: Segment,
    at: u64,
    events: Vec<Arc<Event>>,
}

impl Written {
    fn new(len: usize) -> Self {
        let file = Arc::new(Ram::new(len));
        let header = Header {
            base: BASE,
            epoch: epoch(),
            identity: file.identity().unwrap(),
            compacted_through: Seq::ZERO,
        };
        Self {
            segment: Segment::active(&header, file.clone(), len as u64),
            file,
            at: HEADER_BYTES as u64,
            events: Vec::new(),
        }
    }

    /// Appends a record with one event of so many bytes.
    fn append(&mut self, bytes: usize) {
        let topic = TopicName::parse("a").unwrap();
        let number = self.events.len() as u32;
        let id = EventId {
            epoch: epoch(),
            seq: Seq(BASE.0 + u64::from(number)),
        };
        let new = NewEvent::new("x".repeat(bytes)).encode();
        let time = Timestamp(u64::from(number) * 10);
        let event = Event::new(new, Kind::Published, topic.clone(), id, time);
        let mut buf = Vec::new();
        let opening = Opening {
            holds: Holds::Events,
            seq: id.seq,
            durable: Seq::ZERO,
            events: 1,
            topic: &topic,
            key: None,
        };
        let mut encoder = Encoder::begin(&mut buf, self.segment.salt, &opening);
        let place = encoder.event(event.kind, event.time, &event.frame);
        encoder.finish();
        self.file.write_at(&buf, self.at).unwrap();
        self.segment.index_mut().push(Entry {
            number,
            offset: self.at as u32 + place as u32,
            len: event.frame.len() as u32,
            topic: 1,
            time,
        });
        self.at += buf.len() as u64;
        self.events.push(Arc::new(event));
    }

    fn places(&self, cache: &Cache) -> Vec<Place> {
        self.segment
            .places_after(cache, 1, Seq::ZERO, usize::MAX)
            .unwrap()
    }

    /// Reads what is at some places: going on behind whatever is damaged.
    fn read(&self, cache: &Cache, places: &[Place], now: Epoch) -> Vec<Result<Arc<Event>, Seq>> {
        let mut places: Vec<_> = places.iter().map(|place| (*place, 0)).collect();
        let mut read = Vec::new();
        while !places.is_empty() {
            let mut gathered = Gathered::new(now);
            let damaged = self.segment.gather(cache, &places, &mut gathered).err();
            let mut run = gathered.finish();
            run.topics.push(TopicName::parse("a").unwrap());
            let count = run.rows.len();
            let events = fanfare_hub::Events::from(run).to_vec();
            read.extend(events.into_iter().map(Ok));
            read.extend(damaged.map(|DamagedEvent { seq }| Err(seq)));
            places.drain(..count + usize::from(damaged.is_some()));
        }
        read
    }

    /// Reads all events, and answers which were damaged.
    fn check(&self, cache: &Cache) -> Vec<Seq> {
        let read = self.read(cache, &self.places(cache), epoch());
        assert_eq!(read.len(), self.events.len());
        let mut damaged = Vec::new();
        for (read, event) in read.into_iter().zip(&self.events) {
            match read {
                Ok(read) => {
                    assert_eq!((read.seq, read.kind), (event.seq, event.kind));
                    assert_eq!(read.time, event.time);
                    assert!(read.frame == event.frame, "{}", event.seq);
                }
                Err(seq) => {
                    assert_eq!(seq, event.seq);
                    damaged.push(seq);
                }
            }
        }
        damaged
    }
}

/// Events of all sizes, among them some that span blocks.
fn written() -> Written {
    let mut written = Written::new(4 << 20);
    for size in [0, 1, 100, 2_000, 2_100, 9_000, 20_000, 70_000, 300_000] {
        (0..4).for_each(|_| written.append(size));
    }
    (0..500).for_each(|_| written.append(90));
    written
}

#[test]
fn events_of_every_size_read_back_before_and_after_sealing() {
    let written = written();
    let cache = Cache::new(8 << 20);
    assert_eq!(written.check(&cache), []);
    written.segment.seal(written.at).unwrap();
    assert_eq!(written.check(&cache), []);
}

#[test]
fn only_long_replays_pass_the_cache_by() {
    let mut written = Written::new(1 << 20);
    (0..400).for_each(|_| written.append(700));
    written.segment.seal(written.at).unwrap();
    let cache = Cache::new(1 << 20);
    let places = written.places(&cache);
    let index = cache.weight();
    written.read(&cache, &places, epoch());
    assert_eq!(cache.weight(), index, "all of a segment");
    // One event in ten, as many as there are.
    let few: Vec<_> = places.iter().copied().step_by(10).collect();
    for wanted in [&few, &places[..10]] {
        written.read(&cache, wanted, epoch());
        assert!(cache.weight() > index);
        let reads = written.file.reads.load(Ordering::Relaxed);
        written.read(&cache, wanted, epoch());
        assert_eq!(written.file.reads.load(Ordering::Relaxed), reads);
    }
}

#[test]
fn neighbours_are_read_together() {
    let written = written();
    written.check(&Cache::new(8 << 20));
    let reads = written.file.reads.load(Ordering::Relaxed) as u64;
    let least = written.at / (256 << 10);
    assert!(reads <= 3 * least, "{reads} reads for {} bytes", written.at);
}

#[test]
fn a_flipped_byte_costs_its_own_event_and_no_other() {
    let mut written = Written::new(1 << 20);
    (0..40).for_each(|_| written.append(700));
    let cache = Cache::new(1 << 20);
    for place in written.places(&cache) {
        for at in [0, 4, 8, 16, 20, 20 + place.len as usize - 1] {
            let at = place.offset as usize + at;
            written.file.flip(at);
            let seq = written.segment.seq(place.number);
            assert_eq!(written.check(&Cache::new(1 << 20)), [seq], "byte {at}");
            written.file.flip(at);
        }
    }
}

#[test]
fn a_bad_sector_costs_no_more_than_its_block() {
    let mut written = Written::new(1 << 20);
    (0..400).for_each(|_| written.append(700));
    *written.file.bad.lock().unwrap() = 100_000..100_512;
    let damaged = written.check(&Cache::new(1 << 20));
    assert!(
        (1..=(16 << 10) / 700 + 2).contains(&damaged.len()),
        "{damaged:?}"
    );
    *written.file.bad.lock().unwrap() = 0..0;
    assert_eq!(written.check(&Cache::new(1 << 20)), []);
}

#[test]
fn frames_of_an_earlier_epoch_show_the_present_one() {
    let written = written();
    let cache = Cache::new(1 << 20);
    let now = Epoch::from_entropy(2);
    let read = written.read(&cache, &written.places(&cache), now);
    for (read, event) in read.into_iter().zip(&written.events) {
        let read = read.unwrap();
        let line = format!("id: {}-{}\n", now, event.seq);
        assert!(read.frame.starts_with(line.as_bytes()));
        assert!(read.frame[line.len()..] == event.frame[line.len()..]);
    }
}

#[test]
fn what_is_appended_after_a_read_is_seen_by_the_next() {
    let mut written = Written::new(1 << 20);
    let cache = Cache::new(1 << 20);
    for _ in 0..300 {
        written.append(90);
        assert_eq!(written.check(&cache), []);
    }
    assert!(cache.weight() > 0, "blocks that are full are kept");
}

#[test]
fn the_cache_keeps_its_bound() {
    let written = written();
    let bound = 400_000;
    let cache = Cache::new(bound);
    for _ in 0..3 {
        assert_eq!(written.check(&cache), []);
        assert!((1..=bound).contains(&cache.weight()), "{}", cache.weight());
    }
}

#[test]
fn places_that_lead_nowhere_are_damaged_events() {
    let seed = fastrand::u64(..);
    println!("seed {seed}: put it into this test to replay");
    let mut random = fastrand::Rng::with_seed(seed);
    let written = written();
    let cache = Cache::new(1 << 20);
    for _ in 0..200 {
        let places: Vec<Place> = (0..random.usize(0..20))
            .map(|_| Place {
                number: random.u32(..),
                offset: random.u32(..) >> random.u32(0..32),
                len: random.u32(..) >> random.u32(0..32),
            })
            .collect();
        let read = written.read(&cache, &places, epoch());
        assert_eq!(read.len(), places.len());
        assert!(read.iter().all(Result::is_err));
    }
}
