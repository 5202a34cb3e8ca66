//! Goal: whatever is asked of a segment, its index says the same before and after it was sealed;
//! damage to it is noticed. Method: random segments, each question at random places.

use std::sync::Arc;

use fanfare_hub::event::Kind;
use fanfare_hub::idempotency::{KeyId, KeyRow};
use fanfare_hub::{Epoch, IdempotencyKey, Seq, Timestamp, TopicName};

use super::*;
use crate::cache::Cache;
use crate::header::{HEADER_BYTES, Header};
use crate::record::{Encoder, Holds, Opening, salt};
use crate::segment::Segment;
use crate::segment::tests::Ram;
use crate::storage::{Identity, StoredFile};

/// The first seq of the segments here.
const BASE: Seq = Seq(1_000);

fn topic(id: u32) -> TopicName {
    TopicName::parse(&format!("topic/{id}")).unwrap()
}

fn header() -> Header {
    Header {
        base: BASE,
        epoch: Epoch::from_entropy(1),
        identity: Identity {
            inode: 1,
            born_ns: 1,
        },
        compacted_through: Seq::ZERO,
    }
}

/// A segment with random entries that stand for no records, in a file that ends with room for the
/// index.
fn segment(random: &mut fastrand::Rng, entries: usize) -> (Arc<Ram>, Segment) {
    let topics = random.u32(1..200);
    let file = Arc::new(Ram::new(HEADER_BYTES + (2 << 20)));
    let segment = Segment::active(&header(), file.clone(), file.len().unwrap());
    let mut index = segment.index_mut();
    let (mut number, mut time) = (random.u32(0..3), 5_000_u64);
    for _ in 0..entries {
        // Half of the events are of a few topics, and some numbers are unused.
        let some = if random.bool() { 4 } else { topics };
        let topic = random.u32(0..some) * 7;
        index.push(Entry {
            number,
            offset: HEADER_BYTES as u32 + random.u32(0..1_000),
            len: random.u32(0..300),
            topic,
            time: Timestamp(time),
        });
        number += 1 + random.u32(0..20) / 19;
        // The clock is set back now and then.
        time = (time + random.u64(0..40)).saturating_sub(random.u64(0..100) / 99 * 900);
    }
    for id in 0..random.u32(0..9) {
        index.name(id, &topic(id));
        index.end(id, Seq(u64::from(id)));
        index.forget(id, Seq(u64::from(id) + 5));
        index.key(key(id));
    }
    drop(index);
    (file, segment)
}

fn key(id: u32) -> KeyRow {
    let key = IdempotencyKey {
        key: format!("key {id}"),
        part: 0,
        fingerprint: [id as u8; 32],
    };
    KeyRow {
        id: KeyId::of(&topic(id), &key),
        fingerprint: key.fingerprint,
        seq: BASE,
        count: 3,
        time: Timestamp(7),
    }
}

/// One question and its answer.
fn ask(segment: &Segment, cache: &Cache, random: &mut fastrand::Rng) -> Result<String, Unreadable> {
    let topic = random.u32(0..210) * 7 / random.u32(1..8);
    let seq = Seq((BASE.0 + random.u64(0..4_000)).saturating_sub(random.u64(0..400)));
    let seq = *random
        .choice(&[seq, seq, Seq::ZERO, Seq(u64::MAX)])
        .unwrap();
    let max = *random.choice(&[0, 1, 7, 1_000, usize::MAX]).unwrap();
    let time = Timestamp(random.u64(0..80_000));
    Ok(match random.u8(0..7) {
        0 => format!("{:?}", segment.places_after(cache, topic, seq, max)?),
        1 => format!("{:?}", segment.places_before(cache, topic, seq, max)?),
        2 => format!("{:?}", segment.count_after(cache, topic, seq)?),
        3 => format!("{:?}", segment.entries_after(cache, seq, max)?),
        4 => format!("{:?}", segment.entries_before(cache, seq, max)?),
        5 => format!("{:?}", segment.entry(cache, random.u32(0..4_000))?),
        _ => format!("{:?}", segment.last_older_than(cache, time)?),
    })
}

fn ask_all(segment: &Segment, cache: &Cache, seed: u64) -> Vec<Result<String, Unreadable>> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..300).map(|_| ask(segment, cache, &mut random)).collect()
}

