//! Reading a page of history piece by piece, so that a long one need not be held.

use std::fmt;
use std::sync::Arc;

use crate::log::{Log, ReadBudget, ReadRequest, Reading, Slice};
use crate::position::Seq;
use crate::subscription::{Gap, GapReason};

/// A place in the history of a subscription. Unlike a cursor it is nobody's: it takes no place
/// among the subscribers, and it never waits for events to come.
#[derive(Clone)]
pub struct PageReader {
    log: Arc<dyn Log>,
    request: ReadRequest,
}

impl PageReader {
    pub(crate) fn new(log: Arc<dyn Log>, request: ReadRequest) -> Self {
        Self { log, request }
    }

    /// Everything up to here was read.
    #[must_use]
    pub fn after(&self) -> Seq {
        self.request.after
    }

    /// What lies behind the place.
    #[must_use]
    pub fn read(&self, budget: ReadBudget) -> Reading {
        self.log.read(&ReadRequest {
            budget,
            ..self.request.clone()
        })
    }

    /// Moves on over what was read, and says what of it had gone meanwhile.
    pub fn step_over(&mut self, slice: &Slice) -> Option<Gap> {
        let gap = slice.gap(GapReason::Trimmed, self.request.after, self.log.epoch());
        self.request.after = slice.after;
        self.request.trims_seen = slice.trims_seen;
        gap
    }
}

impl fmt::Debug for PageReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("PageReader");
        debug
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
