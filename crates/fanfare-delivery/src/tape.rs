//! What was sent to a topic lately, for those whose sockets were full: they go on from the same
//! bytes as everybody else, unless they fall far behind.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare_hub::Seq;

use crate::strip::{Strip, Taken};
use crate::table::Token;

/// Memory that all tapes of a shard take together: what some ten thousand small events take,
/// the seconds that a reader misses that keeps up on the whole. Who falls further behind reads the
/// log, which costs several times as much for each event.
const TAPES_BYTES_MAX: usize = 8 << 20;
/// Strips smaller than this grow by the next one, so that few calls send many.
const STRIP_BYTES_MIN: usize = 128 << 10;

/// The memory that the tapes of one shard take, which each of them counts.
#[derive(Clone, Default)]
pub(crate) struct Room(Arc<AtomicUsize>);

impl Room {
    // One thread has all the tapes.
    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn is_exceeded(&self) -> bool {
        self.0.load(Ordering::Relaxed) > TAPES_BYTES_MAX
    }
}

/// What was sent to a topic lately.
pub(crate) struct Tape {
    strips: VecDeque<Strip>,
    room: Room,
    /// Everything of the topic after this, up to now, is on the tape.
    from: Seq,
    /// How many streams wait for their sockets and may want it.
    pub(crate) wanted_by: u32,
    /// Those who came for what is still being sent to the others.
    pub(crate) late: Vec<Token>,
}

/// What was sent from a tape.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// Everything up to here, at least.
    pub(crate) through: Seq,
}

impl Tape {
    pub(crate) fn new(room: &Room) -> Self {
        Self {
            strips: VecDeque::new(),
            room: room.clone(),
            from: Seq::ZERO,
            wanted_by: 0,
            late: Vec::new(),
        }
    }

    /// Adds what follows `from`.
    pub(crate) fn push(&mut self, strip: Strip, from: Seq) {
        if self.strips.is_empty() {
            self.from = from;
        }
        match self.strips.back_mut() {
            Some(last) if last.bytes() < STRIP_BYTES_MIN => {
                self.room.give_back(last.footprint());
                last.append(&strip);
                self.room.add(last.footprint());
            }
            _ => {
                self.room.add(strip.footprint());
                self.strips.push_back(strip);
            }
        }
        while self.room.is_exceeded()
            && let Some(oldest) = self.strips.pop_front()
        {
            self.room.give_back(oldest.footprint());
            self.from = oldest.last();
        }
    }

    /// Whether everything after the place is here.
    pub(crate) fn covers(&self, after: Seq) -> bool {
        !self.strips.is_empty() && self.from <= after
    }

    /// Whether nothing is here that lies after the place.
    pub(crate) fn ends_at(&self, place: Seq) -> bool {
        self.strips.back().is_none_or(|strip| strip.last() <= place)
    }

    /// Keeps nothing of what was sent so far.
    pub(crate) fn clear(&mut self) {
        let bytes = self.strips.drain(..).map(|strip| strip.footprint()).sum();
        self.room.give_back(bytes);
    }

    /// Sends what lies after a place, and no further strip when so many bytes are sent.
    pub(crate) fn send(&self, after: Seq, bytes_max: usize, socket: &TcpStream) -> (Sent, Taken) {
        let mut sent = Sent {
            through: after,
            ..Sent::default()
        };
        let first = self.strips.partition_point(|strip| strip.last() <= after);
        for strip in self.strips.range(first..) {
            if sent.bytes >= bytes_max as u64 {
                break;
            }
            let count = strip.count_after(sent.through);
            let from = strip.place_after(sent.through);
            match strip.send(from, sent.through, socket) {
                Taken::Whole(bytes) => {
                    sent.events += count as u64;
                    sent.bytes += bytes as u64;
                    sent.through = strip.last();
                }
                Taken::Part(bytes, seq, rest) => {
                    sent.events += (count - strip.count_after(seq)) as u64;
                    sent.bytes += bytes as u64;
                    sent.through = seq;
                    return (sent, Taken::Part(bytes, seq, rest));
                }
                Taken::Broken => return (sent, Taken::Broken),
            }
        }
        (sent, Taken::Whole(0))
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    /// Events of so many bytes each.
    fn strip(seqs: std::ops::RangeInclusive<u64>, bytes: usize) -> Strip {
        let mut strip = Strip::default();
        for seq in seqs {
            strip.push(Seq(seq), &vec![b'.'; bytes]);
        }
        strip.seal();
        strip
    }

    #[test]
    fn a_reader_goes_on_where_it_was_over_strips_that_were_put_together() {
        let mut tape = Tape::new(&Room::default());
        for seq in (1..40).step_by(2) {
            tape.push(strip(seq..=seq + 1, 10_000), Seq(seq - 1));
        }
        assert!(tape.strips.len() < 6, "{} strips", tape.strips.len());
        assert!(tape.covers(Seq(0)) && tape.ends_at(Seq(40)) && !tape.ends_at(Seq(39)));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut reader, _) = listener.accept().unwrap();
        let (sent, taken) = tape.send(Seq(29), usize::MAX, &socket);
        assert!(matches!(taken, Taken::Whole(_)));
        assert_eq!((sent.events, sent.through), (11, Seq(40)));
        let mut received = vec![0; sent.bytes as usize];
        reader.read_exact(&mut received).unwrap();
        assert_eq!(
            received.iter().filter(|byte| **byte == b'.').count(),
            110_000
        );

        let (sent, _) = tape.send(Seq(0), 1, &socket);
        assert!(
            sent.events > 0 && sent.through < Seq(40),
            "one strip is enough"
        );
    }

    #[test]
    fn all_tapes_together_take_no_more_than_they_may() {
        let room = Room::default();
        let (mut one, mut other) = (Tape::new(&room), Tape::new(&room));
        let used = || room.0.load(Ordering::Relaxed);
        for seq in 1..50 {
            one.push(strip(seq..=seq, 1 << 20), Seq(seq - 1));
            assert!(used() <= TAPES_BYTES_MAX);
        }
        assert!(one.covers(Seq(47)) && !one.covers(Seq(25)));
        other.push(strip(1..=1, 100), Seq(0));
        assert!(used() <= TAPES_BYTES_MAX);
        drop(one);
        other.push(strip(2..=2, 100), Seq(1));
        assert!(other.covers(Seq(1)));
        drop(other);
        assert_eq!(used(), 0);
    }
}
