//! Fanfare's log through its public face, as the other targets are driven.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result, anyhow};
use fanfare_hub::event::Kind;
use fanfare_hub::log::Pending;
use fanfare_hub::{
    AppendError, Batch, Durability, Log, NewEvent, Receipt, Retention, RetentionRules, Timestamp,
    TopicName,
};
use fanfare_log::{DiskLog, Options};

use crate::in_flight::Appends;
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
}

impl Fanfare {
    /// Topics and texts take turns.
    pub fn new(log: DiskLog, topics: &[String], texts: &[String]) -> Result<Self> {
        let topics = topics.iter().map(|name| Ok(TopicName::parse(name)?));
        Ok(Self {
            log,
            topics: topics.collect::<Result<_>>()?,
            events: texts
                .iter()
                .map(|text| NewEvent::new(text.as_str()))
                .collect(),
            topic_of: Box::new(|number| usize::try_from(number).unwrap_or_default()),
            time: Timestamp(now_ms()),
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
    type Append = Answer;

    fn append(&mut self, number: u64) -> Answer {
        if number % CLOCK_EVERY == 0 {
            self.time = Timestamp(now_ms());
        }
        let topic = (self.topic_of)(number) % self.topics.len();
        let event = &self.events[number as usize % self.events.len()];
        Answer(self.log.append(Batch {
            topic: self.topics[topic].clone(),
            events: vec![(event.encode(), Kind::Published)],
            idempotency: None,
            time: self.time,
        }))
    }
}

/// Resolves when the event is durable.
pub struct Answer(Pending<Result<Receipt, AppendError>>);

impl Future for Answer {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Result<()>> {
        let answer = self.0.as_mut().poll(ctx);
        answer.map(|answer| answer.map(drop).map_err(|error| anyhow!(error)))
    }
}
