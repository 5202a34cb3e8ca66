//! The two forms of a stream, `text/event-stream` and envelopes as NDJSON, decoded into updates.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fanfare_sse::{Decoded, Decoder};
use serde::Deserialize;

use crate::event::{Event, Update};
use crate::loss::Loss;

/// The media types that a subscriber understands.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
pub(crate) const ENVELOPES: &str = "application/x-ndjson";

/// What comes out of a piece of a stream.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// In the order of the stream.
    pub(crate) updates: VecDeque<Update>,
    /// The last `retry:`.
    pub(crate) retry: Option<Duration>,
}

/// Reads one stream in the form that its head announced.
#[derive(Debug)]
pub(crate) enum Reader {
    Blocks(Box<Decoder>),
    Lines(Lines),
}

/// Reads envelopes, one JSON object a line.
#[derive(Debug)]
pub(crate) struct Lines {
    /// A line that is not complete yet: at most `bytes_max`.
    unfinished: Vec<u8>,
    bytes_max: usize,
    /// Whether the rest of a line that was too long is being skipped.
    is_skipping: bool,
    last_event_id: String,
}

/// The envelope of an event, as the hub writes it.
#[derive(Deserialize)]
struct Envelope {
    id: String,
    topic: String,
    event: String,
    data: String,
    /// Milliseconds since the Unix epoch.
    time: u64,
}

impl Reader {
    /// A reader for a content type, or `None` when it is not a stream. `id` is where the stream
    /// was resumed: events without an id of their own carry it on.
    pub(crate) fn for_stream(
        content_type: &str,
        id: &str,
        bytes_max: usize,
        has_comments: bool,
    ) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(EVENT_STREAM) {
            let mut decoder = Decoder::with_max_event_bytes(bytes_max);
            if !has_comments {
                decoder = decoder.without_comments();
            }
            decoder.feed(format!("id: {id}\n\n").as_bytes(), |_| {});
            decoder.reset_keep_id();
            return Some(Self::Blocks(Box::new(decoder)));
        }
        let last_event_id = id.to_owned();
        let lines = Lines {
            unfinished: Vec::new(),
            bytes_max,
            is_skipping: false,
            last_event_id,
        };
        essence
            .eq_ignore_ascii_case(ENVELOPES)
            .then_some(Self::Lines(lines))
    }

    /// Where to resume: the position after all that was read.
    pub(crate) fn last_event_id(&self) -> &str {
        match self {
            Self::Blocks(decoder) => decoder.last_event_id(),
            Self::Lines(lines) => &lines.last_event_id,
        }
    }

    /// Reads the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Output) -> Result<(), Loss> {
        match self {
            Self::Blocks(decoder) => {
                decoder.feed(bytes, |decoded| out.take(decoded));
                Ok(())
            }
            Self::Lines(lines) => lines.feed(bytes, out),
        }
    }
}

