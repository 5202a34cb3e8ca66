//! Events as JSON: the form of NDJSON lines, WebSocket frames and pages of history.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fanfare_auth::Lapse;
use fanfare_hub::{Epoch, Event, EventId, Gap, Seq, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

/// The event type that opens a stream of envelopes and carries its starting position.
const OPEN_TYPE: &str = "fanfare.open";
/// The event type that tells a gap.
pub(crate) const GAP_TYPE: &str = "fanfare.gap";

/// The event type that tells why a stream ends whose credential is worth nothing any more.
pub(crate) const LAPSE_TYPE: &str = "fanfare.lapse";

/// One event. `time` is in milliseconds since the Unix epoch.
#[derive(Serialize)]
struct Envelope<'a> {
    id: String,
    topic: &'a str,
    event: &'a str,
    data: &'a str,
    time: u64,
}

impl Envelope<'_> {
    fn line(&self) -> Bytes {
        // A struct of texts and a number: there is nothing that JSON could not hold.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }
}

/// The lines of the newest events that somebody has read as JSON, so that they are made once
/// however many read them live. Bounded by itself, for JSON may be much longer than the event.
pub(crate) struct Envelopes {
    kept: Mutex<Kept>,
    bytes_max: usize,
}

#[derive(Default)]
struct Kept {
    lines: BTreeMap<Seq, Bytes>,
    bytes: usize,
}

impl Envelopes {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let kept = Mutex::default();
        Self { kept, bytes_max }
    }

    /// The line of an event.
    pub(crate) fn line(&self, event: &Event, epoch: Epoch) -> Bytes {
        if let Some(line) = self.lock().lines.get(&event.seq) {
            return line.clone();
        }
        // Outside the lock: two may make the same line, nobody waits for one.
        let line = event_line(event, epoch);
        self.lock().keep(event.seq, line.clone(), self.bytes_max);
        line
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Lines are added and removed whole; a panic elsewhere leaves them usable.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Keeps a line, unless it is older than all that there is room for.
    fn keep(&mut self, seq: Seq, line: Bytes, bytes_max: usize) {
        self.bytes += line.len();
        if let Some(same) = self.lines.insert(seq, line) {
            self.bytes -= same.len();
        }
        while self.bytes > bytes_max {
            let Some((_, oldest)) = self.lines.pop_first() else {
                return;
            };
            self.bytes -= oldest.len();
        }
    }
}

fn event_line(event: &Event, epoch: Epoch) -> Bytes {
    let fields = event.fields();
    Envelope {
        id: event.id(epoch).to_string(),
        topic: event.topic.as_str(),
        event: &fields.event_type,
        data: &fields.data,
        time: event.time.0,
    }
    .line()
}

/// The line that opens a stream.
pub(crate) fn open_line(position: EventId, now: Timestamp) -> Bytes {
    own_line(position, OPEN_TYPE, "", now)
}

/// The line that tells a gap.
pub(crate) fn gap_line(gap: &Gap, now: Timestamp) -> Bytes {
    own_line(gap.resumes_after, GAP_TYPE, &gap_json(gap).to_string(), now)
}

/// What a gap tells.
pub(crate) fn gap_json(gap: &Gap) -> Value {
    json!({
        "reason": gap.reason.as_str(),
        "asked": gap.asked,
        "oldest": gap.oldest.to_string(),
    })
}

/// The line that tells why a stream ends.
pub(crate) fn lapse_line(position: EventId, lapse: Lapse, now: Timestamp) -> Bytes {
    own_line(position, LAPSE_TYPE, &lapse_json(lapse).to_string(), now)
}

/// What a lapse tells.
pub(crate) fn lapse_json(lapse: Lapse) -> Value {
    json!({ "reason": lapse.as_str() })
}

fn own_line(id: EventId, event: &str, data: &str, now: Timestamp) -> Bytes {
    let id = id.to_string();
    Envelope {
        id,
        topic: "",
        event,
        data,
        time: now.0,
    }
    .line()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_within_their_bound() {
        let mut kept = Kept::default();
        let line = Bytes::from_static(b"0123456789");
        for seq in [3, 4, 5, 4, 1] {
            kept.keep(Seq(seq), line.clone(), 25);
            let bytes: usize = kept.lines.values().map(Bytes::len).sum();
            assert_eq!(kept.bytes, bytes);
        }
        assert!(kept.lines.keys().eq([&Seq(4), &Seq(5)]));
        kept.keep(Seq(6), Bytes::from(vec![b'x'; 26]), 25);
        assert_eq!((kept.bytes, kept.lines.len()), (0, 0));
    }
}
