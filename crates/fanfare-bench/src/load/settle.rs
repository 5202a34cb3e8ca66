//! The beginning and the end of what is counted: everybody is there, and everybody has everything.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{Load, Pace, SILENCE_MAX};
use crate::clock::nanoseconds;
use crate::ledger::Tally;
use crate::refusal::Refusal;
use crate::stats::Latencies;
use crate::subscriber::{Phase, Subscriber};

/// How often it is looked whether everybody has everything.
const LOOK: Duration = Duration::from_millis(10);
/// Events a second until everybody has received one.
const GREETINGS_PER_S: f64 = 10.0;
/// A server that has not reached everybody by then loses subscribers.
const GREETINGS_WAIT: Duration = Duration::from_secs(30);

/// A slow server may have minutes of deliveries on their way, which nobody waits for.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// What did not come until the wait for it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Everything came.
    Nothing,
    /// So many deliveries, and no other came any more.
    Missing(u64),
    /// So many deliveries, while others still came.
    Late(u64),
}

/// A moment of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at_ns: u64,
    pub(crate) deliveries: u64,
    pub(crate) stored: u64,
}

impl Load {
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            at_ns: self.now_ns(),
            deliveries: self.tally.deliveries,
            stored: self.stored,
        }
    }

    /// Publishes now and then until every subscriber has received something: some servers answer
    /// before the subscription counts.
    pub(crate) fn greet(&mut self) -> Result<()> {
        self.set_pace(Pace::Rate(GREETINGS_PER_S))?;
        let until = self.now_ns() + nanoseconds(GREETINGS_WAIT);
        let is_waiting = |it: &Subscriber| it.phase == Phase::Open && !it.is_stalled && !it.is_live;
        while self.subscribers.iter().any(is_waiting) {
            if let Some(refusal) = self.refusal.take() {
                return Err(refusal.into());
            }
            let now = self.now_ns();
            if now > until {
                let missing = self.subscribers.iter().filter(|it| is_waiting(it)).count();
                bail!(
                    "{missing} subscribers received none of the events published for {GREETINGS_WAIT:?}: does the path that is subscribed to belong to the topic that is published to?"
                );
            }
            self.turn(now + nanoseconds(LOOK))?;
        }
        self.set_pace(Pace::Hold)?;
        self.settle()?;
        Ok(())
    }

    /// Publishes so many events as fast as the server takes them, whoever reads them.
    pub(crate) fn publish_events(&mut self, events: u64) -> Result<()> {
        let goal = self.stored + events;
        // Each publisher has one more in flight when enough are stored.
        let in_flight = self.publishers.len() as u64;
        self.set_pace(Pace::InFlight)?;
        while self.stored + in_flight < goal {
            if let Some(refusal) = self.refusal.take() {
                return Err(refusal.into());
            }
            let before = self.stored;
            self.turn(self.now_ns() + nanoseconds(SILENCE_MAX))?;
            if self.stored == before && self.ready.is_empty() {
                bail!("the server acknowledged nothing for {SILENCE_MAX:?}");
            }
        }
        self.set_pace(Pace::Hold)?;
        while self.idle.len() < self.publishers.len() {
            self.turn(self.now_ns() + nanoseconds(SILENCE_MAX))?;
        }
        Ok(())
    }

    /// Latencies are recorded of events that are due from now on.
    pub(crate) fn begin_window(&mut self) {
        self.latencies.clear();
        self.answers.clear();
        self.window = self.now_ns()..u64::MAX;
    }

    /// Latencies are recorded of events that were due before now, whenever they come.
    pub(crate) fn end_window(&mut self) {
        self.window.end = self.now_ns();
    }

    /// Stops publishing and waits until every open subscriber has everything, or nothing comes any
    /// more, or it takes too long. Says which deliveries did not come.
    pub(crate) fn settle(&mut self) -> Result<Rest> {
        self.set_pace(Pace::Hold)?;
        let mut last = self.moment();
        let until = last.at_ns + nanoseconds(SETTLE_MAX);
        loop {
            let missing = self.missing();
            let in_flight = self.publishers.len() - self.idle.len();
            if missing == 0 && in_flight == 0 {
                return Ok(Rest::Nothing);
            }
            let now = self.moment();
            if (now.deliveries, now.stored) != (last.deliveries, last.stored) {
                if now.at_ns > until {
                    return Ok(Rest::Late(missing));
                }
                last = now;
            } else if now.at_ns > last.at_ns + nanoseconds(SILENCE_MAX) {
                return Ok(Rest::Missing(missing));
            }
            self.turn(now.at_ns + nanoseconds(LOOK))?;
        }
    }

    /// Deliveries that reading subscribers still wait for.
    pub(crate) fn missing(&self) -> u64 {
        let reading = self.subscribers.iter().filter(|it| !it.is_stalled);
        let of_each = reading.map(|it| {
            let ledger = &self.ledgers[it.topic as usize];
            let next = it.course.next().unwrap_or_else(|| ledger.tail());
            u64::from(ledger.tail() - next) + ledger.unseen() as u64
        });
        of_each.sum()
    }

    /// Whether every reading subscriber has received something since it came back, and everything
    /// that was published until `lag` ago.
    pub(crate) fn is_live(&self, lag: u32) -> bool {
        let mut reading = self.subscribers.iter().filter(|it| !it.is_stalled);
        reading.all(|it| {
            let tail = self.ledgers[it.topic as usize].tail();
            it.is_live && it.course.next().is_some_and(|next| next + lag >= tail)
        })
    }

    /// Latencies of deliveries, and of answers to publishers.
    pub(crate) fn latencies(&self) -> (&Latencies, &Latencies) {
        (&self.latencies, &self.answers)
    }

    /// What went wrong so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Events that the server did not take, and what it said first.
    pub(crate) fn refused(&self) -> (u64, Option<&Refusal>) {
        (self.refused, self.refusal.as_ref())
    }

    /// Subscribers that the server hung up on.
    pub(crate) fn hung_up(&self) -> u64 {
        self.hung_up
    }
}
