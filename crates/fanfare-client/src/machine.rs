//! The life of a subscriber as a pure state machine: the time is an argument, no socket, no sleep.

use std::time::{Duration, Instant};

use crate::backoff::{Backoff, RetryPolicy};
use crate::loss::Loss;

/// Where a subscriber stands.
///
/// ```text
///               opened             expired (silence), lost
///  Connecting ---------> Open ---------------------------.
///   |    ^  \                                            v
///   |    |   `--- lost, expired (no answer) -------> Waiting
///   |    `------------------- expired (wait is over) ----'
///   `--- finished, refused or given up, from anywhere --> Closed
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum State {
    /// A request is under way.
    Connecting,
    /// The hub answered, and events may come.
    Open,
    /// The stream is lost; the next try starts by itself.
    Waiting {
        /// When the next try starts.
        until: Instant,
        /// What was lost.
        why: Loss,
    },
    /// It is over, for good.
    Closed,
}

/// What browsers wait unless they are told otherwise: HTML leaves it to them ("in the region of a
/// few seconds"); Blink and WebKit take 3 s.
const RECONNECTION_TIME: Duration = Duration::from_secs(3);

/// The two patiences of a subscriber.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From the start of a request to the head of its answer.
    pub(crate) head: Duration,
    /// Silence on an open stream.
    pub(crate) idle: Duration,
}

/// What follows from a loss.
#[derive(Debug)]
pub(crate) enum Next {
    /// Another try after this wait.
    Wait(Duration, Loss),
    /// The policy gives up.
    GiveUp(Loss),
    /// A wait is over: connect.
    Connect,
}

/// The machine that moves between the [`State`]s.
///
/// Invariants: `Closed` is final; every other state has a deadline as soon as its driver waits.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    backoff: Backoff,
    patience: Patience,
    /// Since when the driver waits for the peer; `None` while the application is busy, whose
    /// slowness must not look like the hub's silence.
    waiting_since: Option<Instant>,
}

impl Machine {
    pub(crate) fn new(policy: RetryPolicy, patience: Patience) -> Self {
        let backoff = Backoff::new(policy);
        Self {
            state: State::Connecting,
            backoff,
            patience,
            waiting_since: None,
        }
    }