#[test]
fn sealed_and_active_answer_every_question_alike() {
    let seed = fastrand::u64(..);
    println!("seed {seed}: put it into this test to replay");
    let mut random = fastrand::Rng::with_seed(seed);
    let cache = Cache::new(1 << 20);
    for _ in 0..30 {
        let entries = *random.choice(&[0, 1, 100, 511, 512, 513, 3_000]).unwrap();
        let (file, segment) = segment(&mut random, entries);
        let mut rows = segment.index().topics();
        rows.sort_unstable_by_key(|row| row.topic);
        let encoded_len = segment.index().encoded_len();
        let (last, answers) = (
            segment.through(Seq(u64::MAX)),
            ask_all(&segment, &cache, seed),
        );
        let (names, ends) = {
            let index = segment.index();
            (index.names.clone(), index.ends.clone())
        };

        segment.seal(HEADER_BYTES as u64 + 1_500).unwrap();
        assert_eq!(ask_all(&segment, &cache, seed), answers);

        let capacity = file.len().unwrap();
        let (index, summary) = SealedIndex::load(&*file, capacity, BASE).unwrap();
        assert!(
            index.memory_bytes() <= 1_024 + encoded_len / 50,
            "{}",
            index.memory_bytes()
        );
        assert_eq!(summary.topics.iter().collect::<Vec<_>>(), rows);
        assert_eq!((&summary.names, &summary.ends), (&names, &ends));
        assert_eq!(
            summary.keys,
            (0..names.len() as u32).map(key).collect::<Vec<_>>()
        );
        assert_eq!(summary.forgets.len(), names.len());
        let kept: u64 = summary.topics.iter().map(|row| u64::from(row.count)).sum();
        let holes = summary.holes(BASE);
        let lost: u64 = holes
            .iter()
            .map(|hole| hole.through.0 - hole.from.0 + 1)
            .sum();
        assert_eq!(
            BASE.0 + kept + lost,
            last.next().0,
            "every seq is there or missing"
        );
        let loaded = Segment::sealed(&header(), file, (capacity, index));
        assert_eq!(ask_all(&loaded, &cache, seed), answers);
        assert_eq!(loaded.through(Seq(u64::MAX)), last);
    }
}

/// A sealed segment of a few pages, and where its index and its trailer lie.
fn sealed(seed: u64) -> (Arc<Ram>, Segment, [std::ops::Range<usize>; 2]) {
    let (file, segment) = segment(&mut fastrand::Rng::with_seed(seed), 300);
    let len = segment.index().encoded_len();
    segment.seal(HEADER_BYTES as u64 + 1_500).unwrap();
    let trailer = file.len().unwrap() as usize - TRAILER_BYTES as usize;
    (
        file,
        segment,
        [
            2 * HEADER_BYTES..2 * HEADER_BYTES + len,
            trailer..trailer + 64,
        ],
    )
}

#[test]
fn any_flipped_byte_of_an_index_is_noticed_by_a_start() {
    let (file, _, parts) = sealed(1);
    let capacity = file.len().unwrap();
    SealedIndex::load(&*file, capacity, BASE).unwrap();
    for at in parts.into_iter().flatten() {
        file.flip(at);
        assert!(
            SealedIndex::load(&*file, capacity, BASE).is_err(),
            "byte {at}"
        );
        file.flip(at);
    }
    assert!(
        SealedIndex::load(&*file, capacity, BASE.next()).is_err(),
        "of another segment"
    );
    assert!(
        SealedIndex::load(&*file, capacity - 8, BASE).is_err(),
        "a file cut short"
    );
}

#[test]
fn what_is_damaged_later_makes_no_wrong_answer() {
    let (file, segment, [index, _]) = sealed(2);
    let whole = ask_all(&segment, &Cache::new(1 << 20), 2);
    let mut unreadable = 0;
    for at in index.step_by(211) {
        file.flip(at);
        let answers = ask_all(&segment, &Cache::new(1 << 20), 2);
        for (answer, right) in answers.into_iter().zip(&whole) {
            match answer {
                Ok(answer) => assert!(Ok(&answer) == right.as_ref(), "byte {at}: {answer}"),
                Err(Unreadable) => unreadable += 1,
            }
        }
        file.flip(at);
    }
    assert!(unreadable > 50, "questions met the damage");
}

#[test]
fn an_index_that_has_no_room_is_not_written() {
    let (file, segment) = segment(&mut fastrand::Rng::with_seed(3), 100);
    let before = file.bytes();
    let records_end = file.len().unwrap() - TRAILER_BYTES;
    assert!(segment.seal(records_end).is_err());
    assert!(before == file.bytes());
    assert_eq!(segment.index().entries.len(), 100);
}

#[test]
fn an_index_takes_no_more_room_than_its_writer_counts_on() {
    let (_, segment) = segment(&mut fastrand::Rng::with_seed(4), 1_000);
    let index = segment.index();
    let topics = index.topics.len().max(index.names.len()) as u64;
    let names: usize = index
        .names
        .iter()
        .map(|(_, name)| name.as_str().len())
        .sum();
    let counted = 1_000 * ENTRY_BYTES + topics * TOPIC_BYTES + 9 * KEY_BYTES + names as u64;
    assert!(index.encoded_len() as u64 <= counted);
}

#[test]
fn a_record_that_a_recycled_file_still_holds_is_no_index() {
    let mut buf = Vec::new();
    let opening = Opening {
        holds: Holds::Events,
        seq: BASE,
        durable: Seq(0),
        events: 1,
        topic: &topic(1),
        key: None,
    };
    let mut encoder = Encoder::begin(&mut buf, salt(BASE), &opening);
    encoder.event(Kind::Published, Timestamp(1), b"id: 000000-1\n\n");
    encoder.finish();
    let file = Ram::new(HEADER_BYTES * 4);
    file.write_at(&buf, HEADER_BYTES as u64 * 3).unwrap();
    assert!(SealedIndex::load(&file, file.len().unwrap(), BASE).is_err());
}
