//! A subscriber: where it stands in the log, and nothing else.
//!
//! Replay and live are the same loop: give what lies after the cursor; at the tail, wait. There is
//! no hand-over between the two, so there is no seam.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::hub::Admission;
use crate::log::{Lost, Pending, ReadBudget, ReadRequest, Reading, Slice};
use crate::position::{EventId, Seq};
use crate::subscription::{Gap, GapReason, Selection};
use crate::wakeups::{Hook, SubscriberId};

/// What a subscriber is to be told next.
#[derive(Debug)]
pub enum Step {
    /// Something that was asked for is gone. Comes before the events that follow it.
    Gap(Gap),
    /// Events, at least one.
    Events(Slice),
    /// Every topic of the subscription has ended, and all of it was given.
    Over,
}

/// Where a subscriber stands. Costs the same however slow it is.
///
/// Invariants:
/// - every event of the selection up to `after` was given or was told as a gap;
/// - `after` never falls.
pub struct Cursor {
    admission: Admission,
    selection: Arc<Selection>,
    after: Seq,
    trims_seen: u64,
    /// Told before anything else.
    gap: Option<Gap>,
    /// Read together with a gap that has to be told first. Never empty: an event that became
    /// visible meanwhile has rung already, so that the next poll has to look at the log again.
    held: Option<Slice>,
    /// A read that waits for storage.
    fetch: Option<Pending<Slice>>,
    /// Wakes whoever polls; `None` when a driver looks for new events by itself.
    hook: Option<Hook>,
}

/// A cursor at the tail, without what it needs to move: all that a driver has to keep of a
/// subscriber that has read everything.
pub struct Standing {
    /// The subscriber's place among those there may be.
    pub admission: Admission,
    /// Everything of the selection up to here was read.
    pub after: Seq,
    /// See [`Slice::trims_seen`].
    pub trims_seen: u64,
}

impl Standing {
    /// The cursor that stands there.
    #[must_use]
    pub fn rise(self, selection: Arc<Selection>) -> Cursor {
        let mut cursor = Cursor::new(self.admission, selection, None);
        cursor.place(self.after, self.trims_seen, None);
        cursor
    }
}

impl Cursor {
    pub(crate) fn new(admission: Admission, selection: Arc<Selection>, hook: Option<Hook>) -> Self {
        Self {
            admission,
            selection,
            after: Seq::ZERO,
            trims_seen: 0,
            gap: None,
            held: None,
            fetch: None,
            hook,
        }
    }

    /// Puts a new cursor where its subscription starts.
    pub(crate) fn place(&mut self, after: Seq, trims_seen: u64, gap: Option<Gap>) {
        self.after = after;
        self.trims_seen = trims_seen;
        self.gap = gap;
    }

    /// Which subscriber this is.
    #[must_use]
    pub fn id(&self) -> SubscriberId {
        self.admission.id()
    }

    /// What is followed.
    #[must_use]
    pub fn selection(&self) -> &Arc<Selection> {
        &self.selection
    }

    /// Is woken no longer when something becomes visible: whoever polls learns that by a
    /// [`Bell`](crate::wakeups::Bell).
    pub fn unhook(&mut self) {
        self.hook = None;
    }

    /// Gives up all but the place, when the last poll was pending because the cursor is at the
    /// tail. What became visible since is for the caller to notice.
    ///
    /// # Errors
    /// The cursor itself, when it has something to tell or waits for storage.
    pub fn rest(self) -> Result<Standing, Box<Self>> {
        if self.gap.is_some() || self.held.is_some() || self.fetch.is_some() {
            return Err(Box::new(self));
        }
        Ok(Standing {
            admission: self.admission,
            after: self.after,
            trims_seen: self.trims_seen,
        })
    }

    /// Where the cursor stands: the id that a client resumes with.
    #[must_use]
    pub fn position(&self) -> EventId {
        EventId {
            epoch: self.admission.log().epoch(),
            seq: self.after,
        }
    }

    /// The gap that will be told first, if any.
    #[must_use]
    pub fn opening_gap(&self) -> Option<&Gap> {
        self.gap.as_ref()
    }

    /// Moves on over events that whoever holds the cursor has from elsewhere: everything of the
    /// selection up to `to`. Answers whether it did; it does not while it has something else to
    /// tell first, or waits for storage.
    pub fn step_over(&mut self, to: Seq) -> bool {
        let is_free = self.gap.is_none() && self.held.is_none() && self.fetch.is_none();
        if is_free {
            self.after = self.after.max(to);
        }
        is_free
    }

    /// What lies after the cursor; pending at the tail.
    ///
    /// # Cancel safety
    /// What was not returned is returned by the next call.
    pub fn poll_step(&mut self, cx: &mut Context<'_>, budget: ReadBudget) -> Poll<Step> {
        if let Some(gap) = self.gap.take() {
            return Poll::Ready(Step::Gap(gap));
        }
        // Register first, look afterwards: an event that becomes visible in between wakes us.
        if let Some(hook) = &self.hook {
            hook.register(cx.waker());
        }
        // What an earlier poll began to fetch may be older than the wake that led here.
        let is_stale = self.fetch.is_some();
        let mut slice = match self.held.take() {
            Some(slice) => slice,
            None => ready!(self.poll_slice(cx, budget)),
        };
        assert!(slice.after >= self.after, "a cursor never falls");
        self.trims_seen = slice.trims_seen;
        if let Some(gap) = self.gap_before(&mut slice) {
            self.hold(slice);
            return Poll::Ready(Step::Gap(gap));
        }
        self.after = slice.after;
        if !slice.events.is_empty() {
            return Poll::Ready(Step::Events(slice));
        }
        if slice.is_over {
            return Poll::Ready(Step::Over);
        }
        if slice.has_more || is_stale {
            // A turn that only passed over events of others: let the others run too.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The gap that has to be told before the slice, once.
    fn gap_before(&self, slice: &mut Slice) -> Option<Gap> {
        let epoch = self.admission.log().epoch();
        let reason = match slice.missing.map(|missing| missing.why) {
            Some(Lost::Damaged) => GapReason::Trimmed,
            _ => GapReason::Slow,
        };
        let gap = slice.gap(reason, self.after, epoch);
        slice.missing = None;
        gap
    }

    /// Keeps the events of a slice until the gap before them is told.
    fn hold(&mut self, slice: Slice) {
        if slice.events.is_empty() {
            self.after = slice.after;
        } else {
            self.held = Some(slice);
        }
    }

    fn poll_slice(&mut self, cx: &mut Context<'_>, budget: ReadBudget) -> Poll<Slice> {
        if self.fetch.is_none() {
            match self.read(self.after, self.trims_seen, budget) {
                Reading::Ready(slice) => return Poll::Ready(slice),
                Reading::Later(fetch) => self.fetch = Some(fetch),
            }
        }
        let Some(fetch) = &mut self.fetch else {
            return Poll::Pending;
        };
        let slice = ready!(fetch.as_mut().poll(cx));
        self.fetch = None;
        if slice.has_more && !slice.events.is_empty() {
            // While these events are on their way to the subscriber, storage reads the next ones.
            self.fetch = match self.read(slice.after, slice.trims_seen, budget) {
                Reading::Later(fetch) => Some(fetch),
                Reading::Ready(_) => None,
            };
        }
        Poll::Ready(slice)
    }

    fn read(&self, after: Seq, trims_seen: u64, budget: ReadBudget) -> Reading {
        self.admission.log().read(&ReadRequest {
            selection: Arc::clone(&self.selection),
            after,
            trims_seen,
            budget,
        })
    }
}
