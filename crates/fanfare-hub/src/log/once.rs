//! The answer to one append, for who awaits it.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{Answers, AppendError, Receipt};

/// Where one answer arrives.
#[derive(Default)]
pub(super) struct Once {
    state: Mutex<State>,
}

enum State {
    /// Nothing came yet; who is woken when it does.
    Open(Option<Waker>),
    Answered(Result<Receipt, AppendError>),
    /// It was given to who awaited it.
    Taken,
}

impl Default for State {
    fn default() -> Self {
        Self::Open(None)
    }
}

impl Once {
    fn lock(&self) -> MutexGuard<'_, State> {
        // States are replaced whole; a panic elsewhere leaves them usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers for Once {
    fn answer(&self, _: u64, result: Result<Receipt, AppendError>) {
        let earlier = mem::replace(&mut *self.lock(), State::Answered(result));
        if let State::Open(Some(waker)) = earlier {
            waker.wake();
        }
    }
}

/// Resolves when the answer is there. Pending for ever once it was taken.
pub(super) struct Awaited(pub(super) Arc<Once>);

impl Future for Awaited {
    type Output = Result<Receipt, AppendError>;

    fn poll(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        match mem::replace(&mut *state, State::Taken) {
            State::Answered(result) => Poll::Ready(result),
            State::Taken => Poll::Pending,
            State::Open(waker) => {
                let same = waker.filter(|waker| waker.will_wake(ctx.waker()));
                *state = State::Open(Some(same.unwrap_or_else(|| ctx.waker().clone())));
                Poll::Pending
            }
        }
    }
}
