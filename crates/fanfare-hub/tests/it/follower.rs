//! A cursor together with what the model says it must be told; every step of it is checked.

use std::sync::Arc;

use fanfare_hub::limits::SCAN_EVENTS_MAX;
use fanfare_hub::{
    Cursor, Event, Gap, GapReason, ReadBudget, Selection, Seq, Slice, Start, Step, Timestamp,
};

use crate::fixture::{Bell, poll, seqs};
use crate::model::{Entry, Model, id};

/// What a follower was told, in order.
#[derive(Debug)]
pub(crate) enum Told {
    /// An event.
    Event(Seq),
    /// A gap, at this step of the model.
    Gap(u64),
}

pub(crate) struct Follower {
    cursor: Cursor,
    pub(crate) selection: Selection,
    bell: Arc<Bell>,
    /// Where the model says it stands.
    after: Seq,
    /// The step of the model when it last looked at the log.
    looked: u64,
    opening: Option<Gap>,
    /// What was read together with a gap and comes after it, whatever happens meanwhile.
    held: Option<Vec<Seq>>,
    /// Where it began, and at which step.
    began: (Seq, u64),
    pub(crate) told: Vec<Told>,
    /// Whether it waits, so that it has to be woken.
    is_waiting: bool,
}

impl Follower {
    /// Takes over a cursor that was just opened, and checks where it begins.
    pub(crate) fn new(
        cursor: Cursor,
        selection: Selection,
        start: &Start,
        model: &Model,
        now: Timestamp,
    ) -> Self {
        let (expected, reason) = model.start(&selection, start, now);
        let after = cursor.position().seq;
        assert_eq!(cursor.position(), id(after));
        let rest: Vec<Seq> = seqs_of(&model.rest(&selection, after));
        assert_eq!(rest, expected, "{start:?} of {selection:?}");
        let opening = cursor.opening_gap().cloned();
        check_opening(model, &selection, start, reason, opening.as_ref(), after);
        let began = match start {
            Start::Resume(fanfare_hub::Resume::After(asked)) if opening.is_none() => (asked.seq, 0),
            _ => (after, model.step),
        };
        Self {
            cursor,
            selection,
            bell: Arc::default(),
            after,
            looked: model.step,
            opening,
            held: None,
            began,
            told: Vec::new(),
            is_waiting: false,
        }
    }

    /// The ids that a client of this stream could resume with.
    pub(crate) fn ids_seen(&self) -> Vec<Seq> {
        let given = self.told.iter().filter_map(|told| match told {
            Told::Event(seq) => Some(*seq),
            Told::Gap(_) => None,
        });
        given.chain([self.began.0, self.after]).collect()
    }

    /// Checks that the follower was woken if, and only if, it waited for what became visible.
    pub(crate) fn check_woken(&mut self, became_visible: bool) {
        let rings = self.bell.rings();
        if self.is_waiting {
            assert_eq!(rings, usize::from(became_visible), "{:?}", self.selection);
            self.is_waiting = !became_visible;
        }
    }

    /// Polls once. Answers whether there was a step, other than the end of the stream.
    pub(crate) fn poll(&mut self, model: &Model, budget: ReadBudget) -> bool {
        let before = self.cursor.position();
        self.bell.rings();
        let step = poll(&mut self.cursor, &self.bell, budget);
        assert!(self.cursor.position().seq >= before.seq, "a position fell");
        if let Some(opening) = self.opening.take() {
            let Some(Step::Gap(gap)) = step else {
                panic!("expected {opening:?}, got {step:?}");
            };
            assert_eq!(gap, opening);
            self.told.push(Told::Gap(self.looked));
            return true;
        }
        if let Some(held) = self.held.take() {
            let Some(Step::Events(slice)) = step else {
                panic!("expected what came with the gap, got {step:?}");
            };
            assert!(held.starts_with(&seqs(&slice.events)) && !slice.events.is_empty());
            self.take(&slice);
            return true;
        }
        self.check_step(step, model, budget)
    }

    fn check_step(&mut self, step: Option<Step>, model: &Model, budget: ReadBudget) -> bool {
        let is_lost = model.is_lost(&self.selection, self.after, self.looked);
        let rest = model.rest(&self.selection, self.after);
        match step {
            Some(Step::Gap(gap)) => {
                assert!(is_lost, "nothing was lost: {gap:?}");
                self.check_slow(&gap, model, &rest);
                self.looked = model.step;
                self.told.push(Told::Gap(model.step));
                return true;
            }
            _ => assert!(!is_lost, "a gap was not told: {step:?}"),
        }
        self.looked = model.step;
        match step {
            Some(Step::Events(slice)) => {
                let turn_ends = Seq(self.after.0 + turn(&self.selection));
                check_slice(&slice, &rest, budget, turn_ends);
                self.take(&slice);
                true
            }
            Some(Step::Over) => {
                assert!(rest.is_empty() && model.is_over(&self.selection));
                self.after = self.cursor.position().seq;
                false
            }
            Some(Step::Gap(_)) => unreachable!("handled above"),
            None => {
                self.after = self.cursor.position().seq;
                let yielded = self.bell.rings() > 0;
                assert!(!model.is_over(&self.selection));
                if yielded {
                    return true;
                }
                assert!(rest.is_empty(), "{:?} is not given", seqs_of(&rest));
                self.is_waiting = true;
                false
            }
        }
    }

