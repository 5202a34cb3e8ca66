//! Takes any bytes for the index of a segment, with checksums that are right, so that a forged or
//! half-understood index costs no more than wrong answers: no panic, and no more memory than the
//! file has bytes.
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "the modules are those of the log, of which this asks a part"
)]

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use fanfare_hub::{Seq, Timestamp};
use libfuzzer_sys::fuzz_target;

// The modules know each other by their places in the log.
use crate::log::{bytes, cache, index, record};
use crate::storage::{Identity, StoredFile};
use cache::{Cache, Source};
use index::{Lookup, SealedIndex};

#[path = "../../crates/fanfare-log/src"]
mod log {
    pub(crate) mod bytes;
    pub(crate) mod cache;
    pub(crate) mod index;
    pub(crate) mod record;
}
mod storage {
    pub(crate) use fanfare_log::storage::{Identity, StoredFile};
}
mod view {
    use fanfare_hub::Seq;

    pub(crate) struct Hole {
        pub(crate) from: Seq,
        pub(crate) through: Seq,
    }
}

const PAGE: usize = 4096;
/// The first seq of the segment.
const BASE: Seq = Seq(7);
/// Bytes of an entry, a row of the directory, a posting, a key and a word, as they are on disk.
const BYTES: [usize; 5] = [24, 20, 12, 72, 12];

fuzz_target!(|input: &[u8]| {
    let Some((lens, bytes)) = input.split_at_checked(7) else {
        return;
    };
    let file = Arc::new(Bytes(file(lens, bytes)));
    let capacity = file.0.len() as u64;
    let Ok((index, summary)) = SealedIndex::load(&*file, capacity, BASE) else {
        return;
    };
    let cache = Cache::new(64 << 10);
    let source = Source {
        file: &*file,
        incarnation: 0,
        capacity,
        stable: capacity,
    };
    let lookup = Lookup {
        index: &index,
        cache: &cache,
        source,
    };
    let entries = usize::from(lens[0]);
    let topics = summary.topics.iter().take(8).map(|row| row.topic);
    for topic in topics.chain([0, 1, u32::MAX]) {
        for number in [0, 1, 200, u32::MAX] {
            let later = lookup
                .places_from(topic, number, usize::MAX)
                .unwrap_or_default();
            let earlier = lookup.places_below(topic, number, 10).unwrap_or_default();
            assert!(later.len() <= entries && earlier.len() <= 10);
            let count = lookup.count_from(topic, number).unwrap_or_default();
            assert!(count <= entries as u64);
        }
    }
    for number in [0, 1, 200, u32::MAX] {
        let later = lookup.entries_from(number, usize::MAX).unwrap_or_default();
        let earlier = lookup.entries_below(number, 10).unwrap_or_default();
        assert!(later.len() <= entries && earlier.len() <= 10);
        let entry = lookup.entry(number).unwrap_or_default();
        assert!(entry.is_none_or(|entry| entry.number == number));
        black_box(lookup.last_older_than(Timestamp(u64::from(number)))).ok();
    }
    drop(summary.holes(BASE));
});

/// A file whose index is these bytes, filled up with zeros.
fn file(lens: &[u8], bytes: &[u8]) -> Vec<u8> {
    let len = |place: usize| usize::from(lens[place]);
    let [entries, topics, names, name_bytes, keys, ends, forgets] = [0, 1, 2, 3, 4, 5, 6].map(len);
    let fixed = [entries, topics, entries, keys, ends + forgets];
    let fixed: usize = fixed
        .iter()
        .zip(BYTES)
        .map(|(count, bytes)| count * bytes)
        .sum();
    let mut index = bytes.to_vec();
    index.resize(fixed + name_bytes, 0);
    let salt = record::salt(BASE);
    let pages = index
        .chunks(PAGE)
        .map(|page| crc32c::crc32c_append(salt, page));
    let crc = pages.fold(salt, |crc, page| {
        crc32c::crc32c_append(crc, &page.to_le_bytes())
    });
    let mut trailer = b"fanindx\x01".to_vec();
    trailer.extend(1_u32.to_le_bytes());
    trailer.extend(crc.to_le_bytes());
    trailer.extend(BASE.0.to_le_bytes());
    trailer.extend((PAGE as u64).to_le_bytes());
    for len in [entries, topics, names, name_bytes, keys, ends, forgets] {
        trailer.extend((len as u32).to_le_bytes());
    }
    let crc = crc32c::crc32c_append(salt, &trailer);
    trailer.extend(crc.to_le_bytes());
    trailer.resize(PAGE, 0);
    let mut file = vec![0; PAGE];
    file.extend(index);
    file.resize(file.len().next_multiple_of(PAGE), 0);
    file.extend(trailer);
    file
}

/// A file that nobody writes to.
struct Bytes(Vec<u8>);

impl StoredFile for Bytes {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let range = offset as usize..offset as usize + buf.len();
        let read = self.0.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(read);
        Ok(())
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn identity(&self) -> io::Result<Identity> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
