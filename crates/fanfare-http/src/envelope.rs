//! Events as JSON: the form of NDJSON lines, WebSocket frames and pages of history.

use bytes::Bytes;
use fanfare_hub::{Epoch, Event, EventId, Gap, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

/// The event type that opens a stream of envelopes and carries its starting position.
const OPEN_TYPE: &str = "fanfare.open";
/// The event type that tells a gap.
pub(crate) const GAP_TYPE: &str = "fanfare.gap";

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

/// The line of an event, made once however many read it.
pub(crate) fn event_line(event: &Event, epoch: Epoch) -> &Bytes {
    event.rendition(|event| {
        let fields = event.fields();
        Envelope {
            id: event.id(epoch).to_string(),
            topic: event.topic.as_str(),
            event: &fields.event_type,
            data: &fields.data,
            time: event.time.0,
        }
        .line()
    })
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
