//! Reading the segments of a folder: the index where there is one, the records where there is none.

use std::io;
use std::sync::Arc;

use fanfare_hub::{Epoch, Seq};

use super::scan::{Bytes, Scan};
use crate::header::{Found, HEADER_BYTES, Header, file_name};
use crate::index::{SealedIndex, Summary};
use crate::memo::Memo;
use crate::open::OpenError;
use crate::record;
use crate::segment::Segment;
use crate::storage::{Storage, StoredFile};
use crate::view::Hole;

/// A segment as it was found.
pub(crate) struct Loaded {
    pub(crate) segment: Arc<Segment>,
    /// What it holds.
    pub(crate) contents: Contents,
    /// The seq after its last event.
    pub(crate) next: Seq,
    /// Events inside it that are damaged.
    pub(crate) holes: Vec<Hole>,
    /// Where its records end, when it has no index on disk.
    pub(crate) records_end: Option<u64>,
    /// Where what was never acknowledged ends.
    pub(crate) stale_end: u64,
    /// Whether it was written to another file than the one it stands in.
    pub(crate) is_copy: bool,
    pub(crate) has_damaged_header: bool,
}

/// What a segment holds.
pub(crate) enum Contents {
    /// As its index says.
    Indexed(Summary),
    /// As its records say.
    Scanned(Scan),
}

/// Opens the segments with these first seqs.
pub(crate) fn load(
    storage: &dyn Storage,
    bases: &[Seq],
    memo: &Memo,
) -> Result<Vec<Loaded>, OpenError> {
    let mut segments = Vec::with_capacity(bases.len());
    for &base in bases {
        let loaded: Option<&Loaded> = segments.last();
        if loaded.is_some_and(|loaded| loaded.segment.stands_for(base)) {
            // It was compacted, and the hub stopped before it was removed.
            let removed = storage.remove(&file_name(base));
            removed.map_err(OpenError::doing("remove a compacted segment"))?;
            continue;
        }
        segments.push(load_one(storage, base)?);
    }
    // An index speaks of topics by number. Where a number has no name, because the index that gave
    // it is damaged, the records are read instead, which have the names.
    let mut known = Numbers::default();
    known.extend(memo.topics.iter().map(|topic| topic.id));
    for loaded in &mut segments {
        if let Contents::Indexed(summary) = &loaded.contents {
            known.extend(summary.names.iter().map(|(id, _)| *id));
            let is_named = summary.topics.iter().all(|row| known.has(row.topic));
            if !is_named {
                *loaded = scan(&loaded.segment)?.into_loaded(loaded);
            }
        }
    }
    Ok(segments)
}

/// A set of numbers of topics. They are given out densely, and asked for once for each topic of
/// each segment.
#[derive(Default)]
struct Numbers(Vec<bool>);

impl Numbers {
    fn extend(&mut self, numbers: impl Iterator<Item = u32>) {
        for number in numbers {
            let place = number as usize;
            if place >= self.0.len() {
                self.0.resize(place + 1, false);
            }
            self.0[place] = true;
        }
    }

    fn has(&self, number: u32) -> bool {
        self.0
            .get(number as usize)
            .is_some_and(|is_there| *is_there)
    }
}

fn load_one(storage: &dyn Storage, base: Seq) -> Result<Loaded, OpenError> {
    let name = file_name(base);
    let file = storage
        .open(&name)
        .map_err(OpenError::doing("open a segment"))?;
    let capacity = file.len().map_err(OpenError::doing("measure a segment"))?;
    let mut page = vec![0; HEADER_BYTES];
    let is_read = file.read_at(&mut page, 0).is_ok();
    let found = if is_read {
        Header::parse(&page)
    } else {
        Found::Damaged
    };
    let header = match found {
        Found::Newer(version) => return Err(OpenError::Newer { version }),
        Found::Header(header) if header.base == base => Some(header),
        Found::Header(_) | Found::Damaged => None,
    };
    let identity = file.identity().ok();
    let is_copy = header.is_some_and(|header| Some(header.identity) != identity);
    let has_damaged_header = header.is_none();
    // The frames say in which epoch they were written, whatever it was; where the header does not,
    // any other than the present one makes readers rewrite it.
    let header = header.unwrap_or_else(|| Header {
        base,
        epoch: Epoch::from_entropy(0),
        identity: identity.unwrap_or_default(),
        compacted_through: Seq::ZERO,
    });
    let sealed = SealedIndex::load(&*file, capacity, base).ok();
    let Some((index, summary)) = sealed else {
        let segment = Arc::new(Segment::active(&header, file, capacity));
        let scanned = scan(&segment)?;
        return Ok(scanned.first_loaded(segment, is_copy, has_damaged_header));
    };
    let next = summary
        .last
        .map_or(base, |number| Seq(base.0 + u64::from(number) + 1));
    let is_sparse = header.compacted_through > Seq::ZERO;
    let holes = if is_sparse {
        Vec::new()
    } else {
        summary.holes(base)
    };
    Ok(Loaded {
        segment: Arc::new(Segment::sealed(&header, file, (capacity, index))),
        contents: Contents::Indexed(summary),
        next: if is_sparse {
            next.max(header.compacted_through.next())
        } else {
            next
        },
        holes,
        records_end: None,
        stale_end: 0,
        is_copy,
        has_damaged_header,
    })
}

/// The records of a segment, read from its file.
struct FromRecords(Scan);

fn scan(segment: &Segment) -> Result<FromRecords, OpenError> {
    let bytes = read_all(&*segment.file, segment.capacity);
    let bytes = Bytes {
        bytes: &bytes,
        salt: record::salt(segment.base),
        is_sparse: segment.is_compacted(),
    };
    Ok(FromRecords(bytes.scan(HEADER_BYTES, segment.base)))
}

impl FromRecords {
    fn first_loaded(
        self,
        segment: Arc<Segment>,
        is_copy: bool,
        has_damaged_header: bool,
    ) -> Loaded {
        let Self(mut scan) = self;
        let next = segment.next_after(scan.next);
        let mut holes = std::mem::take(&mut scan.holes);
        if next > scan.next {
            // Its records do not say whether they are all: what may be lost is told.
            holes.push(Hole {
                from: scan.next,
                through: next.previous(),
            });
        }
        Loaded {
            next,
            segment,
            holes,
            records_end: Some(scan.end as u64),
            stale_end: scan.stale_end as u64,
            contents: Contents::Scanned(scan),
            is_copy,
            has_damaged_header,
        }
    }

    /// The same segment, read anew.
    fn into_loaded(self, loaded: &Loaded) -> Loaded {
        let segment = Arc::new(loaded.segment.without_index());
        self.first_loaded(segment, loaded.is_copy, loaded.has_damaged_header)
    }
}

/// Reads a file piece by piece. A piece that the disk does not give is taken for zeros, so that it
/// costs no more than what lies in it.
pub(crate) fn read_all(file: &dyn StoredFile, len: u64) -> Vec<u8> {
    const PIECE: usize = 1 << 20;
    const PAGE: usize = 4096;
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    let mut failed: Option<io::Error> = None;
    for (number, piece) in bytes.chunks_mut(PIECE).enumerate() {
        let at = (number * PIECE) as u64;
        if file.read_at(piece, at).is_ok() {
            continue;
        }
        for (page, bytes) in piece.chunks_mut(PAGE).enumerate() {
            if let Err(error) = file.read_at(bytes, at + (page * PAGE) as u64) {
                bytes.fill(0);
                failed.get_or_insert(error);
            }
        }
    }
    if let Some(error) = failed {
        tracing::error!(%error, "a part of a segment cannot be read");
    }
    bytes
}
