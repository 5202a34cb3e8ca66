//! The threads that write: take what waits, give it its seqs, write and sync it in one go, and only
//! then make it visible and answer. There are two, so that one group is staged while another one is
//! synced; see [`crate::queue::Queue`].
//!
//! ```text
//! one thread:    take, stage (check, number, encode) | write, sync | visible, answer | ...
//! the other one:                                     | take, stage | write, sync     | ...
//! ```
//!
//! Groups are written, become visible and are answered in the order of their seqs: who has staged
//! a group waits for the disk before the next one may stage, and who has synced one holds the
//! `Shower` before it frees the disk. A group is written when the one before it is durable, so
//! that what lies before a whole record was acknowledged or could have been.

mod commit;
mod lane;
mod retain;
mod roll;
mod show;
mod stage;

pub(crate) use self::roll::{SPARE_NAMES, Site, create};

use std::sync::Arc;
use std::time::Instant;

use fanfare_hub::{AppendError, Seq, Timestamp};

pub(crate) use self::lane::Lane;
use self::stage::{Group, Marks};
use crate::queue::Request;
use crate::segment::Segment;
use crate::shared::{Shared, Trouble};

/// What whoever stages knows; everything that others see is in [`Shared`].
pub(crate) struct Writer {
    lane: Arc<Lane>,
    shared: Arc<Shared>,
    /// The segment that is written to.
    segment: Arc<Segment>,
    /// Where the next group goes.
    at: u64,
    /// What its index takes at most.
    indexed: u64,
    /// What was checked and encoded, and was not given to the disk yet.
    group: Group,
    /// What the group before it says, which may not be visible yet.
    behind: Marks,
    /// Whether the disk is ours, and with it the group before is durable.
    has_disk: bool,
    /// The seq of the next event to be staged.
    next: Seq,
    /// The time of the last event staged.
    last_time: Timestamp,
    /// When a full disk last refused a segment.
    refused: Option<Instant>,
}

impl Writer {
    /// A writer that goes on at the end of the segment.
    fn new(lane: Arc<Lane>, segment: Arc<Segment>, at: u64) -> Self {
        let shared = Arc::clone(&lane.shared);
        let (last, last_time) = {
            let view = shared.view();
            (view.last, view.last_time())
        };
        Self {
            lane,
            shared,
            indexed: u64::MAX,
            segment,
            at,
            group: Group::default(),
            behind: Marks::default(),
            has_disk: false,
            next: last.next(),
            last_time,
            refused: None,
        }
    }

    /// Stages what was taken, and what comes until the disk is free. What is to be stored then has
    /// the disk.
    fn turn(&mut self, requests: &mut Vec<Request>) -> Group {
        if self.lane.has_failed() {
            self.start_anew();
        }
        self.accept_all(requests);
        while !self.has_disk && !self.group.is_empty() {
            self.has_disk = self.shared.queue.await_disk(requests);
            self.accept_all(requests);
        }
        self.submit()
    }

    fn accept_all(&mut self, requests: &mut Vec<Request>) {
        self.group.requests += requests.len();
        for request in requests.drain(..) {
            self.accept(request);
        }
    }

    fn accept(&mut self, request: Request) {
        match request {
            Request::Append(batch, answer) => self.stage(batch, answer),
            Request::Forget(topic, answer) => self.stage_forget(topic, answer),
            Request::Trim(now) => {
                self.group.now = now;
                self.group.is_tick = true;
            }
            Request::Retry => drop(self.ready()),
        }
        if self.group.is_full() {
            self.commit();
        }
    }

    /// Whether events can be taken in; tries again what a full disk refused.
    fn ready(&mut self) -> Result<(), AppendError> {
        match self.shared.trouble() {
            None => Ok(()),
            Some(Trouble::Full(reason)) => self.roll(0).map_err(|error| match error {
                Trouble::Full(_) => AppendError::Unavailable(reason),
                Trouble::Poisoned(reason) => AppendError::Unavailable(reason),
            }),
            Some(Trouble::Poisoned(reason)) => Err(AppendError::Unavailable(reason)),
        }
    }
}
