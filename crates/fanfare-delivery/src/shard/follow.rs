//! Following the log: what became visible is laid out once for each topic, and sent to everybody
//! who follows it with one call each.
//!
//! A sweep goes on over several turns, between which requests are answered: what they publish rides
//! in the next sweep, so that under load the batch grows by itself.

use std::mem;
use std::time::{Duration, Instant};

use fanfare_hub::event::Kind;
use fanfare_hub::{FeedLoss, ReadBudget, Seq, TopicName};

use super::{Connection, Entry, Shard};
use crate::door::Door;
use crate::interests::{Interest, TopicNumber};
use crate::stream::{Behind, State, Unsent};
use crate::strip::{Strip, Taken};
use crate::table::Token;
use crate::tape::Tape;

/// What one feed takes from the log: as much as a socket buffer holds, so that most sockets take a
/// sweep whole, and enough events to make a call to each of them worth it.
const FEED: ReadBudget = ReadBudget {
    bytes: 256 << 10,
    events: 4_096,
};
/// How long a sweep is put off while requests keep coming or are being stored, so that what they
/// publish shares its sends: about as long as a sweep to a few hundred takes.
const GATHER_MAX: Duration = Duration::from_millis(1);
/// How long a turn sweeps: publishers wait no longer for their answers because of it, and what they
/// publish meanwhile is ready for the next sweep.
const SWEEP_MAX: Duration = Duration::from_millis(1);
/// Sends between two looks at the clock, some 0.2 ms.
const SENDS_PER_LOOK: usize = 32;

/// One topic's new events on their way to those who follow nothing else.
pub(super) struct Sweep {
    topic: TopicNumber,
    strip: Strip,
    /// Followers before this place of the list are still to be served. Counted down: who leaves has
    /// its place taken by one that was served already.
    next: usize,
    /// The position before the events.
    from: Seq,
    /// Whether the topic's end is among the events.
    ends: bool,
}

/// What went out, to be counted.
#[derive(Default)]
struct Delivered {
    events: u64,
    bytes: u64,
}

/// How far a turn may go.
struct Quantum {
    until: Instant,
    sends: usize,
}

impl Quantum {
    fn is_over(&mut self) -> bool {
        self.sends += 1;
        self.sends.is_multiple_of(SENDS_PER_LOOK) && Instant::now() >= self.until
    }
}

impl<D: Door> Shard<D> {
    /// Reads on in the log, when everything read before is handed out.
    pub(super) fn follow(&mut self) {
        // Whoever rang for what cannot be read now will not ring again.
        self.owes_a_look = !self.sweeps.is_empty() || !self.manys.is_empty();
        if self.owes_a_look || (!self.has_more && self.hub.log().last() == self.position) {
            return;
        }
        if self.is_gathering() {
            self.owes_a_look = true;
            return;
        }
        let feed = self.hub.log().feed(self.position, self.trims_seen, FEED);
        self.swept_from = self.position;
        match feed.lost {
            FeedLoss::Nothing => {}
            FeedLoss::Topics(names) => names.iter().for_each(|name| self.lost(name)),
            FeedLoss::Anything => self.lost_anything(),
        }
        self.position = feed.after;
        self.trims_seen = feed.trims_seen;
        self.has_more = feed.has_more;
        self.feed = feed.events;
        self.lay_out();
    }

    /// Whether what is visible waits for more of its kind. Where nothing else is being published,
    /// nothing waits.
    fn is_gathering(&mut self) -> bool {
        let is_more_coming = self.requests_taken > 0 || self.publishing > 0;
        if !is_more_coming || self.has_more {
            self.gathers_since = None;
            return false;
        }
        let since = *self.gathers_since.get_or_insert(self.now);
        let is_over = self.now.duration_since(since) >= GATHER_MAX;
        if is_over {
            self.gathers_since = None;
        }
        !is_over
    }

    /// How long the shard may sleep while it gathers: until the log answers what is being stored,
    /// which rings. Requests alone are looked for again at once.
    pub(super) fn gathers_for(&self, now: Instant) -> Option<Duration> {
        let since = self.gathers_since.filter(|_| self.owes_a_look)?;
        let left = GATHER_MAX.saturating_sub(now.duration_since(since));
        (self.publishing > 0 && !left.is_zero()).then_some(left)
    }

