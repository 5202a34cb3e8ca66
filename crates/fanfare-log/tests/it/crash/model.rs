//! What a log was asked, what it answered, and hence what it has to hold.

use std::sync::Arc;

use fanfare_hub::event::{Encoded, Kind};
use fanfare_hub::{
    AppendError, Batch, Epoch, Event, EventId, IdempotencyKey, NewEvent, Receipt, Seq,
};

use super::ask::{NOW, topic};

/// Topics that are published to.
pub(crate) const TOPICS: usize = 6;

/// One batch that was published, perhaps several times.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) topic: usize,
    pub(crate) texts: Vec<String>,
    /// Whether the mark of the topic's end follows the texts.
    pub(crate) ends: bool,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) outcome: Outcome,
}

/// What is known of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It may be stored or not.
    Unknown,
    /// It is stored, and this is its first event.
    Stored(Seq),
    /// It is not stored and must never appear.
    Refused,
}

/// One topic that was forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forget {
    pub(crate) topic: usize,
    /// What was published up to here is gone.
    pub(crate) through: Seq,
    /// Whether it was answered.
    pub(crate) is_sure: bool,
}

/// Everything that happened to a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) forgets: Vec<Forget>,
    /// The epoch in which the first batch was acknowledged.
    pub(crate) epoch: Option<Epoch>,
}

/// The name of a topic by its number.
pub(crate) fn name(topic: usize) -> String {
    format!("t/{topic}")
}

impl Attempt {
    /// Events of it, the end included.
    pub(crate) fn len(&self) -> u64 {
        self.texts.len() as u64 + u64::from(self.ends)
    }

    pub(crate) fn batch(&self) -> Batch {
        let topic = topic(&name(self.topic));
        let texts = self.texts.iter();
        let texts = texts.map(|text| (NewEvent::new(text.as_str()).encode(), Kind::Published));
        let mut events: Vec<_> = texts.collect();
        if self.ends {
            events.push((Encoded::end_of(&topic), Kind::End));
        }
        Batch {
            topic,
            events,
            idempotency: self.key.clone(),
            time: NOW,
        }
    }

    /// Its seqs, once it is known to be stored.
    pub(crate) fn seqs(&self) -> impl Iterator<Item = u64> + use<> {
        let first = match self.outcome {
            Outcome::Stored(first) => Some(first.0),
            _ => None,
        };
        let len = self.len();
        first.into_iter().flat_map(move |first| first..first + len)
    }

    /// Notes that it is on its way, and says what was known before.
    pub(crate) fn sent(&mut self) -> Outcome {
        let before = self.outcome;
        if before == Outcome::Refused {
            self.outcome = Outcome::Unknown;
        }
        before
    }

    /// Notes the answer to it.
    pub(crate) fn answered(
        &mut self,
        before: Outcome,
        answer: &Result<Receipt, AppendError>,
    ) -> Result<(), String> {
        match answer {
            Ok(receipt) if receipt.count == self.texts.len() as u64 => {
                self.stored(Seq(receipt.id.seq.0 + 1 - self.len()))
            }
            Ok(receipt) => Err(format!("{receipt:?} for {self:?}")),
            Err(AppendError::Uncertain(reason)) if reason.contains("writer stopped") => {
                Err("the writer panicked".to_owned())
            }
            Err(AppendError::Uncertain(_)) => Ok(()),
            // It says nothing of an earlier try.
            Err(_) => {
                self.outcome = before;
                Ok(())
            }
        }
    }

    /// Notes that its first event was seen at a place.
    pub(crate) fn stored(&mut self, first: Seq) -> Result<(), String> {
        match self.outcome {
            Outcome::Refused => Err(format!("refused, but stored at {}: {self:?}", first.0)),
            Outcome::Stored(known) if known != first => Err(format!(
                "stored twice, at {} and {}: {self:?}",
                known.0, first.0
            )),
            _ => {
                self.outcome = Outcome::Stored(first);
                Ok(())
            }
        }
    }
}

impl Model {
    /// Notes an event that was read.
    pub(crate) fn seen(&mut self, event: &Event, epoch: Epoch) -> Result<(), String> {
        let frame = &event.frame;
        if event.kind == Kind::End {
            let topic = &event.topic;
            let id = EventId {
                epoch,
                seq: event.seq,
            };
            let is_right = *frame == Encoded::end_of(topic).into_frame(id);
            return match is_right {
                true => Ok(()),
                false => Err(format!("{event:?} has another frame")),
            };
        }
        let text = String::from_utf8_lossy(frame);
        let id = format!("id: {epoch}-{}\ndata: ", event.seq.0);
        let parse = || {
            let (number, rest) = text.strip_prefix(&id)?.split_once('.')?;
            let (part, _) = rest.split_once(' ')?;
            Some((number.parse().ok()?, part.parse().ok()?))
        };
        let Some((number, part)): Option<(usize, usize)> = parse() else {
            return Err(format!("a frame that nobody published: {text:.80}"));
        };
        let Some(attempt) = self.attempts.get_mut(number) else {
            return Err(format!("{event:?} was never published"));
        };
        let expected = attempt
            .texts
            .get(part)
            .map(|data| format!("{id}{data}\n\n"));
        if expected.as_deref() != Some(&*text) || event.topic.as_str() != name(attempt.topic) {
            return Err(format!("{event:?} is not what was published: {text:.80}"));
        }
        attempt.stored(Seq(event.seq.0.saturating_sub(part as u64)))
    }

    pub(crate) fn all_seen(&mut self, events: &[Arc<Event>], epoch: Epoch) -> Result<(), String> {
        events.iter().try_for_each(|event| self.seen(event, epoch))
    }

    /// What was not found after a restart must never appear.
    pub(crate) fn settle(&mut self) {
        for attempt in &mut self.attempts {
            if attempt.outcome == Outcome::Unknown {
                attempt.outcome = Outcome::Refused;
            }
        }
    }

    /// The newest event that is known to be stored.
    pub(crate) fn last(&self) -> Seq {
        let seqs = self
            .attempts
            .iter()
            .filter_map(|attempt| attempt.seqs().last());
        Seq(seqs.max().unwrap_or(0))
    }

    /// Whether an event of the topic is gone because the topic was forgotten; `None` when that is
    /// not known.
    pub(crate) fn is_forgotten(&self, topic: usize, seq: u64) -> Option<bool> {
        let mut forgets = self.forgets.iter();
        let hits = |forget: &&Forget| forget.topic == topic && forget.through.0 >= seq;
        match forgets.clone().filter(hits).any(|forget| forget.is_sure) {
            true => Some(true),
            false => match forgets.any(|forget| hits(&forget)) {
                true => None,
                false => Some(false),
            },
        }
    }

    /// Whether a topic has ended; `None` when that is not known.
    pub(crate) fn is_ended(&self, topic: usize) -> Option<bool> {
        let own = self
            .attempts
            .iter()
            .filter(|attempt| attempt.topic == topic && attempt.ends);
        let end = own.filter_map(|attempt| attempt.seqs().last()).max();
        match end {
            None => Some(false),
            Some(end) => self
                .is_forgotten(topic, end)
                .map(|is_forgotten| !is_forgotten),
        }
    }
}
