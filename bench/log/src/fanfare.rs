//! Fanfare's log through its public face, as the other targets are driven.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use fanfare_hub::event::Kind;
use fanfare_hub::{
    AnswerTo, Answers, AppendError, Batch, Durability, Log, NewEvent, Receipt, Retention,
    RetentionRules, Timestamp, TopicName,
};
use fanfare_log::{DiskLog, Options};

use crate::in_flight::{Appends, Inbox};
use crate::payload::{Payloads, now_ms};

/// Events between two looks at the clock; a thousandth of a second at full rate.
const CLOCK_EVERY: u64 = 1_024;

/// Opens a log.
pub fn open(folder: &Path, durability: Durability, retention: RetentionRules) -> Result<DiskLog> {
    let options = Options {
        durability,
        retention,
        ..Options::default()
    };
    DiskLog::open(folder, options).with_context(|| format!("cannot open {}", folder.display()))
}

/// Retention that never trims.
pub fn keep_everything() -> RetentionRules {
    RetentionRules {
        hub: Retention::UNBOUNDED,
        ..RetentionRules::default()
    }
}

/// A log and the events that are appended to it.
pub struct Fanfare {
    log: DiskLog,
    topics: Vec<TopicName>,
    events: Vec<NewEvent>,
    topic_of: Box<dyn Fn(u64) -> usize>,
    time: Timestamp,
    inbox: Arc<Inbox>,
    taker: Arc<dyn Answers>,
}

impl Fanfare {
    /// Topics and texts take turns.
    pub fn new(log: DiskLog, topics: &[String], texts: &[String]) -> Result<Self> {
        let topics = topics.iter().map(|name| Ok(TopicName::parse(name)?));
        let inbox = Inbox::new();
        let taker = Arc::new(Taker {
            inbox: Arc::clone(&inbox),
            next: AtomicU64::new(0),
        });
        Ok(Self {
            log,
            topics: topics.collect::<Result<_>>()?,
            events: texts
                .iter()
                .map(|text| NewEvent::new(text.as_str()))
                .collect(),
            topic_of: Box::new(|number| usize::try_from(number).unwrap_or_default()),
            time: Timestamp(now_ms()),
            inbox,
            taker,
        })
    }

    /// The events that all targets get.
    pub fn with_payloads(log: DiskLog) -> Result<Self> {
        let payloads = Payloads::new();
        Self::new(log, &payloads.topics, &payloads.texts)
    }

    /// Chooses the topic of each event by its number.
    pub fn with_topics(mut self, topic_of: impl Fn(u64) -> usize + 'static) -> Self {
        self.topic_of = Box::new(topic_of);
        self
    }
}

impl Appends for Fanfare {
    fn append(&mut self, number: u64) {
        if number % CLOCK_EVERY == 0 {
            self.time = Timestamp(now_ms());
        }
        let topic = (self.topic_of)(number) % self.topics.len();
        let event = &self.events[number as usize % self.events.len()];
        let batch = Batch {
            topic: self.topics[topic].clone(),
            events: vec![(event.encode(), Kind::Published)],
            idempotency: None,
            time: self.time,
        };
        let to = Arc::clone(&self.taker);
        self.log.append_to(batch, AnswerTo { to, token: number });
    }

    fn inbox(&self) -> &Inbox {
        &self.inbox
    }
}

/// Takes the answers of the log, which come in order.
struct Taker {
    inbox: Arc<Inbox>,
    /// Whose turn it is.
    next: AtomicU64,
}

impl Answers for Taker {
    fn answer(&self, token: u64, result: Result<Receipt, AppendError>) {
        if let Err(error) = result {
            return self.inbox.fail(error.to_string());
        }
        // One thread of the log answers, so that nobody changes it meanwhile.
        if self.next.load(Ordering::Relaxed) != token {
            return self
                .inbox
                .fail(format!("append {token} was answered out of turn"));
        }
        self.next.store(token + 1, Ordering::Relaxed);
    }

    fn wake(&self) {
        self.inbox.set_answered(self.next.load(Ordering::Relaxed));
    }
}
