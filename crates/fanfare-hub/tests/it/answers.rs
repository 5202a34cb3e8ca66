//! Answers by token, as who keeps many appends in flight takes them.

use std::sync::{Arc, Mutex};

use fanfare_hub::event::{Encoded, Kind};
use fanfare_hub::{
    AnswerTo, Answers, AppendError, Batch, Limits, Log, MemoryLog, NewEvent, Receipt,
    RetentionRules, Seq,
};

use crate::fixture::{NOW, epoch, now_or_panic, topic};

/// One call: an answer with its token, or a wake.
type Call = Option<(u64, Result<Seq, AppendError>)>;

/// What was called, in order.
#[derive(Default)]
struct Calls(Mutex<Vec<Call>>);

impl Answers for Calls {
    fn answer(&self, token: u64, result: Result<Receipt, AppendError>) {
        let seq = result.map(|receipt| receipt.id.seq);
        self.0.lock().unwrap().push(Some((token, seq)));
    }

    fn wake(&self) {
        self.0.lock().unwrap().push(None);
    }
}

fn batch(encoded: Encoded, kind: Kind) -> Batch {
    Batch {
        topic: topic("a"),
        events: vec![(encoded, kind)],
        idempotency: None,
        time: NOW,
    }
}

#[test]
fn every_append_is_answered_once_with_its_token_and_a_wake_after_it() {
    let log = MemoryLog::new(epoch(), RetentionRules::default(), &Limits::default());
    let calls = Arc::new(Calls::default());
    let events = [
        (NewEvent::new("one").encode(), Kind::Published),
        (Encoded::end_of(&topic("a")), Kind::End),
        (NewEvent::new("late").encode(), Kind::Published),
    ];
    for ((encoded, kind), token) in events.into_iter().zip([7, 5, 9]) {
        let to: Arc<dyn Answers> = Arc::<Calls>::clone(&calls);
        log.append_to(batch(encoded, kind), AnswerTo { to, token });
    }
    let ended = Err(AppendError::TopicEnded);
    let expected = [
        Some((7, Ok(Seq(1)))),
        None,
        Some((5, Ok(Seq(2)))),
        None,
        Some((9, ended.clone())),
        None,
    ];
    assert_eq!(*calls.0.lock().unwrap(), expected);
    let late = batch(NewEvent::new("late").encode(), Kind::Published);
    assert_eq!(now_or_panic(log.append(late)), Err(AppendError::TopicEnded));
}
