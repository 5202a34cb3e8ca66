//! Short spellings for asking a log: waiting with a deadline, names, reading everything.

use std::sync::Arc;
use std::time::Instant;

use fanfare_hub::log::{Located, ReadRequest, Reading};
use fanfare_hub::{
    Event, Limits, Log, ReadBudget, Retention, RetentionRules, Selection, Selector, Start,
    Timestamp, TopicName,
};
use fanfare_log::{DiskLog, Options};

use crate::wait::{DEADLINE, wait};

/// The time of tests that do not care about time.
pub(crate) const NOW: Timestamp = Timestamp(1_763_680_000_000);
/// A few turns for what these logs keep.
const TURN: ReadBudget = ReadBudget {
    bytes: 20_000,
    events: 64,
};
/// How many events the logs of these tests keep.
pub(crate) const KEPT: u64 = 120;

/// A log of segments so small that everything that happens to segments happens often.
pub(crate) fn options() -> Options {
    let hub = Retention {
        events_max: KEPT,
        ..Retention::UNBOUNDED
    };
    Options {
        retention: RetentionRules {
            hub,
            ..RetentionRules::default()
        },
        segment_bytes: 32 << 10,
        tail_bytes: 8 << 10,
        cache_bytes: 256 << 10,
        ..Options::default()
    }
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

pub(crate) fn select(selector: &str) -> Arc<Selection> {
    let selector = Selector::parse(selector).unwrap();
    Arc::new(Selection::new([selector], &Limits::default()).unwrap())
}

pub(crate) fn locate(log: &DiskLog, selection: &Arc<Selection>, start: &Start) -> Located {
    wait(log.locate(selection, start, NOW))
}

/// Reads all there is after a place. Nothing may be told as missing.
pub(crate) fn read_from(
    log: &DiskLog,
    selection: &Arc<Selection>,
    located: &Located,
) -> Result<Vec<Arc<Event>>, String> {
    let mut request = ReadRequest {
        selection: Arc::clone(selection),
        after: located.after,
        trims_seen: located.trims_seen,
        budget: TURN,
    };
    let mut events: Vec<Arc<Event>> = Vec::new();
    loop {
        let slice = match log.read(&request) {
            Reading::Ready(slice) => slice,
            Reading::Later(fetch) => wait(fetch),
        };
        if let Some(missing) = slice.missing {
            return Err(format!("after {} is missing: {missing:?}", request.after.0));
        }
        let is_end = slice.events.is_empty() && !slice.has_more;
        for event in slice.events.iter() {
            let newest = events.last().map_or(request.after, |event| event.seq);
            if event.seq <= newest {
                return Err(format!("{} comes after {}", event.seq.0, newest.0));
            }
            events.push(Arc::clone(event));
        }
        if slice.after < request.after {
            return Err(format!("reading went back to {}", slice.after.0));
        }
        (request.after, request.trims_seen) = (slice.after, slice.trims_seen);
        if is_end {
            return Ok(events);
        }
    }
}

/// Reads everything that is kept.
pub(crate) fn read_all(log: &DiskLog) -> Result<Vec<Arc<Event>>, String> {
    let selection = select("**");
    let located = locate(log, &selection, &Start::All);
    if let Some(gap) = &located.gap {
        return Err(format!("reading all is told a gap: {gap:?}"));
    }
    read_from(log, &selection, &located)
}

/// The same of a log that is at work: retention may overtake who reads, and says so; then it is
/// read anew.
pub(crate) fn read_live(log: &DiskLog) -> Result<Vec<Arc<Event>>, String> {
    let start = Instant::now();
    loop {
        match read_all(log) {
            Err(error) if error.contains("Overtaken") && start.elapsed() < DEADLINE => {}
            read => return read,
        }
    }
}