impl Output {
    fn take(&mut self, decoded: Decoded<'_>) {
        match decoded {
            Decoded::Event(event) => {
                self.updates
                    .push_back(Update::of(Event::new(event.id, event.event, event.data)))
            }
            Decoded::Comment(text) => self.updates.push_back(Update::Comment(text.to_owned())),
            Decoded::Retry(ms) => self.retry = Some(Duration::from_millis(ms)),
            Decoded::TooLarge {
                max_event_bytes, ..
            } => {
                self.updates.push_back(Update::TooLarge(max_event_bytes));
            }
            _ => {}
        }
    }
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], out: &mut Output) -> Result<(), Loss> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.split_at(1).1;
            self.keep(line, out);
            let line = std::mem::take(&mut self.unfinished);
            if !std::mem::take(&mut self.is_skipping) {
                self.line(&line, out)?;
            }
        }
        self.keep(rest, out);
        Ok(())
    }

    /// Keeps a part of a line, or gives the line up once it is too long.
    fn keep(&mut self, part: &[u8], out: &mut Output) {
        if self.is_skipping {
            return;
        }
        if self.unfinished.len() + part.len() > self.bytes_max {
            self.is_skipping = true;
            self.unfinished = Vec::new();
            out.updates.push_back(Update::TooLarge(self.bytes_max));
            return;
        }
        self.unfinished.extend_from_slice(part);
    }

    /// One line: an empty one is a heartbeat.
    fn line(&mut self, line: &[u8], out: &mut Output) -> Result<(), Loss> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let envelope: Envelope =
            serde_json::from_slice(line).map_err(|source| Loss::Garbled(Arc::new(source)))?;
        self.last_event_id.clone_from(&envelope.id);
        if envelope.event == "fanfare.open" {
            return Ok(());
        }
        out.updates.push_back(Update::of(Event {
            id: envelope.id,
            event_type: envelope.event,
            data: envelope.data,
            topic: Some(envelope.topic),
            time: SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(envelope.time)),
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the wire in pieces of every size and answers the one result that all must give.
    fn read(content_type: &str, wire: &str) -> (Vec<String>, String) {
        let mut results = (1..=wire.len()).map(|size| {
            let mut reader = Reader::for_stream(content_type, "start", 100, false).unwrap();
            let mut out = Output::default();
            for piece in wire.as_bytes().chunks(size) {
                reader.feed(piece, &mut out).unwrap();
            }
            let texts = out.updates.iter().map(text).collect::<Vec<_>>();
            (texts, reader.last_event_id().to_owned())
        });
        let first = results.next().unwrap();
        assert!(results.all(|other| other == first), "pieces change nothing");
        first
    }

    fn text(update: &Update) -> String {
        match update {
            Update::Event(it) => {
                let topic = it.topic.as_deref().unwrap_or("-");
                format!("{topic} {} {} {}", it.id, it.event_type, it.data)
            }
            Update::Gap(gap, _) => format!("gap {} {} {}", gap.reason, gap.asked, gap.oldest),
            Update::End(it) => format!("end {}", it.data),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_event_stream_becomes_updates() {
        let (updates, id) = read(
            "Text/Event-Stream; charset=utf-8",
            "\u{feff}retry: 2000\nid: e-1\n\ndata: a\n\n: beat\n\nid: e-\u{2026}\nevent: x\ndata: b\n\n\
             event: fanfare.gap\ndata: {\"reason\":\"trimmed\",\"asked\":\"e-0\",\"oldest\":\"e-9\"}\n\n\
             event: fanfare.end\ndata: {}\n\ndata: cut",
        );
        let want = [
            "- e-1 message a",
            "- e-\u{2026} x b",
            "gap trimmed e-0 e-9",
            "end {}",
        ];
        assert_eq!(
            (updates.as_slice(), id.as_str()),
            (want.map(String::from).as_slice(), "e-\u{2026}")
        );
    }

    #[test]
    fn the_id_that_was_resumed_from_is_carried_on() {
        assert_eq!(read(EVENT_STREAM, "data: a\n\n").0, ["- start message a"]);
    }

    #[test]
    fn envelopes_become_updates() {
        let line = |id: u8, event: &str, data: &str| {
            format!(r#"{{"id":"e-{id}","topic":"t","event":"{event}","data":"{data}","time":5}}"#)
                + "\n"
        };
        let wire = [
            line(1, "fanfare.open", ""),
            "\n\r\n".into(),
            line(2, "message", "a"),
            line(3, "fanfare.end", ""),
            line(4, "cut", "").trim_end().into(),
        ];
        let (updates, id) = read("application/x-ndjson", &wire.concat());
        assert_eq!(
            (updates.as_slice(), id.as_str()),
            (["t e-2 message a".into(), "end ".into()].as_slice(), "e-3")
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_said() {
        let good = r#"{"id":"e-2","topic":"t","event":"x","data":"","time":5}"#;
        let (updates, _) = read(ENVELOPES, &format!("{}\n{good}\n", "x".repeat(150)));
        assert_eq!(updates, ["TooLarge(100)", "t e-2 x "]);
    }

    #[test]
    fn a_line_that_is_no_envelope_loses_the_stream() {
        let mut reader = Reader::for_stream(ENVELOPES, "", 100, false).unwrap();
        let result = reader.feed(b"<html>\n", &mut Output::default());
        assert!(matches!(result, Err(Loss::Garbled(_))));
    }

    #[test]
    fn only_streams_are_read() {
        for content_type in ["", "text/event-streamX", "text/html", "application/json"] {
            assert!(
                Reader::for_stream(content_type, "", 100, false).is_none(),
                "{content_type}"
            );
        }
    }
}
