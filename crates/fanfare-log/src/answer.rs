//! Answers on their way to publishers: none is forgotten, and who takes many is woken once.

use std::sync::Arc;

use fanfare_hub::log::{AnswerTo, Answers};
use fanfare_hub::{AppendError, Receipt};

/// Where the answer to one batch goes. It is given even where whoever owes it does not live to.
pub(crate) struct Answer(Option<AnswerTo>);

impl Answer {
    pub(crate) fn new(answer: AnswerTo) -> Self {
        Self(Some(answer))
    }

    /// Gives the answer alone.
    pub(crate) fn send(mut self, result: Result<Receipt, AppendError>) {
        if let Some(answer) = self.0.take() {
            answer.send(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            let reason = "the log's writer stopped".to_owned();
            answer.send(Err(AppendError::Uncertain(reason)));
        }
    }
}

/// Those who were given answers and not woken yet.
#[derive(Default)]
pub(crate) struct Told {
    by: Vec<Arc<dyn Answers>>,
}

impl Told {
    /// Gives an answer.
    pub(crate) fn tell(&mut self, mut answer: Answer, result: Result<Receipt, AppendError>) {
        let Some(AnswerTo { to, token }) = answer.0.take() else {
            return;
        };
        to.answer(token, result);
        if self.by.last().is_none_or(|last| !Arc::ptr_eq(last, &to)) {
            self.by.push(to);
        }
    }

    /// Wakes everybody who was told something.
    pub(crate) fn wake(&mut self) {
        if self.by.len() > 1 {
            self.by
                .sort_unstable_by_key(|to| Arc::as_ptr(to).cast::<()>());
            self.by.dedup_by(|one, other| Arc::ptr_eq(one, other));
        }
        self.by.drain(..).for_each(|to| to.wake());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Inbox(Mutex<Vec<(u64, Result<Receipt, AppendError>)>>);

    impl Answers for Inbox {
        fn answer(&self, token: u64, result: Result<Receipt, AppendError>) {
            self.0.lock().unwrap().push((token, result));
        }
    }

    #[test]
    fn an_answer_that_nobody_gives_any_more_is_given() {
        let inbox = Arc::new(Inbox::default());
        let to: Arc<dyn Answers> = Arc::<Inbox>::clone(&inbox);
        drop(Answer::new(AnswerTo { to, token: 3 }));
        let given = inbox.0.lock().unwrap().pop().unwrap();
        assert!(
            matches!(given, (3, Err(AppendError::Uncertain(_)))),
            "{given:?}"
        );
    }
}
