//! How much is measured: everything, or as much as shows that the commands work.

use std::time::Duration;

use crate::in_flight::Span;

#[derive(Clone, Copy)]
pub struct Effort {
    /// Runs of each measurement, of which the median counts.
    pub rounds: usize,
    /// One run of appends.
    pub span: Span,
    /// One run behind HTTP.
    pub phase: Duration,
    /// Events of the large log.
    pub corpus_events: u64,
    /// Events of the long replay.
    pub replay_events: u64,
}

impl Effort {
    /// Two seconds let every store write its files around more than once; in a phase of ten there
    /// are 20,000 live events and 500 resumes.
    pub const FULL: Self = Self {
        rounds: 5,
        span: Span {
            warm_up: Duration::from_millis(500),
            counted: Duration::from_secs(2),
        },
        phase: Duration::from_secs(10),
        corpus_events: 10_000_000,
        replay_events: 1_000_000,
    };

    /// Tells two ways of gathering apart.
    pub const TRIAL: Span = Span {
        warm_up: Duration::from_millis(200),
        counted: Duration::from_millis(800),
    };

    /// Seconds in all.
    pub const QUICK: Self = Self {
        rounds: 1,
        span: Span {
            warm_up: Duration::from_millis(100),
            counted: Duration::from_millis(400),
        },
        phase: Duration::from_secs(2),
        corpus_events: 200_000,
        replay_events: 50_000,
    };
}
