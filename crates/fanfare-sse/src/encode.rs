//! Writes blocks and comments of `text/event-stream`. Lines end in LF, and every line begins with
//! an ASCII field name or a colon, so that no output can begin with a byte order mark.

use std::{error, fmt};

use memchr::memchr2;

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
    out.reserve(encoded_len(block));
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
        each_line(data.as_bytes(), |text| line("data:", text, out));
    }
    out.push(b'\n');
    Ok(())
}

/// How many bytes [`encode`] appends for the block, so that a buffer of its own is allocated once
/// and has no room to spare.
#[must_use]
pub fn encoded_len(block: &Block<'_>) -> usize {
    let field =
        |name: &str, value: Option<&str>| value.map_or(0, |text| line_len(name, text.len()));
    let retry = block.retry.map_or(0, |retry| {
        let digits = retry.checked_ilog10().unwrap_or(0) as usize + 1;
        line_len("retry:", digits)
    });
    let data = block.data.map_or(0, |data| {
        let mut bytes = 0;
        each_line(data.as_bytes(), |text| {
            bytes += line_len("data:", text.len())
        });
        bytes
    });
    field("id:", block.id) + field("event:", block.event) + retry + data + 1
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

/// Bytes of a line with its break, and with the space before a value that is not empty.
fn line_len(name: &str, value_len: usize) -> usize {
    name.len() + usize::from(value_len > 0) + value_len + 1
}

fn each_line(mut rest: &[u8], mut take: impl FnMut(&[u8])) {
    while let Some(end) = memchr2(b'\r', b'\n', rest) {
        let (text, tail) = rest.split_at(end);
        take(text);
        rest = tail
            .strip_prefix(b"\r\n")
            .unwrap_or_else(|| tail.split_at(1).1);
    }
    take(rest);
}
