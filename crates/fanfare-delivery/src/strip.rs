//! New events of one topic, laid out once for all who follow it.
//!
//! ```text
//! strip   | chunk of some events                 | chunk of the next ones               |
//! bytes   | 8f2 CRLF event event ... event CRLF  | 91 CRLF event CRLF                   |
//!                        ^ who has read so far gets a head of its own for what is left
//! ```

use std::io::IoSlice;
use std::net::TcpStream;

use bytes::Bytes;
use fanfare_hub::Seq;

use crate::framing::{CHUNK_END, push_chunk, push_head};
use crate::socket::{Moved, send_pieces, send_some};

/// Events share a chunk until it is this long. A reader takes chunks apart at a cost for each, and
/// one whose socket took a part of a chunk is owed the rest of it, which is kept for it: so some
/// events each, and not all of them.
const CHUNK_BYTES: usize = 2 << 10;

/// New events of one topic, laid out for the socket.
///
/// Invariant: once it is sealed, everything is in chunks.
#[derive(Default)]
pub(crate) struct Strip {
    /// All chunks, once they are sealed.
    bytes: Bytes,
    /// All chunks, as long as it grows.
    growing: Vec<u8>,
    /// What the bytes take in memory.
    capacity: usize,
    /// The events, each with where it ends.
    marks: Vec<(Seq, u32)>,
    /// The chunks, each with its last event and where it ends.
    chunks: Vec<(Seq, u32)>,
    /// Events that no chunk was made of yet, and how many.
    open: Vec<u8>,
    open_events: usize,
}

/// Where in a strip somebody goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    at: usize,
    /// Within a chunk, of which so many bytes of events are left.
    left: Option<usize>,
}

