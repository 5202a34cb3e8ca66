//! Reading the records of a segment one after the other, and telling a write that was cut short
//! from damage.
//!
//! A record says how far the log was durable before it was written. Where something is not whole,
//! a later record that calls it durable shows that it was acknowledged and is damaged now: a hole.
//! Without such a record nobody was ever told of it: the log ends there.

use fanfare_hub::Seq;

use crate::record::{self, ALIGN, Head};
use crate::view::Hole;

/// A record that was found.
pub(crate) struct Scanned {
    /// What its header says.
    pub(crate) head: Head,
    /// Where it starts in the file.
    pub(crate) at: usize,
}

/// What a segment was found to hold.
#[derive(Default)]
pub(crate) struct Scan {
    /// The records, in order.
    pub(crate) records: Vec<Scanned>,
    /// Events that are damaged, in order; those inside the records above among them.
    pub(crate) holes: Vec<Hole>,
    /// The seq after the last one found.
    pub(crate) next: Seq,
    /// Where the next record goes.
    pub(crate) end: usize,
    /// What lies between the end and here was written but never acknowledged, and has to be erased
    /// before the log goes on.
    pub(crate) stale_end: usize,
}

/// A segment's bytes as they are on disk.
pub(crate) struct Bytes<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) salt: u32,
    /// Whether events may have been left out on purpose.
    pub(crate) is_sparse: bool,
}

/// What comes after a place that is not whole.
struct Ahead {
    /// The next record that is whole, as far as its header goes.
    next: Option<(usize, Head)>,
    /// Whether some later record says that the place was durable.
    was_durable: bool,
    /// Where the last whole record ends.
    end: usize,
}

impl Bytes<'_> {
    /// Reads the records from a place on, the first of which has the given seq.
    pub(crate) fn scan(&self, from: usize, base: Seq) -> Scan {
        let mut scan = Scan {
            next: base,
            end: from,
            stale_end: from,
            ..Scan::default()
        };
        loop {
            let at = scan.end;
            let head = self
                .head(at)
                .filter(|head| head.seq == scan.next || (self.is_sparse && head.seq > scan.next));
            if let Some(head) = &head {
                scan.next = head.seq;
            }
            let damaged = head.as_ref().map(|head| self.damaged_events(at, head));
            match (head, damaged) {
                (Some(head), Some(damaged)) if damaged.is_empty() => scan.take(at, head),
                (head, damaged) => {
                    let ahead = self.look_ahead(at + ALIGN, scan.next);
                    if !ahead.was_durable {
                        scan.stale_end = ahead.end.max(at);
                        return scan;
                    }
                    match (head, damaged) {
                        (Some(head), Some(damaged)) => {
                            scan.holes.extend(damaged);
                            scan.take(at, head);
                        }
                        _ => scan.skip_to(ahead),
                    }
                }
            }
        }
    }

    fn head(&self, at: usize) -> Option<Head> {
        record::parse(self.bytes.get(at..)?, self.salt)
    }

    /// The events of a record whose frames are not what was written.
    fn damaged_events(&self, at: usize, head: &Head) -> Vec<Hole> {
        let Some(record) = self.bytes.get(at..at + head.bytes) else {
            return Vec::new();
        };
        let seqs = (head.seq.0..).map(Seq);
        let events = seqs.zip(record::events(record, head));
        let damaged = events.filter(|(seq, (place, _))| {
            let event = record.get(*place..);
            event.is_none_or(|event| record::parse_event(event, *seq, self.salt).is_none())
        });
        let holes = damaged.map(|(seq, _)| Hole {
            from: seq,
            through: seq,
        });
        holes.collect()
    }

    /// Looks for records after a place at which something is not whole.
    fn look_ahead(&self, from: usize, expected: Seq) -> Ahead {
        let mut ahead = Ahead {
            next: None,
            was_durable: false,
            end: 0,
        };
        let mut at = from.next_multiple_of(ALIGN);
        while at + record::HEADER <= self.bytes.len() {
            let Some(head) = self.claimed(at, expected) else {
                at += ALIGN;
                continue;
            };
            let was_durable = head.durable >= expected;
            let end = at + head.bytes;
            ahead.end = ahead.end.max(end);
            ahead.next.get_or_insert((at, head));
            if was_durable {
                ahead.was_durable = true;
                return ahead;
            }
            at = end;
        }
        ahead
    }

    /// A record that comes after what was expected. Looks at what it claims before it computes a
    /// checksum, because this is asked of every eighth byte.
    fn claimed(&self, at: usize, expected: Seq) -> Option<Head> {
        let bytes = self.bytes.get(at..)?;
        let len = record::length(bytes)?;
        let (seq, durable) = record::claims(bytes)?;
        if len > bytes.len() || seq < expected || durable >= seq {
            return None;
        }
        record::parse(bytes, self.salt)
    }
}