    fn check_slow(&mut self, gap: &Gap, model: &Model, rest: &[&Entry]) {
        let held = seqs_of(rest);
        let before = std::mem::replace(&mut self.after, self.cursor.position().seq);
        let mut resumes_after = held
            .first()
            .map_or_else(|| model.last(), |seq| seq.previous());
        // A turn looks so far and no farther.
        if self.after < resumes_after && self.after.0 >= before.0 + turn(&self.selection) {
            resumes_after = self.after;
        } else if !held.is_empty() {
            assert_eq!(self.after, before);
            self.held = Some(held);
        }
        let asked = id(before).to_string();
        let expected = model.gap(&self.selection, GapReason::Slow, asked, resumes_after);
        assert_eq!(*gap, expected);
    }

    fn take(&mut self, slice: &Slice) {
        self.after = slice.after;
        assert_eq!(self.cursor.position(), id(slice.after));
        assert!(slice.events.last().unwrap().seq <= slice.after);
        let given = slice.events.iter().map(|event| Told::Event(event.seq));
        self.told.extend(given);
        self.is_waiting = false;
    }

    /// Polls until there is nothing left to say.
    pub(crate) fn drain(&mut self, model: &Model, budget: ReadBudget) {
        while self.poll(model, budget) {}
        assert!(model.rest(&self.selection, self.after).is_empty());
    }

    /// Looks at the whole transcript: in order, nothing twice, and between two events nothing of
    /// the selection is missing unless a gap was told after the loss and before the second.
    pub(crate) fn audit(&self, model: &Model) {
        let (mut reached, mut told_at) = (self.began.0, self.began.1);
        for told in &self.told {
            match *told {
                Told::Gap(step) => told_at = step,
                Told::Event(seq) => {
                    assert!(seq > reached, "{seq} after {reached}: {:?}", self.told);
                    assert_eq!(self.missing(model, reached, seq, told_at), []);
                    reached = seq;
                }
            }
        }
        let beyond = self.after.max(reached).next();
        assert_eq!(self.missing(model, reached, beyond, told_at), []);
    }

    /// What lies between two places and was neither given nor lost before the last gap.
    fn missing(&self, model: &Model, after: Seq, before: Seq, told_at: u64) -> Vec<Seq> {
        let place = |seq: Seq| usize::try_from(seq.0).unwrap();
        let between = &model.all[place(after)..place(before) - 1];
        let missing = between.iter().filter(|entry| {
            self.selection.matches(&entry.topic) && entry.dropped.is_none_or(|step| step > told_at)
        });
        missing.map(|entry| entry.seq).collect()
    }
}

fn seqs_of(entries: &[&Entry]) -> Vec<Seq> {
    entries.iter().map(|entry| entry.seq).collect()
}

/// Checks the gap that a stream begins with, or that there is none.
pub(crate) fn check_opening(
    model: &Model,
    selection: &Selection,
    start: &Start,
    reason: Option<GapReason>,
    found: Option<&Gap>,
    after: Seq,
) {
    use fanfare_hub::Resume::{After, Earliest, Malformed, Unknown};
    let asked = match start {
        Start::Resume(After(id)) => id.to_string(),
        Start::Resume(Unknown(text) | Malformed(text)) => text.clone(),
        Start::Resume(Earliest) | Start::Tail | Start::All | Start::Last(_) | Start::Since(_) => {
            String::new()
        }
    };
    let expected = reason.map(|reason| model.gap(selection, reason, asked, after));
    assert_eq!(found, expected.as_ref(), "{start:?} of {selection:?}");
}

/// How many events a turn looks at.
fn turn(selection: &Selection) -> u64 {
    (SCAN_EVENTS_MAX / selection.patterns.len().max(1)) as u64
}

/// Checks that a slice is what comes next, as much of it as the budget allows or
/// the turn reaches, byte for byte.
pub(crate) fn check_slice(slice: &Slice, rest: &[&Entry], budget: ReadBudget, turn_ends: Seq) {
    let given = slice.events.len();
    assert!(given > 0);
    assert_eq!(seqs(&slice.events), seqs_of(&rest[..given]));
    for (event, entry) in slice.events.iter().zip(rest) {
        assert_eq!(event.frame, entry.frame);
        assert_eq!((event.time, &event.topic), (entry.time, &entry.topic));
    }
    let bytes = |events: &[Arc<Event>]| -> usize { events.iter().map(|e| e.frame.len()).sum() };
    let is_within = |count: usize, bytes: usize| {
        count == 1 || (count <= budget.events && bytes <= budget.bytes)
    };
    assert!(is_within(given, bytes(&slice.events)));
    let Some(next) = rest.get(given) else {
        return;
    };
    assert!(slice.has_more && slice.after < next.seq);
    let is_scan_cut = slice.after >= turn_ends;
    let would_fit = is_within(given + 1, bytes(&slice.events) + next.frame.len());
    assert!(!would_fit || is_scan_cut, "the budget was not used");
}