    /// Sorts the events of the feed to those who follow their topics.
    fn lay_out(&mut self) {
        let feed = mem::take(&mut self.feed);
        for (nth, event) in feed.iter().enumerate() {
            let number = self.interests.find(&event.topic);
            if let Some(number) = number
                && !self.interests.topic(number).ones.is_empty()
            {
                let sweep = self.sweep_of(number);
                sweep.strip.push(event.seq, &event.frame);
                sweep.ends |= event.kind == Kind::End;
            }
            let nth = u32::try_from(nth).unwrap_or(u32::MAX);
            let (table, manys) = (&mut self.table, &mut self.manys);
            self.interests.manys(number, &event.topic, |slot| {
                let entry = table.at_mut(slot).map(|entry| &mut entry.connection);
                if let Some(Connection::Stream(stream)) = entry
                    && let Interest::Many(many) = &mut stream.interest
                    && many.due.last() != Some(&nth)
                {
                    if many.due.is_empty() {
                        manys.push(slot);
                    }
                    many.due.push(nth);
                }
            });
        }
        self.feed = feed;
        for sweep in &mut self.sweeps {
            sweep.strip.seal();
        }
    }

    fn sweep_of(&mut self, number: TopicNumber) -> &mut Sweep {
        let topic = self.interests.topic_mut(number);
        let next = topic.ones.len();
        let count = u32::try_from(self.sweeps.len()).unwrap_or(u32::MAX);
        let index = *topic.sweep.get_or_insert(count) as usize;
        if index == self.sweeps.len() {
            self.sweeps.push_back(Sweep {
                topic: number,
                strip: Strip::default(),
                next,
                from: self.swept_from,
                ends: false,
            });
        }
        &mut self.sweeps[index]
    }

    /// Hands out what was laid out, for a while.
    pub(super) fn sweep(&mut self) {
        let mut delivered = Delivered::default();
        let mut quantum = Quantum {
            until: self.now + SWEEP_MAX,
            sends: 0,
        };
        while let Some(mut sweep) = self.sweeps.pop_front() {
            if !self.go_on_sweeping(&mut sweep, &mut quantum, &mut delivered) {
                self.sweeps.push_front(sweep);
                return self.count_delivered(&delivered);
            }
            self.finish(sweep);
        }
        while let Some(slot) = self.manys.pop() {
            self.serve_many(slot, &mut delivered);
            if quantum.is_over() {
                break;
            }
        }
        if self.manys.is_empty() {
            self.feed.clear();
        }
        self.count_delivered(&delivered);
    }

    fn count_delivered(&self, delivered: &Delivered) {
        if delivered.events > 0 {
            self.door.delivered(delivered.events, delivered.bytes);
        }
    }

    /// Answers whether the sweep is done.
    fn go_on_sweeping(
        &mut self,
        sweep: &mut Sweep,
        quantum: &mut Quantum,
        delivered: &mut Delivered,
    ) -> bool {
        let strip = &sweep.strip;
        let whole = (strip.count_after(Seq::ZERO), strip.place_after(Seq::ZERO));
        let (last, trims_seen, tick) = (strip.last(), self.trims_seen, self.tick);
        while let Some(place) = sweep.next.checked_sub(1) {
            sweep.next = place;
            let slot = self.interests.topic(sweep.topic).ones.get(place).copied();
            let Some((slot, entry)) = slot.and_then(|slot| Some((slot, self.table.at_mut(slot)?)))
            else {
                continue;
            };
            let Connection::Stream(stream) = &mut entry.connection else {
                continue;
            };
            if !matches!(stream.state, State::Live) || stream.after >= last {
                continue;
            }
            let (count, begin) = match stream.after < sweep.from {
                true => whole,
                false => (
                    strip.count_after(stream.after),
                    strip.place_after(stream.after),
                ),
            };
            match strip.send(begin, stream.after, &stream.socket) {
                Taken::Whole(bytes) => {
                    delivered.events += count as u64;
                    delivered.bytes += bytes as u64;
                    stream.after = last;
                    stream.sent = tick;
                    if sweep.ends {
                        self.see_the_end(slot);
                    }
                }
                Taken::Part(bytes, seq, rest) => {
                    delivered.events += (count - strip.count_after(seq)) as u64;
                    delivered.bytes += bytes as u64;
                    stream.after = seq.max(sweep.from);
                    stream.state = State::Behind(Box::new(Behind {
                        unsent: Unsent::rest(rest),
                        trims_seen,
                        is_blocked: true,
                        wants_tape: true,
                        ..Behind::default()
                    }));
                    self.interests.keep_tape(sweep.topic);
                }
                Taken::Broken => {
                    let token = self.table.token(slot);
                    self.close(token);
                }
            }
            if quantum.is_over() {
                return sweep.next == 0;
            }
        }
        true
    }

