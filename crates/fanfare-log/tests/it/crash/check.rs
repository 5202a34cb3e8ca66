//! Whether a log that was opened holds what it has to, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare_hub::event::Kind;
use fanfare_hub::{AppendError, Event, EventId, Log, Resume, Seq, Start};
use fanfare_log::DiskLog;
use fastrand::Rng;

use super::ask::{KEPT, locate, read_all, read_from, select, topic};
use super::model::{Model, Outcome, TOPICS, name};
use crate::wait::wait;

/// Batches with a key that are sent again after a restart.
const RETRIES: usize = 2;
/// Positions from before that are resumed after a restart.
const POSITIONS: usize = 2;

/// Checks everything, and makes certain in the model what is certain now.
pub(crate) fn check(log: &DiskLog, model: &mut Model, rng: &mut Rng) -> Result<(), String> {
    let epoch = log.epoch();
    if let Some(before) = model.epoch
        && before != epoch
    {
        return Err(format!(
            "nothing was lost, but epoch {before} became {epoch}"
        ));
    }
    let events = read_all(log)?;
    model.all_seen(&events, epoch)?;
    model.settle();
    settle_forgets(log, model, &events)?;
    let present: BTreeMap<u64, &Arc<Event>> =
        events.iter().map(|event| (event.seq.0, event)).collect();
    check_presence(log, model, &present)?;
    check_ends(log, model)?;
    for _ in 0..POSITIONS {
        check_position(log, model, &events, rng)?;
    }
    check_keys(log, model, rng)
}

/// What is forgotten without an answer is forgotten or not, but not in part.
fn settle_forgets(log: &DiskLog, model: &mut Model, events: &[Arc<Event>]) -> Result<(), String> {
    let mut forgets = std::mem::take(&mut model.forgets);
    let mut outcome = Ok(());
    forgets.retain_mut(|forget| {
        let own = events
            .iter()
            .filter(|event| event.topic.as_str() == name(forget.topic));
        let is_there = own.clone().any(|event| event.seq <= forget.through);
        if forget.is_sure && is_there {
            outcome = Err(format!("{forget:?} came back"));
        }
        if forget.is_sure {
            return true;
        }
        let status = wait(log.topic(&topic(&name(forget.topic))));
        forget.is_sure = status.is_none_or(|status| !is_there && !status.is_ended);
        forget.is_sure
    });
    model.forgets = forgets;
    outcome
}