/// How a strip went to a socket.
pub(crate) enum Taken {
    /// All of it, so many bytes.
    Whole(usize),
    /// A part, so many bytes: everything through the seq is sent but for these bytes of its end.
    Part(usize, Seq, Bytes),
    /// Nothing more ever.
    Broken,
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Strip {
    /// Adds an event, which must be followed by others or by [`Strip::seal`].
    pub(crate) fn push(&mut self, seq: Seq, frame: &[u8]) {
        self.open.extend_from_slice(frame);
        self.open_events += 1;
        // Known from where the chunk's contents begin, for now.
        self.marks.push((seq, offset(self.open.len())));
        if self.open.len() >= CHUNK_BYTES {
            self.close_chunk();
        }
    }

    /// Ends its growing.
    pub(crate) fn seal(&mut self) {
        self.close_chunk();
        self.open = Vec::new();
        self.capacity = self.growing.capacity();
        self.bytes = std::mem::take(&mut self.growing).into();
    }

    /// Makes a chunk of what there is.
    fn close_chunk(&mut self) {
        if self.open_events == 0 {
            return;
        }
        push_chunk(&self.open, &mut self.growing);
        let begin = self.growing.len() - CHUNK_END.len() - self.open.len();
        let last_events = self.marks.iter_mut().rev().take(self.open_events);
        last_events.for_each(|(_, end)| *end = offset(begin + *end as usize));
        self.chunks.push((self.last(), offset(self.growing.len())));
        self.open.clear();
        self.open_events = 0;
    }

    /// Adds later events.
    pub(crate) fn append(&mut self, later: &Self) {
        let before = self.bytes.len();
        self.growing = std::mem::take(&mut self.bytes).into();
        self.growing.extend_from_slice(&later.bytes);
        let moved = |(seq, end): &(Seq, u32)| (*seq, offset(before + *end as usize));
        self.marks.extend(later.marks.iter().map(moved));
        self.chunks.extend(later.chunks.iter().map(moved));
        self.seal();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What it takes in memory.
    pub(crate) fn footprint(&self) -> usize {
        let places = self.marks.capacity() + self.chunks.capacity();
        self.capacity + places * size_of::<(Seq, u32)>()
    }

    pub(crate) fn last(&self) -> Seq {
        self.marks.last().map_or(Seq::ZERO, |(seq, _)| *seq)
    }

    /// How many of the events lie after a seq.
    pub(crate) fn count_after(&self, after: Seq) -> usize {
        self.marks.len() - self.first_after(after)
    }

    fn first_after(&self, after: Seq) -> usize {
        match self.marks.first() {
            // Almost everybody is there.
            Some((seq, _)) if after < *seq => 0,
            _ => self.marks.partition_point(|(seq, _)| *seq <= after),
        }
    }

    /// Where the events after a seq begin.
    pub(crate) fn place_after(&self, after: Seq) -> Place {
        let before = self.first_after(after).checked_sub(1);
        let Some((_, at)) = before.and_then(|nth| self.marks.get(nth)) else {
            return Place { at: 0, left: None };
        };
        let at = *at as usize;
        // Chunks end a line break behind their last event.
        let chunk_end = self.chunk_at(at).map_or(at, |(_, end)| end);
        match chunk_end - at - CHUNK_END.len() {
            0 => Place {
                at: chunk_end,
                left: None,
            },
            left => Place {
                at,
                left: Some(left),
            },
        }
    }

    /// The chunk that reaches to a place or beyond: its last event, and its end.
    fn chunk_at(&self, at: usize) -> Option<(Seq, usize)> {
        let nth = self.chunks.partition_point(|(_, end)| (*end as usize) < at);
        self.chunks
            .get(nth)
            .map(|(last, end)| (*last, *end as usize))
    }

    /// Sends everything from a place on, to one who has everything before it.
    pub(crate) fn send(&self, from: Place, after: Seq, socket: &TcpStream) -> Taken {
        let bytes = &self.bytes[from.at..];
        let mut head = Vec::new();
        let moved = match from.left {
            None => send_some(socket, bytes),
            Some(left) => {
                push_head(left, &mut head);
                send_pieces(socket, &[IoSlice::new(&head), IoSlice::new(bytes)])
            }
        };
        match moved {
            Moved::Bytes(sent) if sent == head.len() + bytes.len() => Taken::Whole(sent),
            Moved::Bytes(0) | Moved::Blocked => Taken::Part(0, after, Bytes::new()),
            Moved::Bytes(sent) => self.part(from.at, &head, sent, after),
            Moved::Broken => Taken::Broken,
        }
    }

    /// The socket took so many bytes: the chunk that was cut is owed to its end.
    fn part(&self, begin: usize, head: &[u8], sent: usize, after: Seq) -> Taken {
        let head_left = head.get(sent..).unwrap_or_default();
        let reached = begin + sent.saturating_sub(head.len());
        // Of a chunk whose head was cut, no byte of the contents has gone.
        let Some((last, end)) = self.chunk_at(reached.max(begin + 1)) else {
            return Taken::Part(sent, after, Bytes::new());
        };
        let owed = &self.bytes[reached..end];
        let is_most = owed.len() > self.bytes.len() / 2;
        let rest = match head_left.is_empty() && is_most {
            // Of a large event, which all who stand still in it share.
            true => self.bytes.slice(reached..end),
            // Copied, so that a socket which stands still keeps no more than that.
            false => [head_left, owed].concat().into(),
        };
        Taken::Part(sent, last, rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    fn strip(seqs: std::ops::RangeInclusive<u64>, bytes: usize) -> Strip {
        let mut strip = Strip::default();
        seqs.for_each(|seq| strip.push(Seq(seq), format!("{seq:>bytes$}").as_bytes()));
        strip.seal();
        strip
    }

    /// The events in a chunked body.
    fn seqs(mut body: &[u8], bytes: usize) -> Vec<u64> {
        let mut found = Vec::new();
        while !body.is_empty() {
            let line = body.iter().position(|byte| *byte == b'\n').unwrap();
            let size = std::str::from_utf8(&body[..line]).unwrap().trim_end();
            let size = usize::from_str_radix(size, 16).unwrap();
            let contents = &body[line + 1..][..size];
            let events = contents.chunks(bytes);
            found.extend(events.map(|event| {
                let text = std::str::from_utf8(event).unwrap();
                text.trim_start().parse::<u64>().unwrap()
            }));
            body = &body[line + 1 + size..];
            body = body.strip_prefix(b"\r\n").expect("the end of a chunk");
        }
        found
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (socket, listener.accept().unwrap().0)
    }

    #[test]
    fn whoever_stands_anywhere_gets_exactly_what_follows() {
        let mut strip = strip(1..=50, 100);
        assert!(strip.chunks.len() > 1 && strip.chunks.len() < 5);
        strip.append(&self::strip(51..=90, 100));
        for after in 0..=89 {
            let (socket, mut reader) = pair();
            let taken = strip.send(strip.place_after(Seq(after)), Seq(after), &socket);
            assert!(matches!(taken, Taken::Whole(_)));
            drop(socket);
            let mut body = Vec::new();
            reader.read_to_end(&mut body).unwrap();
            assert_eq!(seqs(&body, 100), (after + 1..=90).collect::<Vec<_>>());
            assert_eq!(strip.count_after(Seq(after)) as u64, 90 - after);
        }
    }

    #[test]
    fn a_socket_that_takes_any_part_is_owed_the_rest_of_one_chunk() {
        let strip = strip(1..=50, 100);
        for after in [0, 1, 20, 21, 40, 49] {
            let from = strip.place_after(Seq(after));
            let mut head = Vec::new();
            if let Some(left) = from.left {
                push_head(left, &mut head);
            }
            let all = [&head, &strip.bytes[from.at..]].concat();
            for sent in 1..all.len() {
                let Taken::Part(_, seq, rest) = strip.part(from.at, &head, sent, Seq(after)) else {
                    unreachable!("a part is a part");
                };
                assert!(rest.len() <= CHUNK_BYTES + 100 + 16);
                let body = [&all[..sent], &rest].concat();
                let expected: Vec<_> = (after + 1..=seq.0).collect();
                assert_eq!(seqs(&body, 100), expected, "after {after}, {sent} sent");
            }
        }
    }
}
