//! The same check of sequences for loads that bring their own transport, such as HTTP/2.

use crate::ledger::{Course, Ledger, Tally};
use crate::mark::Scan;
use crate::stats::Latencies;
use crate::target::{Form, Publish};

/// What was published to one topic, and what of it came back.
#[derive(Debug)]
pub struct Board {
    ledger: Ledger,
    tally: Tally,
    latencies: Latencies,
    form: Form,
}

impl Board {
    /// For so many publishers, which send the body of a request.
    #[must_use]
    pub fn new(publish: &Publish, publishers: usize, payload_bytes: usize) -> Self {
        Self {
            ledger: Ledger::new(publishers, 0),
            tally: Tally::default(),
            latencies: Latencies::default(),
            form: publish.body_form(payload_bytes),
        }
    }

    /// The number and the body of the event that a publisher sends at a moment of the caller's
    /// clock.
    pub fn send(&mut self, publisher: u32, now_ns: u64) -> (u32, Vec<u8>) {
        let number = self.ledger.send(publisher, now_ns);
        (number, self.form.fill(0, number, now_ns).to_vec())
    }

    /// The server acknowledged an event.
    pub fn store(&mut self, number: u32) {
        self.ledger.store(number);
    }

    /// What was counted so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Latencies of what was counted.
    #[must_use]
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }
}

/// One subscriber of a board.
#[derive(Debug)]
pub struct Follower {
    scan: Scan,
    course: Course,
}

impl Default for Follower {
    /// Begins with whatever comes first.
    fn default() -> Self {
        Self {
            scan: Scan::default(),
            course: Course::ANYWHERE,
        }
    }
}

impl Follower {
    /// Takes a piece of the body that the subscriber received.
    pub fn take(&mut self, piece: &[u8], board: &mut Board, now_ns: u64) {
        let Self { scan, course } = self;
        scan.take(piece, |mark| {
            let due = board.ledger.see(course, mark, &mut board.tally);
            if let Some(due) = due {
                board.latencies.record(now_ns.saturating_sub(due), 1);
            }
        });
    }

    /// Deliveries that this subscriber still waits for.
    #[must_use]
    pub fn missing(&self, board: &Board) -> u64 {
        let tail = board.ledger.tail();
        u64::from(tail - self.course.next().unwrap_or(tail))
    }

    /// Whether it has received an event.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.course.next().is_some()
    }
}
