//! What was published to one topic, the order it came back in, and the comparison of each
//! subscriber with that.
//!
//! With many requests in flight only the server knows the order of events. So the first subscriber
//! to see an event fixes its place, and all others are held to it: an order that two of them
//! disagree on, an event that one of them lacks or has twice, is found. What is in flight on one
//! connection at a time keeps its order whoever looks: those numbers have to rise in the order that
//! was fixed.

use serde::{Deserialize, Serialize};

use crate::mark::Mark;

/// The place of an event that nobody has seen.
const UNSEEN: u32 = u32::MAX;
/// Where a subscriber stands that has seen nothing and may begin anywhere.
const ANYWHERE: u32 = u32::MAX;

/// What went wrong, over all subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Events that subscribers received, each time.
    pub deliveries: u64,
    /// Events that a subscriber did not receive although it received later ones.
    pub lost: u64,
    /// Events that a subscriber received once more.
    pub repeated: u64,
    /// Events that a subscriber received after later ones.
    pub out_of_order: u64,
    /// Events with a number that was never published here.
    pub foreign: u64,
}

impl Tally {
    /// Whether every subscriber got every event once and in order.
    pub fn is_clean(&self) -> bool {
        let Self {
            lost,
            repeated,
            out_of_order,
            foreign,
            ..
        } = *self;
        [lost, repeated, out_of_order, foreign] == [0; 4]
    }
}

/// One event that was sent to the server.
#[derive(Clone, Copy, Debug)]
struct Sent {
    due_ns: u64,
    lane: u32,
    place: u32,
    is_stored: bool,
}

/// One event that has come back.
#[derive(Clone, Copy, Debug)]
struct Seen {
    mark: Mark,
    due_ns: u64,
}

/// Where one subscriber is in the order of its topic.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// The place of what it should receive next.
    next: u32,
    /// Places that it left out, which may still come, too late.
    #[expect(
        clippy::box_collection,
        reason = "hardly a subscriber has one, all pay its size"
    )]
    gaps: Option<Box<Vec<u32>>>,
}

impl Course {
    /// Begins with whatever comes first.
    pub(crate) const ANYWHERE: Self = Self {
        next: ANYWHERE,
        gaps: None,
    };

    /// Begins at a place, counted from the first event of the topic.
    pub(crate) fn from(next: u32) -> Self {
        Self { next, gaps: None }
    }

    /// Goes back to what it received already, as the server is asked to do.
    pub(crate) fn resume_at(&mut self, next: u32) {
        self.next = next.min(self.next);
    }

    /// The place of what comes next; `None` before the first event.
    pub(crate) fn next(&self) -> Option<u32> {
        (self.next != ANYWHERE).then_some(self.next)
    }
}

/// Gaps of one subscriber that are remembered; beyond it a late event counts as a repeated one.
const GAPS_MAX: usize = 1 << 16;

/// The events of one topic.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// By number.
    sent: Vec<Sent>,
    /// By place.
    order: Vec<Seen>,
    /// The number of each publisher's last event that was seen, by publisher.
    lanes: Vec<u32>,
    /// Whether one publisher alone sends, whose order is the order.
    is_single: bool,
}

impl Ledger {
    /// With so many publishers, and room for so many events without an allocation.
    pub(crate) fn new(lanes: usize, events: usize) -> Self {
        Self {
            sent: Vec::with_capacity(events),
            order: Vec::with_capacity(events),
            lanes: Vec::new(),
            is_single: lanes == 1,
        }
    }

    /// The number of an event that is sent now, or was due at `due_ns`.
    pub(crate) fn send(&mut self, lane: u32, due_ns: u64) -> u32 {
        self.sent.push(Sent {
            due_ns,
            lane,
            place: UNSEEN,
            is_stored: false,
        });
        (self.sent.len() - 1) as u32
    }

    /// The server said that it has an event.
    pub(crate) fn store(&mut self, number: u32) {
        let is_single = self.is_single;
        let Some(sent) = self.sent.get_mut(number as usize) else {
            return;
        };
        sent.is_stored = true;
        if is_single && sent.place == UNSEEN {
            self.settle(number);
        }
    }

    /// The place of what comes next, for all.
    pub(crate) fn tail(&self) -> u32 {
        self.order.len() as u32
    }

    /// The place of an event that has been seen.
    pub(crate) fn place(&self, mark: Mark) -> Option<u32> {
        let sent = self.sent.get(mark.number()? as usize)?;
        (sent.place != UNSEEN).then_some(sent.place)
    }

    /// Events that the server said it has and nobody has seen.
    pub(crate) fn unseen(&self) -> usize {
        let unseen = |sent: &&Sent| sent.is_stored && sent.place == UNSEEN;
        self.sent.iter().filter(unseen).count()
    }

    /// A subscriber received an event; says when that was due, unless it is none of ours.
    #[inline]
    pub(crate) fn see(
        &mut self,
        course: &mut Course,
        mark: Mark,
        tally: &mut Tally,
    ) -> Option<u64> {
        match self.order.get(course.next as usize) {
            Some(seen) if seen.mark == mark => {
                course.next += 1;
                tally.deliveries += 1;
                Some(seen.due_ns)
            }
            _ => self.off_course(course, mark, tally),
        }
    }

