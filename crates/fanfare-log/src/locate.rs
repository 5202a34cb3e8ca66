//! Finding where a subscription starts, and whether what it asks for is all there. What takes a
//! look at the disk runs on a reader thread.

use std::collections::BinaryHeap;

use fanfare_hub::log::Located;
use fanfare_hub::reading::looks_of_a_turn;
use fanfare_hub::{
    EventId, Gap, GapReason, Resume, Selection, Seq, Start, Timestamp, TopicName, TopicStatus,
};

use crate::shared::Shared;
use crate::view::View;

/// Where the subscription starts, if that can be told from memory.
pub(crate) fn from_memory(
    shared: &Shared,
    selection: &Selection,
    start: &Start,
) -> Option<Located> {
    let view = shared.view();
    let after = match start {
        Start::Tail | Start::Last(0) => view.last,
        Start::Resume(Resume::After(id))
            if id.epoch == shared.epoch
                && id.seq <= view.last
                && !view.is_trimmed(selection, id.seq, 0) =>
        {
            id.seq
        }
        _ => return None,
    };
    Some(located(&view, selection, after, None))
}

/// Where the subscription starts.
pub(crate) fn locate(
    shared: &Shared,
    selection: &Selection,
    start: &Start,
    now: Timestamp,
) -> Located {
    if let Some(located) = from_memory(shared, selection, start) {
        return located;
    }
    let last = shared.view().last;
    let before = |seq: Option<Seq>| seq.map_or(last, Seq::previous);
    let (after, gap) = match start {
        Start::Tail => (last, None),
        Start::All | Start::Resume(Resume::Earliest) => {
            (before(oldest_after(shared, selection, Seq::ZERO)), None)
        }
        Start::Last(count) => (before(nth_newest(shared, selection, *count)), None),
        Start::Since(span) => {
            let old = shared.shelf().last_older_than(now.before(*span));
            (before(oldest_after(shared, selection, old)), None)
        }
        Start::Resume(resume) => resume_with_gap(shared, selection, resume),
    };
    located(&shared.view(), selection, after, gap)
}

fn located(view: &View, selection: &Selection, after: Seq, gap: Option<Gap>) -> Located {
    Located {
        after,
        gap,
        trims_seen: view.drops.count(),
        is_over: view.is_over(selection) && is_read(view, selection, after),
    }
}

/// Whether nothing of the selection lies after the place.
fn is_read(view: &View, selection: &Selection, after: Seq) -> bool {
    selection.topics.iter().all(|name| {
        let topic = view.topics.by_name(name);
        topic.is_none_or(|topic| topic.events == 0 || topic.newest <= after)
    })
}

/// A position that is not one of ours, or after which something is gone.
fn resume_with_gap(shared: &Shared, selection: &Selection, resume: &Resume) -> (Seq, Option<Gap>) {
    let oldest = oldest_after(shared, selection, Seq::ZERO);
    let last = shared.view().last;
    let before_oldest = oldest.map_or(last, Seq::previous);
    let (reason, asked, after) = match resume {
        Resume::After(id) if id.epoch != shared.epoch => {
            (GapReason::Epoch, id.to_string(), before_oldest)
        }
        Resume::After(id) if id.seq > last => (GapReason::Future, id.to_string(), before_oldest),
        // What the client has seen already is not sent again: only after a trim is its position one
        // of ours.
        Resume::After(id) => (
            GapReason::Trimmed,
            id.to_string(),
            before_oldest.max(id.seq),
        ),
        Resume::Unknown(text) => (GapReason::Unknown, text.clone(), before_oldest),
        Resume::Malformed(text) => (GapReason::Malformed, text.clone(), before_oldest),
        Resume::Earliest => return (before_oldest, None),
    };
    let id = |seq| EventId {
        epoch: shared.epoch,
        seq,
    };
    let gap = Gap {
        reason,
        asked,
        oldest: id(oldest.unwrap_or(last)),
        resumes_after: id(after),
    };
    (after, Some(gap))
}

/// The topics of a selection with their floors; `None` when they are too many to be merged.
fn few(view: &View, selection: &Selection) -> Option<Vec<(u32, Seq)>> {
    let topics = view.topics.few(selection)?;
    Some(floors(&topics))
}

fn all(view: &View, selection: &Selection) -> Vec<(u32, Seq)> {
    floors(&view.topics.all(selection))
}

