//! Reading what lies on disk after a cursor, in one bounded slice. Runs on a reader thread.
//!
//! Only events that left memory are read here: the slice ends where the tail begins, and the next
//! read finds the rest there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use fanfare_hub::events::Run;
use fanfare_hub::log::{Lost, Missing, ReadBudget, ReadRequest, Slice};
use fanfare_hub::reading::{Room, looks_of_a_turn};
use fanfare_hub::{Seq, TopicName};

use crate::index::Place;
use crate::options::{FETCH_SEGMENTS_MAX, FETCH_TIME_MAX};
use crate::segment::{DamagedEvent, Gathered, Segment};
use crate::shared::Shared;
use crate::shelf::Shelf;
use crate::view::{Hole, View};

/// Bytes of a small event. Of smaller ones a slice has fewer bytes than it may, which costs less
/// than to look up in the index what then does not fit.
const SMALL_BYTES: usize = 256;

/// A topic to be read.
pub(crate) struct Wanted {
    pub(crate) id: u32,
    pub(crate) name: TopicName,
    /// Everything up to here was dropped.
    pub(crate) floor: Seq,
}

/// What was known when the read began.
struct Plan<'a> {
    shelf: Shelf<'a>,
    /// The topics, unless they are too many to be merged.
    topics: Option<Vec<Wanted>>,
    /// What lies beyond is in memory.
    through: Seq,
    last: Seq,
    floor: Seq,
    trims_seen: u64,
    is_trimmed: bool,
    holes: Arc<Vec<Hole>>,
}

/// Events of one segment that were found in its index, at least one.
struct Found {
    segment: Arc<Segment>,
    /// Each with its topic, as a number in [`Pass::topics`].
    places: Vec<(Place, usize)>,
}

/// What one pass over the indexes came to.
#[derive(Default)]
struct Pass {
    /// By segment, in order.
    found: Vec<Found>,
    /// The names of the topics of what was found.
    topics: Vec<TopicName>,
    /// Everything of the selection up to here was found.
    through: Seq,
    /// A part of an index that cannot be read begins after here and ends there.
    unreadable: Option<Seq>,
}

/// Reads what lies on disk after a cursor.
pub(crate) fn fetch(shared: &Shared, request: &ReadRequest) -> Slice {
    let plan = Plan::new(shared, request);
    let mut missing = plan.is_trimmed.then(|| Missing {
        why: Lost::Overtaken,
        oldest: plan.oldest(shared, request, request.after),
    });
    let mut after = request.after.max(plan.floor.min(plan.through));
    let mut events = Run::default();
    while events.rows.is_empty() && after < plan.through {
        let hole = plan.holes.iter().find(|hole| hole.through > after);
        let limit = hole.map_or(plan.through, |hole| hole.from.previous().min(plan.through));
        let mut pass = plan.pass(shared, request, (after, limit));
        after = pass.through;
        let lost = read_events(shared, &pass, &mut events);
        events.topics = std::mem::take(&mut pass.topics);
        let is_empty = events.rows.is_empty();
        let damaged_through = match (lost, hole) {
            (Some(seq), _) if is_empty => {
                // What was found behind it is still to be read.
                after = seq;
                seq
            }
            (Some(_), _) => {
                // What was read is given first; the next read begins before what is damaged.
                after = events.rows.last().map_or(after, |row| row.seq);
                break;
            }
            _ if is_empty && pass.unreadable.is_some() => pass.unreadable.unwrap_or(after),
            (_, Some(hole)) if is_empty && after >= limit => hole.through,
            // A turn that only passed over events of others.
            _ if plan.topics.is_none() => break,
            _ => continue,
        };
        after = after.max(damaged_through);
        missing.get_or_insert_with(|| Missing {
            why: Lost::Damaged,
            oldest: plan.oldest(shared, request, damaged_through),
        });
        // One turn tells one gap; what follows is the next turn's.
        break;
    }
    Slice {
        events: events.into(),
        after,
        trims_seen: plan.trims_seen,
        missing,
        has_more: after < plan.last,
        is_over: false,
    }
}

impl<'a> Plan<'a> {
    fn new(shared: &'a Shared, request: &ReadRequest) -> Self {
        let view = shared.view();
        let selection = &request.selection;
        Self {
            topics: wanted(&view, request),
            shelf: shared.shelf_of(&view),
            through: view.on_disk_through(),
            last: view.last,
            floor: view.floor,
            trims_seen: view.drops.count(),
            is_trimmed: view.is_trimmed(selection, request.after, request.trims_seen),
            holes: Arc::clone(&view.holes),
        }
    }

    /// Finds the next events after a place in the indexes, up to a limit.
    fn pass(&self, shared: &Shared, request: &ReadRequest, range: (Seq, Seq)) -> Pass {
        match &self.topics {
            Some(topics) => self.pass_topics(topics, request.budget, range),
            None => self.pass_forward(shared, request, range),
        }
    }