impl Scan {
    fn take(&mut self, at: usize, head: Head) {
        self.end = at + head.bytes;
        self.stale_end = self.end;
        self.next = Seq(self.next.0 + u64::from(head.events));
        self.records.push(Scanned { head, at });
    }

    fn skip_to(&mut self, ahead: Ahead) {
        let Some((at, head)) = ahead.next else {
            return;
        };
        if head.seq > self.next {
            self.holes.push(Hole {
                from: self.next,
                through: head.seq.previous(),
            });
        }
        self.next = head.seq;
        self.end = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Encoder, Holds, Opening, salt};
    use fanfare_hub::event::Kind;
    use fanfare_hub::{Timestamp, TopicName};

    const FROM: usize = 64;

    /// Records of two events each; every one is written when all before it are durable, unless a
    /// group is asked for.
    fn segment(records: u64, group: u64) -> Vec<u8> {
        let mut buf = vec![0; FROM];
        let topic = TopicName::parse("a/b").unwrap();
        for number in 0..records {
            let seq = Seq(1 + 2 * number);
            let opening = Opening {
                holds: Holds::Events,
                seq,
                durable: Seq(2 * (number / group) * group),
                events: 2,
                topic: &topic,
                key: None,
            };
            let mut encoder = Encoder::begin(&mut buf, salt(Seq(1)), &opening);
            encoder.event(Kind::Published, Timestamp(9), b"id: one\n\n");
            encoder.event(Kind::Published, Timestamp(9), b"id: another\n\n");
            encoder.finish();
        }
        buf.resize(buf.len() + 4_096, 0);
        buf
    }

    fn scan(bytes: &[u8]) -> Scan {
        let salt = salt(Seq(1));
        Bytes {
            bytes,
            salt,
            is_sparse: false,
        }
        .scan(FROM, Seq(1))
    }

    #[test]
    fn whole_records_are_all_found() {
        let bytes = segment(10, 1);
        let scan = scan(&bytes);
        assert_eq!((scan.records.len(), scan.next), (10, Seq(21)));
        assert!(scan.holes.is_empty());
        assert_eq!(scan.end, bytes.len() - 4_096);
    }

    #[test]
    fn any_flipped_byte_costs_at_most_its_own_record_and_is_known() {
        let bytes = segment(6, 1);
        let record = (bytes.len() - 4_096 - FROM) / 6;
        for at in FROM..bytes.len() - 4_096 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let scan = scan(&damaged);
            let hit = (at - FROM) / record;
            if hit == 5 {
                // The last one: nobody knows that it was durable, but for the mark.
                assert!(scan.next == Seq(11) || scan.next == Seq(13), "byte {at}");
                continue;
            }
            assert_eq!(scan.next, Seq(13), "byte {at}");
            let lost: u64 = scan
                .holes
                .iter()
                .map(|hole| hole.through.0 - hole.from.0 + 1)
                .sum();
            assert!(lost <= 2, "byte {at}: {lost} lost");
            for hole in &scan.holes {
                assert_eq!((hole.from.0 - 1) / 2, hit as u64, "byte {at}");
                assert_eq!((hole.through.0 - 1) / 2, hit as u64, "byte {at}");
            }
        }
    }

    #[test]
    fn a_group_whose_first_record_was_torn_is_cut_as_a_whole() {
        let mut bytes = segment(8, 4);
        let record = (bytes.len() - 4_096 - FROM) / 8;
        // The first of the second group; the other three are whole, and nobody was told of any.
        bytes[FROM + 4 * record + 5] ^= 1;
        let scan = scan(&bytes);
        assert_eq!(scan.next, Seq(9));
        assert_eq!(scan.end, FROM + 4 * record);
        assert_eq!(scan.stale_end, FROM + 8 * record);
        assert!(scan.holes.is_empty());
    }

    #[test]
    fn records_of_an_earlier_life_are_not_found() {
        let bytes = segment(8, 1);
        let scan = Bytes {
            bytes: &bytes,
            salt: salt(Seq(2)),
            is_sparse: false,
        }
        .scan(FROM, Seq(1));
        assert_eq!((scan.next, scan.end), (Seq(1), FROM));
    }
}
