//! Bodies of several events: `text/event-stream` and NDJSON, in whatever pieces they come.

use fanfare_hub::limits::EVENT_TYPE_BYTES_MAX;
use fanfare_hub::{EventType, Limits, NewEvent};
use fanfare_sse::{Decoded, Decoder};
use http::StatusCode;

use crate::problem::Problem;
use crate::query::PublishQuery;

/// How the events of a body are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// Not at all: the body is the data of one event.
    Verbatim,
    /// Blocks of an event stream.
    EventStream,
    /// Lines.
    Ndjson,
}

impl Media {
    /// The medium of a content type without parameters.
    pub(crate) fn of(content_type: &str) -> Self {
        let is = |name: &str| content_type.eq_ignore_ascii_case(name);
        if is("text/event-stream") {
            Self::EventStream
        } else if is("application/x-ndjson") || is("application/ndjson") {
            Self::Ndjson
        } else {
            Self::Verbatim
        }
    }
}

/// Takes in a body piece by piece and gives out its events.
pub(crate) struct Ingest {
    defaults: PublishQuery,
    event_bytes_max: usize,
    parser: Parser,
}

enum Parser {
    EventStream(Box<Decoder>),
    /// The line that is not ended yet; never longer than an event may be.
    Ndjson(Vec<u8>),
}

impl Ingest {
    /// For a medium of several events; `Verbatim` has nothing to take apart and reads as lines.
    pub(crate) fn new(media: Media, defaults: PublishQuery, limits: &Limits) -> Self {
        let event_bytes_max = limits.event_bytes_max;
        // The decoder counts the event type too; the hub looks at the data alone later.
        let block_bytes_max = event_bytes_max + EVENT_TYPE_BYTES_MAX;
        let decoder = || Decoder::with_max_event_bytes(block_bytes_max).without_comments();
        let parser = match media {
            Media::EventStream => Parser::EventStream(Box::new(decoder())),
            Media::Ndjson | Media::Verbatim => Parser::Ndjson(Vec::new()),
        };
        Self {
            defaults,
            event_bytes_max,
            parser,
        }
    }

    /// Takes the next piece. What it completes is added to `events`; on an error, what came before
    /// the trouble was added.
    pub(crate) fn feed(&mut self, piece: &[u8], events: &mut Vec<NewEvent>) -> Result<(), Problem> {
        match &mut self.parser {
            Parser::EventStream(decoder) => {
                let mut result = Ok(());
                decoder.feed(piece, |decoded| {
                    if result.is_ok() {
                        result = block(&decoded, &self.defaults, events);
                    }
                });
                result
            }
            Parser::Ndjson(open_line) => {
                let mut rest = piece;
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    extend(open_line, &rest[..end], self.event_bytes_max)?;
                    line(std::mem::take(open_line), &self.defaults, events)?;
                    rest = &rest[end + 1..];
                }
                extend(open_line, rest, self.event_bytes_max)
            }
        }
    }

    /// Ends the body. Unlike a stream that broke off, a body that ends has framing which says so;
    /// hence its last block or line counts without the empty line or the line end.
    pub(crate) fn finish(&mut self, events: &mut Vec<NewEvent>) -> Result<(), Problem> {
        self.feed(b"\n\n", events)
    }
}

fn block(
    decoded: &Decoded<'_>,
    defaults: &PublishQuery,
    events: &mut Vec<NewEvent>,
) -> Result<(), Problem> {
    match decoded {
        Decoded::Event(event) if event.is_lossy => {
            Err(Problem::bad("bad_body", "a block of the body is not UTF-8"))
        }
        Decoded::Event(event) => {
            let event_type = match event.event {
                "message" => defaults.event_type.clone(),
                own => Some(EventType::parse(own)?),
            };
            let retry = event.retry.or(defaults.retry);
            events.push(NewEvent {
                event_type,
                data: event.data.to_owned(),
                retry,
            });
            Ok(())
        }
        Decoded::TooLarge {
            max_event_bytes, ..
        } => Err(too_large(*max_event_bytes)),
        _ => Ok(()),
    }
}

