//! What a subscriber receives: events, gaps and the ups and downs of its stream.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::loss::Loss;

/// One event as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The position after this event, to resume from; empty when the server gave none yet.
    pub id: String,
    /// The event type, `message` when the publisher gave none.
    pub event_type: String,
    /// The data.
    pub data: String,
    /// The topic; only envelopes carry it.
    pub topic: Option<String>,
    /// When the hub accepted the event; only envelopes carry it.
    pub time: Option<SystemTime>,
}

impl Event {
    /// An event as a plain stream carries it: without topic and time.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        event_type: impl Into<String>,
        data: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            event_type: event_type.into(),
            data: data.into(),
            topic: None,
            time: None,
        }
    }
}

/// Events that were asked for are gone: what the application holds must be fetched anew.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Gap {
    /// Why: `trimmed`, `epoch`, `unknown`, `malformed`, `future` or `slow`.
    pub reason: String,
    /// The position that was asked for.
    pub asked: String,
    /// The oldest position that can still be read.
    pub oldest: String,
}

/// One thing that a subscriber reports.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Update {
    /// A stream is open; after a loss, it goes on where the last one broke.
    Opened,
    /// An event.
    Event(Event),
    /// Events are missing before the next one.
    Gap(Gap, Event),
    /// A topic ended: nothing will be published to it any more.
    End(Event),
    /// The credential that opened the stream is worth nothing any more; the stream ends, and the
    /// next try asks for another one.
    Lapsed(Event),
    /// A comment, of those who asked for them.
    Comment(String),
    /// An event was dropped for being larger than so many bytes.
    TooLarge(usize),
    /// The stream is lost, and the next try starts by itself.
    Waiting {
        /// Until the next try.
        wait: Duration,
        /// What was lost.
        why: Loss,
    },
}

impl Update {
    /// Tells the hub's own events from those of publishers.
    pub(crate) fn of(event: Event) -> Self {
        match event.event_type.as_str() {
            "fanfare.gap" => {
                let gap = serde_json::from_str(&event.data).unwrap_or_default();
                Self::Gap(gap, event)
            }
            "fanfare.end" => Self::End(event),
            "fanfare.lapse" => Self::Lapsed(event),
            _ => Self::Event(event),
        }
    }

    /// The event that this update is or comes from.
    #[must_use]
    pub fn event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) | Self::Gap(_, event) | Self::End(event) | Self::Lapsed(event) => {
                Some(event)
            }
            Self::Opened | Self::Comment(_) | Self::TooLarge(_) | Self::Waiting { .. } => None,
        }
    }
}