fn check_presence(
    log: &DiskLog,
    model: &Model,
    present: &BTreeMap<u64, &Arc<Event>>,
) -> Result<(), String> {
    let last = model.last();
    if log.last() != last {
        return Err(format!(
            "the last event is {}, not {}",
            log.last().0,
            last.0
        ));
    }
    let mut known = BTreeMap::new();
    for attempt in &model.attempts {
        let parts = attempt.seqs().enumerate();
        known.extend(parts.map(|(part, seq)| (seq, (attempt, part))));
    }
    for seq in 1..=last.0 {
        let Some((attempt, part)) = known.get(&seq) else {
            return Err(format!("{seq} is no event of anybody's"));
        };
        let is_end = *part == attempt.texts.len();
        let is_forgotten = model.is_forgotten(attempt.topic, seq);
        match present.get(&seq) {
            Some(event) if (event.kind == Kind::End) != is_end => {
                return Err(format!("{event:?} is not what was published"));
            }
            Some(event) if is_forgotten == Some(true) => {
                return Err(format!("{event:?} was forgotten"));
            }
            None if seq + KEPT > last.0 && is_forgotten == Some(false) => {
                return Err(format!("{seq} of {} is lost", name(attempt.topic)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_ends(log: &DiskLog, model: &Model) -> Result<(), String> {
    for number in 0..TOPICS {
        let status = wait(log.topic(&topic(&name(number))));
        let is_ended = status.as_ref().is_some_and(|status| status.is_ended);
        if model
            .is_ended(number)
            .is_some_and(|expected| expected != is_ended)
        {
            let ends = model
                .attempts
                .iter()
                .filter(|attempt| attempt.topic == number && attempt.ends);
            let ends: Vec<u64> = ends.filter_map(|attempt| attempt.seqs().last()).collect();
            let forgets = model.forgets.iter().filter(|forget| forget.topic == number);
            let forgets: Vec<u64> = forgets.map(|forget| forget.through.0).collect();
            return Err(format!(
                "wrong end: {status:?}; ended at {ends:?}, forgotten through {forgets:?}"
            ));
        }
    }
    Ok(())
}

/// A position from before resumes exactly, or is told a gap.
fn check_position(
    log: &DiskLog,
    model: &Model,
    events: &[Arc<Event>],
    rng: &mut Rng,
) -> Result<(), String> {
    let last = model.last().0;
    let oldest = last.saturating_sub(2 * KEPT);
    let after = Seq(rng.u64(oldest..=last));
    let selector = match rng.bool() {
        true => "**".to_owned(),
        false => name(rng.usize(..TOPICS)),
    };
    let selection = select(&selector);
    let id = EventId {
        epoch: log.epoch(),
        seq: after,
    };
    let located = locate(log, &selection, &Start::Resume(Resume::After(id)));
    let read = read_from(log, &selection, &located)?;
    let story = || format!("{selector} after {}: {:?}", after.0, located);
    let read: Vec<u64> = read.iter().map(|event| event.seq.0).collect();
    let own = events
        .iter()
        .filter(|event| selection.matches(&event.topic));
    let there: Vec<u64> = own
        .map(|event| event.seq.0)
        .filter(|seq| *seq > after.0)
        .collect();
    let stored = model
        .attempts
        .iter()
        .filter(|attempt| selection.matches(&topic(&name(attempt.topic))));
    let stored = stored
        .flat_map(|attempt| attempt.seqs())
        .filter(|seq| *seq > after.0)
        .count();
    let kept = events.first().map_or(last, |event| event.seq.0 - 1);
    // Where a forgotten topic had its newest event is not remembered for ever.
    let is_all_there =
        after.0 >= kept && events.len() as u64 == last - kept && model.forgets.is_empty();
    match &located.gap {
        _ if read != there => Err(format!("{} gives {read:?}, not {there:?}", story())),
        None if stored > there.len() => Err(format!("{} hides a gap", story())),
        Some(_) if is_all_there && last > 0 => Err(format!("{} makes up a gap", story())),
        _ => Ok(()),
    }
}

/// A batch with a key that is sent again is answered as the first time.
fn check_keys(log: &DiskLog, model: &Model, rng: &mut Rng) -> Result<(), String> {
    let keyed = model.attempts.iter().filter(|attempt| {
        let last = attempt.seqs().last();
        attempt.key.is_some()
            && last.is_some_and(|last| model.is_forgotten(attempt.topic, last) == Some(false))
    });
    let keyed: Vec<_> = keyed.collect();
    for _ in 0..RETRIES.min(keyed.len()) {
        let Some(attempt) = rng.choice(keyed.iter()) else {
            continue;
        };
        let answer = wait(log.append(attempt.batch()));
        let is_same = answer.as_ref().is_ok_and(|receipt| {
            receipt.is_replayed && Some(receipt.id.seq.0) == attempt.seqs().last()
        });
        if !is_same {
            return Err(format!("a retry is answered {answer:?}: {attempt:?}"));
        }
    }
    Ok(())
}

/// The log takes events after whatever happened to it.
pub(crate) fn check_it_goes_on(
    log: &DiskLog,
    model: &mut Model,
    rng: &mut Rng,
) -> Result<(), String> {
    let open: Vec<usize> = (0..TOPICS)
        .filter(|topic| model.is_ended(*topic) == Some(false))
        .collect();
    let Some(topic) = rng.choice(open) else {
        return Ok(());
    };
    let last = model.last();
    let mut work = super::work::Work::new(log, model, rng);
    let number = work.attempt(topic, 2, false);
    work.publish(&[number])?;
    match model.attempts[number].outcome {
        Outcome::Stored(first) if first == last.next() => Ok(()),
        _ => {
            let reason = log
                .writable()
                .err()
                .map(|error: AppendError| error.to_string());
            Err(format!(
                "after {}: {:?}, {reason:?}",
                last.0, model.attempts[number]
            ))
        }
    }
}