fn line(
    mut line: Vec<u8>,
    defaults: &PublishQuery,
    events: &mut Vec<NewEvent>,
) -> Result<(), Problem> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if !line.is_empty() {
        events.push(verbatim(line, defaults)?);
    }
    Ok(())
}

fn extend(open_line: &mut Vec<u8>, piece: &[u8], max: usize) -> Result<(), Problem> {
    if open_line.len() + piece.len() > max {
        return Err(too_large(max));
    }
    open_line.extend_from_slice(piece);
    Ok(())
}

/// The event whose data is exactly these bytes.
pub(crate) fn verbatim(bytes: Vec<u8>, defaults: &PublishQuery) -> Result<NewEvent, Problem> {
    let data = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let detail = format!("the data is not UTF-8 (from byte {place}): send text, or base64");
        Problem::bad("bad_body", detail)
    })?;
    let event_type = defaults.event_type.clone();
    Ok(NewEvent {
        event_type,
        data,
        retry: defaults.retry,
    })
}

fn too_large(max: usize) -> Problem {
    let detail =
        format!("an event has more than {max} bytes: send a link to large content instead");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "event_too_large", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingest(media: Media, body: &[u8], piece_bytes: usize) -> Result<Vec<NewEvent>, Problem> {
        let limits = Limits {
            event_bytes_max: 10,
            ..Limits::default()
        };
        let defaults = PublishQuery {
            retry: Some(7),
            ..PublishQuery::default()
        };
        let mut ingest = Ingest::new(media, defaults, &limits);
        let mut events = Vec::new();
        for piece in body.chunks(piece_bytes) {
            ingest.feed(piece, &mut events)?;
        }
        ingest.finish(&mut events)?;
        Ok(events)
    }

    #[test]
    fn a_body_gives_the_same_events_in_whatever_pieces_it_comes() {
        let blocks =
            b"event: a\nid: x\nretry: 5\ndata: one\ndata: two\n\n:c\n\ndata:\n\ndata: open";
        let lines = b"{\"n\":1}\r\n\n two \nopen";
        for piece_bytes in [1, 2, 7, 1_000] {
            let events = ingest(Media::EventStream, blocks, piece_bytes).unwrap();
            let typed = NewEvent::new("one\ntwo").event_type("a").unwrap();
            let with_retry = |event: NewEvent, retry| NewEvent {
                retry: Some(retry),
                ..event
            };
            assert_eq!(
                events,
                [
                    with_retry(typed, 5),
                    with_retry(NewEvent::new(""), 7),
                    with_retry(NewEvent::new("open"), 7),
                ]
            );
            let events = ingest(Media::Ndjson, lines, piece_bytes).unwrap();
            let data: Vec<_> = events.iter().map(|event| event.data.as_str()).collect();
            assert_eq!(data, ["{\"n\":1}", " two ", "open"]);
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let long_block = [&b"data: "[..], &[b'x'; 10 + EVENT_TYPE_BYTES_MAX + 1]].concat();
        for (media, body, code) in [
            (Media::EventStream, &b"data: \xff\n\n"[..], "bad_body"),
            (
                Media::EventStream,
                b"event: fanfare.end\ndata: x\n\n",
                "bad_event_type",
            ),
            (
                Media::EventStream,
                b"event: a\0b\ndata: x\n\n",
                "bad_event_type",
            ),
            (Media::EventStream, &long_block, "event_too_large"),
            (Media::Ndjson, b"\xff\n", "bad_body"),
            (Media::Ndjson, b"12345678901\n", "event_too_large"),
            (Media::Ndjson, b"12345678901", "event_too_large"),
        ] {
            let problem = ingest(media, body, 3).unwrap_err();
            assert_eq!(problem.code(), code, "{body:?}");
        }
    }
}