    /// As the standard has it: fixed waits, and silence is no loss.
    pub(crate) fn strict() -> Self {
        /// Longer than any process lives, and short enough to be added to any instant.
        const EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        let policy = RetryPolicy {
            first: Duration::ZERO,
            cap: Duration::ZERO,
            ..RetryPolicy::default()
        };
        let patience = Patience {
            head: EVER,
            idle: EVER,
        };
        let mut machine = Self::new(policy, patience);
        machine.advised(RECONNECTION_TIME);
        machine
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Notes that the driver waits, and answers until when it shall.
    pub(crate) fn wait(&mut self, now: Instant) -> Option<Instant> {
        let since = *self.waiting_since.get_or_insert(now);
        match self.state {
            State::Connecting => Some(since + self.patience.head),
            State::Open => Some(since + self.patience.idle),
            State::Waiting { until, .. } => Some(until),
            State::Closed => None,
        }
    }

    /// Notes that bytes came or that the application was handed something.
    pub(crate) fn progressed(&mut self) {
        self.waiting_since = None;
    }

    /// Notes the stream's `retry:`.
    pub(crate) fn advised(&mut self, wait: Duration) {
        self.backoff.advise(wait);
    }

    /// Sets what silence an open stream may keep.
    pub(crate) fn bears(&mut self, silence: Duration) {
        self.patience.idle = silence;
    }

    /// The head of a stream arrived.
    pub(crate) fn opened(&mut self, now: Instant) {
        debug_assert!(matches!(self.state, State::Connecting));
        self.backoff.opened(now);
        self.enter(State::Open);
    }

    /// The request or the stream failed. `dice` is uniform in `0.0..1.0`.
    pub(crate) fn lost(&mut self, now: Instant, why: Loss, dice: f64) -> Next {
        let Some(wait) = self.backoff.failed(now, &why, dice) else {
            self.close();
            return Next::GiveUp(why);
        };
        self.enter(State::Waiting {
            until: now + wait,
            why: why.clone(),
        });
        Next::Wait(wait, why)
    }

    /// The deadline of [`Self::wait`] passed.
    pub(crate) fn expired(&mut self, now: Instant, dice: f64) -> Next {
        match self.state {
            State::Connecting => self.lost(now, Loss::Silent(self.patience.head), dice),
            State::Open => self.lost(now, Loss::Silent(self.patience.idle), dice),
            State::Waiting { .. } | State::Closed => {
                self.enter(State::Connecting);
                Next::Connect
            }
        }
    }

    /// Nothing more will come.
    pub(crate) fn close(&mut self) {
        self.enter(State::Closed);
    }

    fn enter(&mut self, state: State) {
        self.waiting_since = None;
        if !matches!(self.state, State::Closed) {
            self.state = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(30),
        idle: Duration::from_secs(45),
    };

    /// What may happen to a machine.
    #[derive(Debug, Clone, Copy)]
    enum Input {
        Opened,
        Lost,
        Expired,
        Close,
    }

    fn in_state(name: &str, now: Instant) -> Machine {
        let mut machine = Machine::new(RetryPolicy::default(), PATIENCE);
        match name {
            "open" => machine.opened(now),
            "waiting" => drop(machine.lost(now, Loss::Ended, 0.5)),
            "closed" => machine.close(),
            _ => {}
        }
        assert_eq!(name_of(&machine), name);
        machine
    }

    fn name_of(machine: &Machine) -> &'static str {
        match machine.state() {
            State::Connecting => "connecting",
            State::Open => "open",
            State::Waiting { .. } => "waiting",
            State::Closed => "closed",
        }
    }

    #[test]
    fn every_cell_of_the_table() {
        use Input::{Close, Expired, Lost, Opened};
        let now = Instant::now();
        for (from, input, to) in [
            ("connecting", Opened, "open"),
            ("connecting", Lost, "waiting"),
            ("connecting", Expired, "waiting"),
            ("connecting", Close, "closed"),
            ("open", Lost, "waiting"),
            ("open", Expired, "waiting"),
            ("open", Close, "closed"),
            ("waiting", Expired, "connecting"),
            ("waiting", Close, "closed"),
            ("closed", Lost, "closed"),
            ("closed", Expired, "closed"),
            ("closed", Close, "closed"),
        ] {
            let mut machine = in_state(from, now);
            match input {
                Opened => machine.opened(now),
                Lost => drop(machine.lost(now, Loss::Ended, 0.5)),
                Expired => drop(machine.expired(now, 0.5)),
                Close => machine.close(),
            }
            assert_eq!(name_of(&machine), to, "{from} on {input:?}");
        }
    }

    #[test]
    fn deadlines_follow_the_state() {
        let now = Instant::now();
        for (state, wait) in [
            ("connecting", Some(PATIENCE.head)),
            ("open", Some(PATIENCE.idle)),
            ("waiting", Some(Duration::from_millis(250))),
            ("closed", None),
        ] {
            assert_eq!(
                in_state(state, now).wait(now),
                wait.map(|it| now + it),
                "{state}"
            );
        }
    }

    #[test]
    fn only_the_peers_silence_counts() {
        let start = Instant::now();
        let later = start + Duration::from_secs(44);
        let mut machine = in_state("open", start);
        assert_eq!(machine.wait(start), Some(start + PATIENCE.idle));
        assert_eq!(
            machine.wait(later),
            Some(start + PATIENCE.idle),
            "a cancelled wait goes on"
        );
        machine.progressed();
        assert_eq!(
            machine.wait(later),
            Some(later + PATIENCE.idle),
            "bytes start it anew"
        );
    }

    #[test]
    fn silence_and_exhaustion_name_their_reason() {
        let now = Instant::now();
        for (state, silence) in [("connecting", PATIENCE.head), ("open", PATIENCE.idle)] {
            let next = in_state(state, now).expired(now, 0.5);
            assert!(
                matches!(next, Next::Wait(_, Loss::Silent(it)) if it == silence),
                "{next:?}"
            );
        }
        let mut machine = Machine::new(RetryPolicy::at_most(0), PATIENCE);
        assert!(matches!(
            machine.lost(now, Loss::Ended, 0.5),
            Next::GiveUp(Loss::Ended)
        ));
        assert_eq!(name_of(&machine), "closed");
    }
}
