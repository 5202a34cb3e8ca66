//! What the tests do to a log: publish to several topics, retry, end, forget, read.

use fanfare_hub::{AppendError, IdempotencyKey, Log, Seq, Start};
use fanfare_log::DiskLog;
use fastrand::Rng;

use super::ask::{NOW, locate, read_from, select, topic};
use super::model::{Attempt, Forget, Model, Outcome, TOPICS, name};
use crate::wait::wait;

/// Somebody who works with a log and notes what happens.
pub(crate) struct Work<'a> {
    pub(crate) log: &'a DiskLog,
    pub(crate) model: &'a mut Model,
    pub(crate) rng: &'a mut Rng,
    /// Everything up to here was read.
    read: Seq,
}

/// Whether the log still takes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Fine,
    /// A publish or the like was not stored because of the disk.
    Failing,
}

impl<'a> Work<'a> {
    pub(crate) fn new(log: &'a DiskLog, model: &'a mut Model, rng: &'a mut Rng) -> Self {
        let read = log.last();
        Self {
            log,
            model,
            rng,
            read,
        }
    }

    /// Does something by chance.
    pub(crate) fn step(&mut self) -> Result<Health, String> {
        match self.rng.u8(..20) {
            0 => self.forget(),
            1 => {
                let topic = self.rng.usize(..TOPICS);
                let number = self.attempt(topic, 1, true);
                self.publish(&[number])
            }
            2 | 3 => self.retry(),
            4 => {
                self.log.trim(NOW);
                Ok(Health::Fine)
            }
            5 | 6 => self.read(),
            _ => self.burst(),
        }
    }

    /// Makes up a batch.
    pub(crate) fn attempt(&mut self, topic: usize, events: usize, ends: bool) -> usize {
        let number = self.model.attempts.len();
        let texts = (0..events).map(|part| {
            // Mostly small, now and then large enough to cross pages.
            let len = match self.rng.u8(..8) {
                0 => self.rng.usize(1_000..5_000),
                _ => self.rng.usize(..300),
            };
            format!("{number}.{part} {}", "x".repeat(len))
        });
        let texts = texts.collect();
        let key = self.rng.bool().then(|| IdempotencyKey {
            key: format!("key-{number}"),
            part: 0,
            fingerprint: [7; 32],
        });
        self.model.attempts.push(Attempt {
            topic,
            texts,
            ends,
            key,
            outcome: Outcome::Refused,
        });
        number
    }

    /// Publishes some batches at the same time.
    fn burst(&mut self) -> Result<Health, String> {
        let count = self.rng.usize(1..=6);
        let numbers: Vec<usize> = (0..count)
            .map(|_| {
                let (topic, events) = (self.rng.usize(..TOPICS), self.rng.usize(1..=4));
                self.attempt(topic, events, false)
            })
            .collect();
        self.publish(&numbers)
    }

    /// Publishes some batches at the same time and notes the answers.
    pub(crate) fn publish(&mut self, numbers: &[usize]) -> Result<Health, String> {
        let mut health = Health::Fine;
        let sent: Vec<_> = numbers
            .iter()
            .map(|&number| {
                let attempt = &mut self.model.attempts[number];
                (number, attempt.sent(), self.log.append(attempt.batch()))
            })
            .collect();
        for (number, before, answer) in sent {
            let answer = wait(answer);
            self.model.attempts[number].answered(before, &answer)?;
            match answer {
                Ok(receipt) => {
                    let epoch = *self.model.epoch.get_or_insert(receipt.id.epoch);
                    if epoch != receipt.id.epoch {
                        return Err(format!("the epoch was {epoch}: {receipt:?}"));
                    }
                }
                Err(AppendError::TopicEnded) => {
                    let topic = self.model.attempts[number].topic;
                    if self.model.is_ended(topic) == Some(false) {
                        return Err(format!("{} is told to have ended", name(topic)));
                    }
                }
                Err(AppendError::Unavailable(_) | AppendError::Uncertain(_)) => {
                    health = Health::Failing;
                }
                Err(other) => return Err(format!("{other}")),
            }
        }
        Ok(health)
    }

    /// Sends a batch with a key once more.
    fn retry(&mut self) -> Result<Health, String> {
        let keyed = self.model.attempts.iter().enumerate();
        let keyed = keyed.filter(|(_, attempt)| attempt.key.is_some());
        let keyed: Vec<usize> = keyed.map(|(number, _)| number).collect();
        match self.rng.choice(keyed) {
            Some(number) => self.publish(&[number]),
            None => Ok(Health::Fine),
        }
    }

    fn forget(&mut self) -> Result<Health, String> {
        let number = self.rng.usize(..TOPICS);
        let mut forget = Forget {
            topic: number,
            through: self.model.last(),
            is_sure: false,
        };
        match wait(self.log.forget(&topic(&name(number)))) {
            Ok(_) => forget.is_sure = true,
            Err(AppendError::Unavailable(_)) => return Ok(Health::Failing),
            Err(AppendError::Uncertain(reason)) if !reason.contains("writer stopped") => {}
            Err(other) => return Err(format!("forgetting: {other}")),
        }
        self.model.forgets.push(forget);
        match forget.is_sure {
            true => Ok(Health::Fine),
            false => Ok(Health::Failing),
        }
    }

    /// Reads what came since the last time.
    fn read(&mut self) -> Result<Health, String> {
        let id = fanfare_hub::EventId {
            epoch: self.log.epoch(),
            seq: self.read,
        };
        let selection = select("**");
        let start = Start::Resume(fanfare_hub::Resume::After(id));
        let located = locate(self.log, &selection, &start);
        let events = match read_from(self.log, &selection, &located) {
            // Retention is at work meanwhile, and says so.
            Err(error) if error.contains("Overtaken") => Vec::new(),
            events => events?,
        };
        self.model.all_seen(&events, self.log.epoch())?;
        let newest = events.last().map(|event| event.seq);
        self.read = newest.unwrap_or_else(|| self.log.last());
        Ok(Health::Fine)
    }
}