    /// Everybody has got the events, or fell behind.
    fn finish(&mut self, sweep: Sweep) {
        // The others stand one place further ahead now.
        for later in &self.sweeps {
            let topic = self.interests.topic_mut(later.topic);
            topic.sweep = topic.sweep.and_then(|index| index.checked_sub(1));
        }
        let topic = self.interests.topic_mut(sweep.topic);
        topic.sweep = None;
        if let Some(tape) = &mut topic.tape {
            tape.push(sweep.strip, sweep.from);
            self.ready.extend(tape.late.drain(..));
        }
        self.interests.leave(sweep.topic);
    }

    /// Sends what is due to one who follows several topics.
    fn serve_many(&mut self, slot: u32, delivered: &mut Delivered) {
        let (from, trims_seen, tick) = (self.swept_from, self.trims_seen, self.tick);
        let Some(Entry {
            connection: Connection::Stream(stream),
            ..
        }) = self.table.at_mut(slot)
        else {
            return;
        };
        let Interest::Many(many) = &mut stream.interest else {
            return;
        };
        let due = mem::take(&mut many.due);
        let due = due.iter().filter_map(|nth| self.feed.get(*nth as usize));
        let mut strip = Strip::default();
        let mut ends = false;
        for event in due.filter(|event| event.seq > stream.after) {
            strip.push(event.seq, &event.frame);
            ends |= event.kind == Kind::End;
        }
        if !matches!(stream.state, State::Live) || strip.is_empty() {
            return;
        }
        strip.seal();
        let all = strip.count_after(Seq::ZERO);
        let begin = strip.place_after(Seq::ZERO);
        match strip.send(begin, stream.after, &stream.socket) {
            Taken::Whole(bytes) => {
                delivered.events += all as u64;
                delivered.bytes += bytes as u64;
                stream.after = strip.last();
                stream.sent = tick;
                if ends {
                    self.see_the_end(slot);
                }
            }
            Taken::Part(bytes, seq, rest) => {
                delivered.events += (all - strip.count_after(seq)) as u64;
                delivered.bytes += bytes as u64;
                stream.after = seq.max(from);
                stream.state = State::Behind(Box::new(Behind {
                    unsent: Unsent::rest(rest),
                    trims_seen,
                    is_blocked: true,
                    ..Behind::default()
                }));
            }
            Taken::Broken => {
                let token = self.table.token(slot);
                self.close(token);
            }
        }
    }

    /// A topic of the stream has ended: its cursor knows whether that was the last one.
    fn see_the_end(&mut self, slot: u32) {
        let token = self.table.token(slot);
        self.fall_behind(token, self.trims_seen);
    }

    /// Events of the topic are gone before they were read from the log: who follows it asks for
    /// itself, and is told of the gap.
    fn lost(&mut self, name: &TopicName) {
        let number = self.interests.find(name);
        let mut slots = Vec::new();
        if let Some(number) = number {
            let topic = self.interests.topic_mut(number);
            slots.extend_from_slice(&topic.ones);
            // What is on the tape does not go on without them.
            if let Some(tape) = &mut topic.tape {
                tape.clear();
            }
        }
        self.interests.manys(number, name, |slot| slots.push(slot));
        for slot in slots {
            let token = self.table.token(slot);
            self.fall_behind(token, self.trims_seen);
        }
    }

    fn lost_anything(&mut self) {
        for token in self.table.tokens() {
            self.fall_behind(token, self.trims_seen);
        }
        self.interests.tapes().for_each(Tape::clear);
    }

    /// Has a live stream read for itself, from what it was certainly given.
    pub(super) fn fall_behind(&mut self, token: Token, trims_seen: u64) {
        let is_handing_out = !self.sweeps.is_empty() || !self.manys.is_empty();
        let given = match is_handing_out {
            true => self.swept_from,
            false => self.position,
        };
        let Some(stream) = self.stream_mut(token) else {
            return;
        };
        if !matches!(stream.state, State::Live) {
            return;
        }
        stream.after = stream.after.max(given);
        stream.state = State::Behind(Box::new(Behind {
            trims_seen,
            ..Behind::default()
        }));
        self.ready.push_back(token);
    }

    /// The stream wants nothing of its topic's tape any more.
    pub(super) fn forget_tape(&mut self, token: Token) {
        let Some(Entry {
            connection: Connection::Stream(stream),
            ..
        }) = self.table.entry_mut(token)
        else {
            return;
        };
        let (State::Behind(behind), Interest::One(number, _)) =
            (&mut stream.state, &stream.interest)
        else {
            return;
        };
        if mem::take(&mut behind.wants_tape) {
            let topic = self.interests.topic_mut(*number);
            if let Some(tape) = &mut topic.tape {
                tape.wanted_by -= 1;
                if tape.wanted_by == 0 {
                    topic.tape = None;
                }
            }
        }
    }
}
