//! Opening a folder: reads the indexes of sealed segments and the records of the others, finds what
//! is missing, decides whether the epoch can go on, and leaves everything ready for the writer.

mod epoch;
mod load;
pub(crate) mod scan;
mod topics;

use std::io;
use std::sync::Arc;

use fanfare_hub::idempotency::IdempotencyIndex;
use fanfare_hub::{Epoch, Seq};

use self::epoch::Marks;
use self::load::Loaded;
use crate::header::{HEADER_BYTES, base_of, file_name};
use crate::mark::Mark;
use crate::memo::{self, Memo};
use crate::open::OpenError;
use crate::options::Options;
use crate::segment::Segment;
use crate::storage::{Storage, StoredFile};
use crate::view::{Hole, View};
use crate::writer::{SPARE_NAMES, Site};

/// A folder that was opened.
pub(crate) struct Recovered {
    pub(crate) view: View,
    pub(crate) keys: IdempotencyIndex,
    pub(crate) epoch: Epoch,
    pub(crate) mark: Mark,
    pub(crate) mark_file: Arc<dyn StoredFile>,
    /// The segment that is written to, and where.
    pub(crate) active: Active,
    /// Segments whose index has to be written, with the ends of their records.
    pub(crate) unsealed: Vec<(Arc<Segment>, u64)>,
    /// Whether something that is remembered beside the segments was damaged or missing, and has to
    /// be written down before the next start doubts it again.
    pub(crate) wants_memo: bool,
}

/// Where the writer goes on.
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    pub(crate) at: u64,
}

/// What the files say before anything is decided.
pub(crate) struct Findings {
    /// Oldest first.
    pub(crate) segments: Vec<Loaded>,
    pub(crate) memo: Memo,
    /// Why ids that were given out may mean something else now, or nothing; the first reason found.
    pub(crate) doubt: Option<&'static str>,
    pub(crate) holes: Vec<Hole>,
    /// The newest event there is or was.
    pub(crate) last: Seq,
    /// Everything up to here was dropped.
    pub(crate) floor: Seq,
}

/// Opens the log in a folder.
pub(crate) fn recover(
    storage: &Arc<dyn Storage>,
    options: &Options,
) -> Result<Recovered, OpenError> {
    let names = storage
        .names()
        .map_err(OpenError::doing("list the files"))?;
    let marks = Marks::read(&**storage, &names);
    let mut findings = find(&**storage, &names)?;
    find_holes(&mut findings, &marks);
    findings.floor = marks.floor().min(findings.last);
    let epoch = marks.epoch(&findings);
    let is_new = epoch != marks.present_epoch();
    if is_new && let Some(doubt) = findings.doubt.or_else(|| marks.doubt()) {
        tracing::warn!(%epoch, reason = doubt, "a new epoch begins: every earlier id will be told a gap");
    }
    let active = resume(&**storage, &mut findings, (epoch, options))?;
    let (mark, mark_file) = marks
        .begin(&**storage, (epoch, options.durability, findings.last))
        .map_err(OpenError::doing("write the mark"))?;
    let unsealed = unsealed(&findings, &active);
    let unsealed = unsealed.map_err(OpenError::doing("take back an index"))?;
    let (view, keys) = topics::build(findings, &active, options);
    Ok(Recovered {
        view,
        keys,
        epoch,
        mark,
        mark_file,
        active,
        unsealed,
        wants_memo: is_new,
    })
}

/// Reads everything there is.
fn find(storage: &dyn Storage, names: &[String]) -> Result<Findings, OpenError> {
    let has_memo = names.iter().any(|name| name == memo::NAME);
    let memo = has_memo.then(|| Memo::read(storage));
    let mut doubt = matches!(memo, Some(None)).then_some("the memo is damaged");
    let memo = memo.flatten();
    let mut bases: Vec<Seq> = names.iter().filter_map(|name| base_of(name)).collect();
    bases.sort_unstable();
    let first = memo.as_ref().map_or(Seq::ZERO, |memo| memo.first);
    // They were about to be taken away when the hub stopped.
    while bases.len() > 1 && bases[1] <= first {
        let name = file_name(bases.remove(0));
        storage
            .remove(&name)
            .map_err(OpenError::doing("remove an old segment"))?;
    }
    let present = bases.first().copied().unwrap_or_else(|| first.max(Seq(1)));
    if memo.is_none() && present > Seq(1) {
        doubt = doubt.or(Some("the memo is missing"));
    }
    let memo = memo.unwrap_or_else(|| Memo::of_nothing(present));
    let segments = load::load(storage, &bases, &memo)?;
    if segments.iter().any(|loaded| loaded.is_copy) {
        doubt = doubt.or(Some(
            "the files are a copy, and nobody knows how the original went on",
        ));
    }
    if memo.first < present && memo.first > Seq::ZERO {
        doubt = doubt.or(Some("the oldest segments are missing"));
    }
    Ok(Findings {
        last: memo.first.previous(),
        floor: Seq::ZERO,
        segments,
        memo,
        doubt,
        holes: Vec::new(),
    })
}

