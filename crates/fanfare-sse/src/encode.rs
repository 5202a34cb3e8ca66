//! Writes blocks and comments of `text/event-stream`. Lines end in LF, and every line begins with
//! an ASCII field name or a colon, so that no output can begin with a byte order mark.

use std::{error, fmt};

use memchr::memchr2;

/// Room for names, id and event type, so that a block of its own is allocated once.
const USUAL_FIELD_BYTES: usize = 80;

/// One block to encode; what is `None` is not written.
///
/// A block without `data` fires no event at the reader, but its `id` counts (an id-only block moves
/// the position) and its `retry` applies.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// The `id:` field; the empty string makes the reader forget its last event id.
    pub id: Option<&'a str>,
    /// The `event:` field, the event type; the empty string is the same as `None` to a reader.
    pub event: Option<&'a str>,
    /// The `retry:` field: the reconnection time in milliseconds.
    pub retry: Option<u64>,
    /// The data, one `data:` line for each of its lines; `Some("")` is an event with empty data.
    pub data: Option<&'a str>,
}

/// Why a block or comment cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// A field that must be one plain line holds a control character.
    ControlCharacter {
        /// The character that was found.
        character: char,
        /// Its byte offset in the value.
        at: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlCharacter { character, at } => {
                write!(f, "control character {character:?} at byte {at}")
            }
        }
    }
}

impl error::Error for EncodeError {}

/// Appends the block to `out`: `id`, `event`, `retry`, the `data` lines, a blank line.
///
/// Data is split at CR, LF and CRLF, each of which a reader gets back as LF. A space follows the
/// colon of every value that is not empty: the one byte keeps a leading space of the value alive,
/// and keeps readers working that wrongly demand it.
///
/// # Errors
///
/// An `id` or `event` that [`check_field`] refuses; `out` is as it was before.
pub fn encode(block: &Block<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    block.id.map_or(Ok(()), check_field)?;
    block.event.map_or(Ok(()), check_field)?;
    // Enough for one line of data and fields of usual length; more grows the buffer as it comes.
    out.reserve(USUAL_FIELD_BYTES + block.data.map_or(0, str::len));
    let retry = block.retry.map(|retry| retry.to_string());
    for (name, value) in [
        ("id:", block.id),
        ("event:", block.event),
        ("retry:", retry.as_deref()),
    ] {
        if let Some(value) = value {
            line(name, value.as_bytes(), out);
        }
    }
    if let Some(data) = block.data {
        data_lines(data.as_bytes(), out);
    }
    out.push(b'\n');
    Ok(())
}

/// Appends a comment and a blank line to `out`; readers ignore it, proxies see a living stream.
///
/// To be written between blocks: the blank line would end an open one.
///
/// # Errors
///
/// A control character in `text`; `out` is as it was before.
pub fn encode_comment(text: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    check_field(text)?;
    line(":", text.as_bytes(), out);
    out.push(b'\n');
    Ok(())
}

/// Checks the rule for event types and ids: no control character (Unicode category Cc).
///
/// CR and LF would start another field, NUL makes readers drop an id, and an id with any of them
/// cannot travel back in a `Last-Event-ID` header.
///
/// # Errors
///
/// The first control character and where it stands.
pub fn check_field(value: &str) -> Result<(), EncodeError> {
    let mut characters = value.char_indices();
    match characters.find(|(_, character)| character.is_control()) {
        None => Ok(()),
        Some((at, character)) => Err(EncodeError::ControlCharacter { character, at }),
    }
}

fn line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    if !value.is_empty() {
        out.push(b' ');
        out.extend_from_slice(value);
    }
    out.push(b'\n');
}

fn data_lines(mut rest: &[u8], out: &mut Vec<u8>) {
    while let Some(end) = memchr2(b'\r', b'\n', rest) {
        let (text, tail) = rest.split_at(end);
        line("data:", text, out);
        rest = tail
            .strip_prefix(b"\r\n")
            .unwrap_or_else(|| tail.split_at(1).1);
    }
    line("data:", rest, out);
}