fn floors(topics: &[&crate::topics::Topic]) -> Vec<(u32, Seq)> {
    let kept = topics.iter().filter(|topic| topic.events > 0);
    kept.map(|topic| (topic.id, topic.floor.through)).collect()
}

/// The oldest event of the selection after a place.
pub(crate) fn oldest_after(shared: &Shared, selection: &Selection, after: Seq) -> Option<Seq> {
    let shelf = shared.shelf();
    let first = |topics: Vec<(u32, Seq)>| {
        let firsts = topics.into_iter();
        let firsts = firsts.filter_map(|(id, floor)| shelf.oldest_seq_of(id, floor.max(after)));
        firsts.min()
    };
    let (topics, floor) = {
        let view = shared.view();
        (few(&view, selection), view.floor)
    };
    if let Some(topics) = topics {
        return first(topics);
    }
    // Where many topics match, one of them is mostly met soon.
    let near = shelf.candidates(floor.max(after), looks_of_a_turn(selection));
    let view = shared.view();
    let found = near.iter().find(|event| {
        let topic = view.topics.by_id(event.topic);
        topic.is_some_and(|topic| topic.floor.through < event.seq && selection.matches(&topic.name))
    });
    match found {
        Some(event) => Some(event.seq),
        None => {
            let topics = all(&view, selection);
            drop(view);
            first(topics)
        }
    }
}

/// The event of the selection that has `count - 1` younger ones, or else the oldest.
fn nth_newest(shared: &Shared, selection: &Selection, count: u64) -> Option<Seq> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let topics = {
        let view = shared.view();
        few(&view, selection)
    };
    if let Some(topics) = topics {
        return nth_of(shared, &topics, count);
    }
    if let Some(seq) = nth_nearby(shared, selection, count) {
        return Some(seq);
    }
    let topics = all(&shared.view(), selection);
    nth_of(shared, &topics, count)
}

/// The same when so many match that the newest events of the hub are mostly theirs.
fn nth_nearby(shared: &Shared, selection: &Selection, count: usize) -> Option<Seq> {
    let shelf = shared.shelf();
    let segment = shelf.segments.last()?;
    let looks = looks_of_a_turn(selection);
    let newest = segment
        .entries_before(shelf.cache, Seq(u64::MAX), looks)
        .ok()?;
    let view = shared.view();
    let mut found = newest.iter().filter(|entry| {
        let topic = view.topics.by_id(entry.topic);
        topic.is_some_and(|topic| {
            topic.floor.through < segment.seq(entry.number) && selection.matches(&topic.name)
        })
    });
    found.nth(count - 1).map(|entry| segment.seq(entry.number))
}

/// The same by looking at each topic, from the newest segment down.
fn nth_of(shared: &Shared, topics: &[(u32, Seq)], count: usize) -> Option<Seq> {
    let shelf = shared.shelf();
    // The newest so far, the oldest of them on top.
    let mut newest = BinaryHeap::new();
    for segment in shelf.segments.iter().rev() {
        if newest.len() >= count {
            break;
        }
        let room = count - newest.len();
        for &(topic, floor) in topics {
            let places = segment.places_before(shelf.cache, topic, Seq(u64::MAX), count.min(room));
            let seqs = places
                .unwrap_or_default()
                .into_iter()
                .map(|place| segment.seq(place.number));
            newest.extend(seqs.filter(|seq| *seq > floor).map(std::cmp::Reverse));
        }
    }
    // All events of a segment are older than those of the next, so that the heap holds the newest
    // ones and perhaps some more.
    let mut seqs = newest.into_sorted_vec();
    seqs.truncate(count);
    seqs.last().map(|seq| seq.0)
}

/// What is known of a topic.
pub(crate) fn status(shared: &Shared, name: &TopicName) -> Option<TopicStatus> {
    let (mut status, id, floor) = {
        let view = shared.view();
        let topic = view.topics.by_name(name)?;
        (topic.status(None), topic.id, topic.floor.through)
    };
    if status.events > 0 {
        status.oldest = shared.shelf().oldest_seq_of(id, floor);
    }
    Some(status)
}

/// What is known of the topics after the given name.
pub(crate) fn page(shared: &Shared, after: Option<&TopicName>, limit: usize) -> Vec<TopicStatus> {
    let names: Vec<_> = {
        let view = shared.view();
        let ids = view.topics.page(after, limit);
        let topics = ids.iter().filter_map(|id| view.topics.by_id(*id));
        topics.map(|topic| topic.name.clone()).collect()
    };
    names
        .iter()
        .filter_map(|name| status(shared, name))
        .collect()
}