/// Finds which seqs are missing between the segments and inside them, and at the end.
fn find_holes(findings: &mut Findings, marks: &Marks) {
    let mut next = findings.segments.first().map(|loaded| loaded.segment.base);
    for loaded in &findings.segments {
        let base = loaded.segment.base;
        if let Some(expected) = next.filter(|expected| *expected < base) {
            findings.holes.push(Hole {
                from: expected,
                through: base.previous(),
            });
        }
        findings.holes.extend(&loaded.holes);
        next = Some(loaded.next);
    }
    findings.last = next.map_or(findings.last, Seq::previous).max(findings.last);
    let durable = marks.durable();
    if durable > findings.last {
        findings.holes.push(Hole {
            from: findings.last.next(),
            through: durable,
        });
        findings.last = durable;
        let reason = "the log ends before the last event that was durable";
        findings.doubt.get_or_insert(reason);
    }
    for hole in &findings.holes {
        tracing::error!(
            from = hole.from.0,
            through = hole.through.0,
            "events on disk are damaged: readers will be told a gap"
        );
    }
}

/// Goes on in the last segment where that is possible, else in a new one.
fn resume(
    storage: &dyn Storage,
    findings: &mut Findings,
    chosen: (Epoch, &Options),
) -> Result<Active, OpenError> {
    let (epoch, options) = chosen;
    let next = findings.last.next();
    if let Some(loaded) = findings.segments.last()
        && let Some(end) = loaded.records_end
        && loaded.segment.epoch == epoch
        && !loaded.has_damaged_header
        && !loaded.segment.is_compacted()
        && loaded.next == next
    {
        erase(loaded, end).map_err(OpenError::doing("erase an unfinished write"))?;
        return Ok(Active {
            segment: Arc::clone(&loaded.segment),
            at: end,
        });
    }
    // One without an event has no place beside the new one.
    if let Some(empty) = findings
        .segments
        .pop_if(|loaded| loaded.next == loaded.segment.base)
    {
        drop(storage.remove(&file_name(empty.segment.base)));
    }
    for name in SPARE_NAMES {
        drop(storage.remove(name));
    }
    let site = Site {
        storage,
        epoch,
        segment_bytes: options.segment_bytes,
    };
    let segment = site.new_segment(None, (next, 0));
    let segment = segment.map_err(OpenError::doing("create a segment"))?;
    Ok(Active {
        segment: Arc::new(segment),
        at: HEADER_BYTES as u64,
    })
}

/// Erases what was written behind the end and never acknowledged, so that it is not taken for a
/// continuation later.
fn erase(loaded: &Loaded, end: u64) -> io::Result<()> {
    let room = loaded.segment.capacity.saturating_sub(end);
    let stale = loaded.stale_end.max(end + crate::record::HEADER as u64) - end;
    let zeros = vec![0; usize::try_from(stale.min(room)).unwrap_or_default()];
    loaded.segment.file.write_at(&zeros, end)?;
    loaded.segment.file.sync()
}

/// The segments that have no index on disk and are not written to any more, as far as they are to
/// get one.
fn unsealed(findings: &Findings, active: &Active) -> io::Result<Vec<(Arc<Segment>, u64)>> {
    let mut unsealed = Vec::new();
    for loaded in &findings.segments {
        let Some(end) = loaded.records_end else {
            continue;
        };
        if Arc::ptr_eq(&loaded.segment, &active.segment) {
            continue;
        }
        if loaded.segment.is_compacted() && !loaded.holes.is_empty() {
            // Its index could not say what is lost: the next start reads its records again.
            loaded.segment.drop_index()?;
        } else {
            unsealed.push((Arc::clone(&loaded.segment), end));
        }
    }
    Ok(unsealed)
}
