//! The one thread that writes: takes what waits, gives it its seqs, writes and syncs it in one go,
//! and only then makes it visible and answers.
//!
//! ```text
//! take all that waits -> stage (check, number, encode) -> write -> sync -> visible -> answer
//!        ^                                                                             |
//!        +------------------------- meanwhile the next ones gather --------------------+
//! ```

mod commit;
mod retain;
mod roll;
mod stage;

pub(crate) use self::roll::{SPARE_NAME, Site, create};

use std::sync::Arc;
use std::time::Instant;

use fanfare_hub::{AppendError, Seq, Timestamp};

use self::retain::{Walk, is_bounded};
use self::stage::Group;
use crate::queue::Request;
use crate::segment::Segment;
use crate::shared::{Shared, Trouble};

/// The writer's own state; everything that others see is in [`Shared`].
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// The segment that is written to.
    segment: Arc<Segment>,
    /// Where the next record goes.
    at: u64,
    /// What was checked and encoded, and is not durable yet.
    group: Group,
    /// The seq of the next event to be staged.
    next: Seq,
    /// The time of the last event staged.
    last_time: Timestamp,
    /// Everything up to here is durable.
    durable: Seq,
    /// What retention looked at last.
    walk: Walk,
    /// The time by which retention judges ages.
    now: Timestamp,
    /// Whether ages are to be looked at, though nothing came in.
    is_tick: bool,
    /// Topics with a rule of their own that something was published to.
    bounded: Vec<u32>,
    /// When a full disk last refused a segment.
    refused: Option<Instant>,
}

impl Writer {
    /// A writer that goes on at the end of the segment.
    pub(crate) fn new(shared: Arc<Shared>, segment: Arc<Segment>, at: u64) -> Self {
        let (last, last_time, bounded) = {
            let view = shared.view();
            let topics = view.topics.iter();
            let bounded = topics.filter(|topic| is_bounded(&topic.retention));
            // The rules may have changed since they were last applied.
            let bounded = bounded.map(|topic| topic.id).collect();
            (view.last, view.last_time(), bounded)
        };
        Self {
            shared,
            segment,
            at,
            group: Group::default(),
            next: last.next(),
            last_time,
            durable: last,
            walk: Walk::default(),
            now: Timestamp::default(),
            is_tick: false,
            bounded,
            refused: None,
        }
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let mut requests = Vec::new();
        let mut before = 0;
        while self.shared.queue.take(&mut requests, before) {
            before = requests.len();
            for request in requests.drain(..) {
                self.accept(request);
            }
            self.commit();
            self.retain();
        }
    }

    fn accept(&mut self, request: Request) {
        match request {
            Request::Append(batch, answer) => self.stage(batch, answer),
            Request::Forget(topic, answer) => self.stage_forget(topic, answer),
            Request::Trim(now) => {
                self.now = now;
                self.is_tick = true;
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