    fn pass_topics(&self, topics: &[Wanted], budget: ReadBudget, range: (Seq, Seq)) -> Pass {
        let begin = Instant::now();
        let (after, limit) = range;
        let mut pass = Pass {
            topics: topics.iter().map(|topic| topic.name.clone()).collect(),
            through: limit,
            ..Pass::default()
        };
        let mut room = Room::new(budget);
        // With many topics each gives a few; what one cuts short ends the pass for all.
        let each_max = match topics.len() {
            // As many as fill a slice with the small events that there usually are.
            0 | 1 => (budget.bytes / SMALL_BYTES).clamp(16, budget.events.max(16)),
            many => (2 * budget.events / many).clamp(16, budget.events.max(16)),
        };
        for segment in self.shelf.after(after) {
            if segment.base > limit {
                break;
            }
            let mut through = limit;
            let mut places = Vec::new();
            for (index, topic) in topics.iter().enumerate() {
                let from = after.max(topic.floor);
                let Ok(some) = segment.places_after(self.shelf.cache, topic.id, from, each_max)
                else {
                    return pass.stop_at_unreadable(segment, limit);
                };
                if some.len() >= each_max
                    && let Some(last) = some.last()
                {
                    through = through.min(segment.seq(last.number));
                }
                places.extend(some.into_iter().map(|place| (place, index)));
            }
            if topics.len() > 1 {
                places.sort_unstable_by_key(|(place, _)| place.number);
            }
            for (place, index) in places {
                if segment.seq(place.number) > through {
                    break;
                }
                if !room.takes(place.len as usize) {
                    return pass.stop();
                }
                pass.take(segment, place, index);
            }
            if through < limit {
                pass.through = through;
                return pass;
            }
            let segments = pass.found.len();
            let is_late = segments > 0 && begin.elapsed() >= FETCH_TIME_MAX;
            if is_late || segments >= FETCH_SEGMENTS_MAX {
                pass.through = segment.through(limit);
                return pass;
            }
        }
        pass
    }

    /// Looks at every event after the place, as many as one turn may.
    fn pass_forward(&self, shared: &Shared, request: &ReadRequest, range: (Seq, Seq)) -> Pass {
        let (after, limit) = range;
        let mut pass = Pass {
            through: limit,
            ..Pass::default()
        };
        let mut room = Room::new(request.budget);
        let looks = looks_of_a_turn(&request.selection);
        let Some(segment) = self
            .shelf
            .after(after)
            .iter()
            .find(|segment| segment.has_after(after))
        else {
            return pass;
        };
        let Ok(entries) = segment.entries_after(self.shelf.cache, after, looks) else {
            return pass.stop_at_unreadable(segment, limit);
        };
        let mut seen = HashMap::new();
        let view = shared.view();
        for entry in &entries {
            let seq = segment.seq(entry.number);
            if seq > limit {
                return pass;
            }
            let topic = seen.entry(entry.topic).or_insert_with(|| {
                let topic = view.topics.by_id(entry.topic)?;
                if !request.selection.matches(&topic.name) {
                    return None;
                }
                pass.topics.push(topic.name.clone());
                Some((pass.topics.len() - 1, topic.floor.through))
            });
            if let Some((topic, floor)) = topic
                && *floor < seq
            {
                if !room.takes(entry.len as usize) {
                    return pass.stop();
                }
                pass.take(segment, entry.place(), *topic);
            }
            pass.through = seq;
        }
        // A segment that has been read to its end is left behind, with what may be missing after
        // its last event.
        if entries.len() < looks {
            pass.through = segment.through(limit);
        }
        pass
    }

    /// The oldest event of the selection after a place, or the tail.
    fn oldest(&self, shared: &Shared, request: &ReadRequest, after: Seq) -> Seq {
        crate::locate::oldest_after(shared, &request.selection, after).unwrap_or(self.last)
    }
}

impl Pass {
    /// Takes in what was found; segment after segment.
    fn take(&mut self, segment: &Arc<Segment>, place: Place, topic: usize) {
        match self.found.last_mut() {
            Some(run) if Arc::ptr_eq(&run.segment, segment) => {
                run.places.push((place, topic));
            }
            _ => self.found.push(Found {
                segment: Arc::clone(segment),
                places: vec![(place, topic)],
            }),
        }
    }

    /// The budget is spent: everything up to the last event found was found.
    fn stop(mut self) -> Self {
        if let Some(run) = self.found.last()
            && let Some((place, _)) = run.places.last()
        {
            self.through = run.segment.seq(place.number);
        }
        self
    }

    fn stop_at_unreadable(mut self, segment: &Segment, limit: Seq) -> Self {
        self.unreadable = Some(segment.through(limit));
        self.through = segment.base.previous();
        if !self.found.is_empty() {
            self.unreadable = None;
        }
        self
    }
}

/// The topics of the selection, unless they are too many to be merged.
fn wanted(view: &View, request: &ReadRequest) -> Option<Vec<Wanted>> {
    let topics = view.topics.few(&request.selection)?;
    let wanted = topics.iter().map(|topic| Wanted {
        id: topic.id,
        name: topic.name.clone(),
        floor: topic.floor.through,
    });
    Some(wanted.collect())
}

/// Reads the events that were found, up to the first that is damaged; answers its seq.
fn read_events(shared: &Shared, pass: &Pass, events: &mut Run) -> Option<Seq> {
    let mut gathered = Gathered::new(shared.epoch);
    let damaged = pass.found.iter().find_map(|found| {
        let (segment, places) = (&found.segment, &found.places);
        segment.gather(&shared.cache, places, &mut gathered).err()
    });
    *events = gathered.finish();
    damaged.map(|DamagedEvent { seq }| {
        tracing::error!(seq = seq.0, "an event on disk is damaged");
        seq
    })
}
