//! What streams have just read from the log, kept for the others for a moment: after a restart or
//! a cut of the network thousands ask for the same past, each from where it was.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fanfare_hub::{Events, Seq, TopicName};

use crate::strip::Strip;
use crate::table::Token;

/// Memory that it may take: some seconds of a busy topic.
const LATELY_BYTES_MAX: usize = 4 << 20;
/// What is older is not what the others ask for. Retention has let go of it meanwhile, at worst.
const LATELY: Duration = Duration::from_secs(1);

/// What was read lately.
#[derive(Default)]
pub(crate) struct Lately {
    reads: VecDeque<Read>,
    bytes: usize,
    /// Who read last, of which topic, and when.
    last: Option<(Token, TopicName, Instant)>,
}

/// One read of one topic.
struct Read {
    topic: TopicName,
    /// Everything of the topic after this, up to the end of the strip, is on it.
    from: Seq,
    strip: Strip,
    at: Instant,
}

impl Lately {
    /// Takes note of what a stream read after a place. It is kept when another stream read the
    /// topic just before: one that is alone needs no copy.
    pub(crate) fn note(
        &mut self,
        by: Token,
        topic: &TopicName,
        from: Seq,
        events: &Events,
        now: Instant,
    ) {
        let last = self.last.replace((by, topic.clone(), now));
        let is_alone = last.is_none_or(|(token, name, at)| {
            token == by || name != *topic || now.duration_since(at) > LATELY
        });
        if is_alone || self.find(topic, from, now).is_some() {
            return;
        }
        let mut strip = Strip::default();
        events
            .frames()
            .for_each(|(seq, frame)| strip.push(seq, frame));
        strip.seal();
        self.bytes += strip.footprint();
        self.reads.push_back(Read {
            topic: topic.clone(),
            from,
            strip,
            at: now,
        });
        while self.bytes > LATELY_BYTES_MAX
            && let Some(oldest) = self.reads.pop_front()
        {
            self.bytes -= oldest.strip.footprint();
        }
    }

    /// What follows a place in a topic, if somebody has just read it.
    pub(crate) fn find(&mut self, topic: &TopicName, after: Seq, now: Instant) -> Option<&Strip> {
        let is_old = |read: &Read| now.duration_since(read.at) > LATELY;
        while self.reads.front().is_some_and(is_old)
            && let Some(oldest) = self.reads.pop_front()
        {
            self.bytes -= oldest.strip.footprint();
        }
        let mut reads = self.reads.iter();
        let read = reads
            .find(|read| read.from <= after && after < read.strip.last() && read.topic == *topic);
        read.map(|read| &read.strip)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use fanfare_hub::event::Kind;
    use fanfare_hub::{Event, Timestamp};

    use super::*;
    use crate::table::Table;

    fn events(seqs: std::ops::RangeInclusive<u64>) -> Events {
        let event = |seq| {
            Arc::new(Event {
                seq: Seq(seq),
                time: Timestamp(0),
                topic: TopicName::parse("a").unwrap(),
                kind: Kind::Published,
                frame: Bytes::from(vec![b'.'; 1_000]),
            })
        };
        Events::from(seqs.map(event).collect::<Vec<_>>())
    }

    #[test]
    fn what_two_have_read_is_there_for_a_third_for_a_while() {
        let (mut lately, now) = (Lately::default(), Instant::now());
        let [a, b] = ["a", "b"].map(|name| TopicName::parse(name).unwrap());
        let mut table = Table::new();
        let [one, other] = [(); 2].map(|()| table.insert(|_| ()));
        lately.note(one, &a, Seq(0), &events(1..=9), now);
        lately.note(one, &a, Seq(9), &events(10..=19), now);
        assert!(lately.find(&a, Seq(0), now).is_none(), "one is alone");
        lately.note(other, &a, Seq(0), &events(1..=9), now);
        for after in 0..9 {
            let strip = lately.find(&a, Seq(after), now).unwrap();
            assert_eq!(strip.count_after(Seq(after)) as u64, 9 - after);
        }
        assert!(lately.find(&a, Seq(9), now).is_none());
        assert!(lately.find(&b, Seq(0), now).is_none());
        let later = now + LATELY + Duration::from_millis(1);
        assert!(lately.find(&a, Seq(0), later).is_none());
        assert_eq!(lately.bytes, 0);
    }

    #[test]
    fn it_takes_no_more_memory_than_it_may() {
        let (mut lately, now) = (Lately::default(), Instant::now());
        let a = TopicName::parse("a").unwrap();
        let mut table = Table::new();
        let tokens = [(); 2].map(|()| table.insert(|_| ()));
        for nth in 0..100 {
            let (by, from) = (tokens[nth as usize % 2], Seq(nth * 100));
            lately.note(by, &a, from, &events(from.0 + 1..=from.0 + 100), now);
            assert!(lately.bytes <= LATELY_BYTES_MAX);
        }
        assert!(lately.find(&a, Seq(9_900), now).is_some());
        assert!(lately.find(&a, Seq(100), now).is_none());
    }
}