    /// The first sight of an event, or one that this subscriber should not have received now.
    #[cold]
    #[inline(never)]
    fn off_course(&mut self, course: &mut Course, mark: Mark, tally: &mut Tally) -> Option<u64> {
        // Text of somebody else may have a tilde in it.
        let number = mark.number()?;
        let Some(sent) = self.sent.get(number as usize).copied() else {
            tally.foreign += 1;
            return None;
        };
        tally.deliveries += 1;
        let place = match sent.place {
            UNSEEN => {
                let place = self.settle(number);
                tally.out_of_order += u64::from(!self.rises(sent.lane, number));
                place
            }
            place => place,
        };
        if course.next == ANYWHERE || place == course.next {
            course.next = place + 1;
        } else if place > course.next {
            tally.lost += u64::from(place - course.next);
            let gaps = course.gaps.get_or_insert_default();
            let room = GAPS_MAX.saturating_sub(gaps.len());
            gaps.extend((course.next..place).take(room));
            course.next = place + 1;
        } else if let Some(at) = gap_at(course, place) {
            if let Some(gaps) = &mut course.gaps {
                gaps.swap_remove(at);
            }
            tally.lost -= 1;
            tally.out_of_order += 1;
        } else {
            tally.repeated += 1;
        }
        Some(sent.due_ns)
    }

    /// Whether an event comes after those that its publisher sent before.
    fn rises(&mut self, lane: u32, number: u32) -> bool {
        let lane = lane as usize;
        if self.lanes.len() <= lane {
            self.lanes.resize(lane + 1, 0);
        }
        let last = &mut self.lanes[lane];
        let rises = number >= *last;
        *last = number.max(*last);
        rises
    }

    /// Gives an event the next place.
    fn settle(&mut self, number: u32) -> u32 {
        let place = self.order.len() as u32;
        if let Some(sent) = self.sent.get_mut(number as usize) {
            sent.place = place;
            self.order.push(Seen {
                mark: Mark::new(number),
                due_ns: sent.due_ns,
            });
        }
        place
    }
}

fn gap_at(course: &Course, place: u32) -> Option<usize> {
    let gaps = course.gaps.as_ref()?;
    gaps.iter().position(|gap| *gap == place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publishes `count` events over so many publishers in turns, and has them stored.
    fn ledger(lanes: u32, count: u32) -> Ledger {
        let mut ledger = Ledger::new(lanes as usize, 0);
        for number in 0..count {
            assert_eq!(ledger.send(number % lanes, u64::from(number)), number);
        }
        (0..count).for_each(|number| ledger.store(number));
        ledger
    }

    fn received(ledger: &mut Ledger, numbers: &[u32]) -> Tally {
        let (mut course, mut tally) = (Course::from(0), Tally::default());
        for number in numbers {
            ledger.see(&mut course, Mark::new(*number), &mut tally);
        }
        tally
    }

    #[test]
    fn a_lost_a_repeated_and_a_swapped_event_are_told_apart() {
        let of = |numbers: &[u32]| {
            let Tally {
                lost,
                repeated,
                out_of_order,
                ..
            } = received(&mut ledger(1, 4), numbers);
            [lost, repeated, out_of_order]
        };
        assert_eq!(of(&[0, 1, 2, 3]), [0, 0, 0]);
        assert_eq!(of(&[0, 2, 3]), [1, 0, 0]);
        assert_eq!(of(&[0, 1, 1, 2, 3]), [0, 1, 0]);
        assert_eq!(of(&[0, 2, 1, 3]), [0, 0, 1]);
        assert_eq!(of(&[3]), [3, 0, 0]);
        assert_eq!(of(&[0, 1, 2, 3, 0, 1, 2, 3]), [0, 4, 0]);
    }

    #[test]
    fn the_first_subscriber_fixes_an_order_that_the_others_are_held_to() {
        let mut ledger = ledger(4, 4);
        assert!(received(&mut ledger, &[2, 0, 3, 1]).is_clean());
        assert!(received(&mut ledger, &[2, 0, 3, 1]).is_clean());
        let other = received(&mut ledger, &[2, 3, 0, 1]);
        assert_eq!((other.lost, other.out_of_order), (0, 1));
        assert_eq!(ledger.unseen(), 0);
    }

    #[test]
    fn an_order_that_turns_a_publisher_round_is_found_with_one_subscriber() {
        let tally = received(&mut ledger(2, 4), &[0, 3, 1, 2]);
        assert_eq!(tally.out_of_order, 1);
    }

    #[test]
    fn what_nobody_received_is_known() {
        let mut ledger = ledger(2, 3);
        received(&mut ledger, &[0, 2]);
        assert_eq!(ledger.unseen(), 1);
        assert_eq!(received(&mut ledger, &[7]).foreign, 1);
    }
}
