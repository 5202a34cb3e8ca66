//! Answers by token, as who keeps many appends in flight takes them: each comes exactly once, in
//! the order of the seqs, also from a log that closes or cannot store anything.

use std::sync::{Arc, Condvar, Mutex};

use fanfare_hub::event::Kind;
use fanfare_hub::{AnswerTo, Answers, AppendError, Batch, Log, NewEvent, Receipt, Seq};
use fanfare_testkit::disk::{Fault, Op, SimDisk};

use crate::crash::ask::{NOW, options, topic};
use crate::crash::open;
use crate::wait::DEADLINE;

/// The answers that came, in order.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    answers: Vec<(u64, Result<Receipt, AppendError>)>,
    /// How many of them somebody was woken for.
    seen: usize,
    wakes: usize,
}

impl Answers for Inbox {
    fn answer(&self, token: u64, result: Result<Receipt, AppendError>) {
        self.state.lock().unwrap().answers.push((token, result));
    }

    fn wake(&self) {
        let mut state = self.state.lock().unwrap();
        state.seen = state.answers.len();
        state.wakes += 1;
        self.woken.notify_all();
    }
}

impl Inbox {
    /// Where the answer with this token goes.
    pub(crate) fn token(self: &Arc<Self>, token: u64) -> AnswerTo {
        let to: Arc<dyn Answers> = Arc::<Self>::clone(self);
        AnswerTo { to, token }
    }

    /// Waits until somebody would have been woken for so many answers, and gives all there are.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<(u64, Result<Receipt, AppendError>)> {
        let state = self.state.lock().unwrap();
        let waited = self
            .woken
            .wait_timeout_while(state, DEADLINE, |state| state.seen < count);
        let (state, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "not every answer came with a wake");
        state.answers.clone()
    }

    fn wakes(&self) -> usize {
        self.state.lock().unwrap().wakes
    }
}

pub(crate) fn batch(number: u64) -> Batch {
    Batch {
        topic: topic("a"),
        events: vec![(NewEvent::new(number.to_string()).encode(), Kind::Published)],
        idempotency: None,
        time: NOW,
    }
}

const COUNT: u64 = 200;

#[test]
fn answers_come_in_order_and_wake_by_the_run() {
    let log = open(&SimDisk::new(), &options()).unwrap();
    let inbox = Arc::new(Inbox::default());
    // The first answer finds no way in until all others are in line.
    let closed = inbox.state.lock().unwrap();
    for token in 0..COUNT {
        log.append_to(batch(token), inbox.token(token));
    }
    drop(closed);
    let answers = inbox.wait_for(COUNT as usize);
    let expected: Vec<_> = (0..COUNT).map(|token| (token, Seq(token + 1))).collect();
    let seqs = answers
        .into_iter()
        .map(|(token, result)| (token, result.unwrap().id.seq));
    assert_eq!(seqs.collect::<Vec<_>>(), expected);
    let wakes = inbox.wakes();
    assert!(wakes < 10, "{wakes} wakes for {COUNT} answers");
}

#[test]
fn a_log_that_closes_answers_what_it_took() {
    let inbox = Arc::new(Inbox::default());
    let log = open(&SimDisk::new(), &options()).unwrap();
    for token in 0..COUNT {
        log.append_to(batch(token), inbox.token(token));
    }
    drop(log);
    let answers = inbox.wait_for(COUNT as usize);
    assert_eq!(answers.len(), COUNT as usize);
    assert!(answers.iter().all(|(_, result)| result.is_ok()));
}

#[test]
fn a_disk_that_fails_has_everybody_told_once() {
    let inbox = Arc::new(Inbox::default());
    let disk = SimDisk::new();
    let log = open(&disk, &options()).unwrap();
    disk.fail_from(Some(Op::Sync), disk.ops(Some(Op::Sync)), Fault::Broken);
    for token in 0..COUNT {
        log.append_to(batch(token), inbox.token(token));
    }
    let answers = inbox.wait_for(COUNT as usize);
    let tokens = answers.iter().map(|(token, _)| *token);
    assert_eq!(tokens.collect::<Vec<_>>(), (0..COUNT).collect::<Vec<_>>());
    assert!(answers.iter().all(|(_, result)| result.is_err()));
}
