//! Streams that read for themselves: new ones, those whose sockets were full, and those that have
//! to hear of a gap.

use std::task::{Context, Poll};

use bytes::Bytes;
use fanfare_hub::{Limits, ReadBudget, Standing, Step};

use super::{Connection, Entry, Phase, Shard};
use crate::door::Door;
use crate::framing::{LAST_CHUNK, chunk};
use crate::interests::Interest;
use crate::socket::Moved;
use crate::stream::{State, Unsent};
use crate::strip::Taken;
use crate::table::Token;

/// Bytes that one stream is sent in one turn, so that a long replay starves nobody.
const TURN_BYTES_MAX: usize = 256 << 10;

/// How often what one read may return is doubled, for who keeps up: as much as is sent in one turn.
const HASTE_MAX: u32 = 2;

/// How it goes on with a stream.
enum Next {
    /// There is something to send.
    Send,
    /// So many bytes were sent, and there may be more.
    Sent(usize),
    /// Nothing to do until something happens.
    Wait,
}

impl<D: Door> Shard<D> {
    /// Sends a stream what it has not got, as far as its socket and the turn allow.
    pub(super) fn catch_up(&mut self, token: Token) {
        if self.phase >= Phase::Draining {
            // Everybody ends by a look at the log.
            self.fall_behind(token, self.trims_seen);
        }
        let tick = self.tick;
        let mut room = TURN_BYTES_MAX;
        loop {
            let Some(Entry {
                connection: Connection::Stream(stream),
                ..
            }) = self.table.entry_mut(token)
            else {
                return;
            };
            let State::Behind(behind) = &mut stream.state else {
                return;
            };
            if behind.is_blocked {
                return;
            }
            let (sent, moved) = behind.unsent.flush(&stream.socket);
            if sent > 0 {
                stream.sent = tick;
                room = room.saturating_sub(sent);
                self.caught_up_bytes += sent;
            }
            match moved {
                Moved::Blocked => {
                    behind.is_blocked = true;
                    behind.haste = 0;
                    return;
                }
                Moved::Bytes(_) if !behind.ends => {}
                Moved::Bytes(_) | Moved::Broken => return self.close(token),
            }
            if room == 0 {
                return self.ready.push_back(token);
            }
            match self.next(token) {
                Next::Send => {}
                Next::Sent(bytes) => {
                    room = room.saturating_sub(bytes);
                    if room == 0 {
                        return self.ready.push_back(token);
                    }
                }
                Next::Wait => return,
            }
        }
    }

    /// Finds what to send next.
    fn next(&mut self, token: Token) -> Next {
        let Some(stream) = self.stream_mut(token) else {
            return Next::Wait;
        };
        let State::Behind(behind) = &stream.state else {
            return Next::Wait;
        };
        if behind.cursor.is_some() {
            return self.read_on(token);
        }
        if behind.wants_tape
            && self.phase < Phase::Draining
            && let Some(next) = self.read_tape(token)
        {
            return next;
        }
        self.forget_tape(token);
        let interests = &self.interests;
        if let Some(Connection::Stream(stream)) = self
            .table
            .entry_mut(token)
            .map(|entry| &mut entry.connection)
            && let State::Behind(behind) = &mut stream.state
            && let Some(admission) = stream.admission.take()
        {
            let standing = Standing {
                admission,
                after: stream.after,
                trims_seen: behind.trims_seen,
            };
            behind.cursor = Some(standing.rise(stream.interest.selection(interests)));
        }
        self.read_on(token)
    }

    /// Goes on from what was sent to the others, when it goes back far enough.
    fn read_tape(&mut self, token: Token) -> Option<Next> {
        let tick = self.tick;
        let interests = &mut self.interests;
        let entry = self.table.entry_mut(token)?;
        let Connection::Stream(stream) = &mut entry.connection else {
            return None;
        };
        let Interest::One(number, _) = stream.interest else {
            return None;
        };
        let topic = interests.topic_mut(number);
        let is_swept = topic.sweep.is_some();
        let tape = topic.tape.as_mut()?;
        if is_swept {
            // What is being sent to the others comes onto the tape when all have got it.
            tape.late.push(token);
            return Some(Next::Wait);
        }
        if !tape.covers(stream.after) {
            return None;
        }
        let (sent, taken) = tape.send(stream.after, TURN_BYTES_MAX, &stream.socket);
        stream.after = stream.after.max(sent.through);
        stream.sent = tick;
        self.caught_up_bytes += sent.bytes as usize;
        self.door.delivered(sent.events, sent.bytes);
        match taken {
            Taken::Whole(_) if !tape.ends_at(stream.after) => {
                self.ready.push_back(token);
                Some(Next::Wait)
            }
            Taken::Whole(_) => {
                self.forget_tape(token);
                let position = self.position;
                if let Some(stream) = self.stream_mut(token) {
                    stream.after = stream.after.max(position);
                    stream.state = State::Live;
                }
                Some(Next::Wait)
            }
            Taken::Part(_, _, rest) => {
                if let State::Behind(behind) = &mut stream.state {
                    behind.unsent = Unsent::rest(rest);
                    behind.is_blocked = true;
                }
                Some(Next::Wait)
            }
            Taken::Broken => {
                self.close(token);
                Some(Next::Wait)
            }
        }
    }

    /// Goes on from what another stream has just read.
    fn read_lately(&mut self, token: Token) -> Option<Next> {
        let tick = self.tick;
        let Connection::Stream(stream) = &mut self.table.entry_mut(token)?.connection else {
            return None;
        };
        let (Interest::One(number, _), State::Behind(behind)) =
            (&stream.interest, &mut stream.state)
        else {
            return None;
        };
        let cursor = behind.cursor.as_mut()?;
        let after = cursor.position().seq;
        let topic = &self.interests.topic(*number).name;
        let strip = self.lately.find(topic, after, self.now)?;
        if !cursor.step_over(after) {
            return None;
        }
        let taken = strip.send(strip.place_after(after), after, &stream.socket);
        let (bytes, through) = match &taken {
            Taken::Whole(bytes) => (*bytes, strip.last()),
            Taken::Part(bytes, seq, _) => (*bytes, *seq),
            Taken::Broken => {
                self.close(token);
                return Some(Next::Wait);
            }
        };
        cursor.step_over(through);
        stream.sent = tick;
        self.caught_up_bytes += bytes;
        let events = strip.count_after(after) - strip.count_after(through);
        self.door.delivered(events as u64, bytes as u64);
        Some(match taken {
            Taken::Part(_, _, rest) => {
                behind.unsent = Unsent::rest(rest);
                behind.is_blocked = true;
                behind.haste = 0;
                Next::Wait
            }
            _ => Next::Sent(bytes),
        })
    }

    /// Asks the stream's cursor.
    fn read_on(&mut self, token: Token) -> Next {
        if let Some(next) = self.read_lately(token) {
            return next;
        }
        let waker = self.calls.waker(token);
        let (phase, position) = (self.phase, self.position);
        let Some(Entry {
            connection: Connection::Stream(stream),
            ..
        }) = self.table.entry_mut(token)
        else {
            return Next::Wait;
        };
        let State::Behind(behind) = &mut stream.state else {
            return Next::Wait;
        };
        let Some(mut reader) = behind.cursor.take() else {
            return Next::Wait;
        };
        let before = reader.position().seq;
        let budget = budget(&self.hub.limits(), behind.haste);
        match reader.poll_step(&mut Context::from_waker(&waker), budget) {
            Poll::Ready(Step::Gap(gap)) => {
                behind.unsent = Unsent::Bytes(chunk(&self.door.gap(&gap)));
                behind.told_gap = true;
            }
            Poll::Ready(Step::Events(slice)) => {
                // Behind a gap not everything is there that follows the place.
                let has_all = !std::mem::take(&mut behind.told_gap);
                if let (Interest::One(number, _), true) = (&stream.interest, has_all) {
                    let topic = &self.interests.topic(*number).name;
                    self.lately
                        .note(token, topic, before, &slice.events, self.now);
                }
                let bytes = slice.events.pieces().map(Bytes::len).sum();
                self.door.delivered(slice.events.len() as u64, bytes as u64);
                behind.unsent = Unsent::events(slice.events, bytes);
                behind.haste = HASTE_MAX.min(behind.haste + 1);
            }
            Poll::Ready(Step::Over) => {
                behind.unsent = Unsent::Bytes(LAST_CHUNK.into());
                behind.ends = true;
            }
            Poll::Pending => match reader.rest() {
                Err(reader) => {
                    behind.cursor = Some(*reader);
                    return Next::Wait;
                }
                Ok(standing) => {
                    debug_assert!(standing.after >= position, "the tail lies behind no feed");
                    stream.after = standing.after;
                    stream.admission = Some(standing.admission);
                    if phase < Phase::Draining {
                        stream.state = State::Live;
                        return Next::Wait;
                    }
                    let farewell = chunk(&self.door.farewell());
                    behind.unsent = Unsent::Bytes([&farewell, LAST_CHUNK].concat().into());
                    behind.ends = true;
                    return Next::Send;
                }
            },
        }
        behind.cursor = Some(reader);
        Next::Send
    }
}

/// What one read may return.
fn budget(limits: &Limits, haste: u32) -> ReadBudget {
    ReadBudget {
        bytes: limits.turn_bytes_max.saturating_mul(1 << haste),
        events: limits.turn_events_max.saturating_mul(1 << haste),
    }
}
