//! Where a line ends and which field it names.

use memchr::memchr2;

/// The fields of the specification, and the comment, which is a line that begins with a colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Data,
    Event,
    Id,
    Retry,
    Comment,
}

/// The longest known field name; a longer one is unknown before its end is seen.
pub(crate) const NAME_BYTES_MAX: usize = 5;

const NAMES: [(&[u8], Field); 4] = [
    (b"data", Field::Data),
    (b"event", Field::Event),
    (b"id", Field::Id),
    (b"retry", Field::Retry),
];

impl Field {
    /// Finds the field with exactly this name; an unknown name is `None`.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::Comment);
        }
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, field)| *field)
    }

    /// Tells whether more bytes could still make a known name out of these.
    pub(crate) fn may_begin_with(part: &[u8]) -> bool {
        NAMES.iter().any(|(known, _)| known.starts_with(part))
    }

    /// Splits a line that holds a known name and a colon, and strips one space from its value.
    pub(crate) fn split(line: &[u8]) -> Option<(Self, &[u8])> {
        let (field, value) = match line {
            [b'd', b'a', b't', b'a', b':', value @ ..] => (Self::Data, value),
            [b'i', b'd', b':', value @ ..] => (Self::Id, value),
            [b'e', b'v', b'e', b'n', b't', b':', value @ ..] => (Self::Event, value),
            [b':', value @ ..] => (Self::Comment, value),
            [b'r', b'e', b't', b'r', b'y', b':', value @ ..] => (Self::Retry, value),
            _ => return None,
        };
        Some((field, value.strip_prefix(b" ").unwrap_or(value)))
    }
}

/// Finds the first CR or LF.
///
/// Eight bytes at a time at first, because a call to `memchr` costs more than a short line, then
/// `memchr`, which is several times faster on a long one.
#[inline]
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    const SHORT_BYTES: usize = 32;
    let mut at = 0;
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        if at == SHORT_BYTES {
            return memchr2(b'\r', b'\n', rest).map(|end| at + end);
        }
        let found = breaks_in(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
        rest = tail;
    }
    rest.iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))
        .map(|end| at + end)
}

/// Sets the high bit of each byte that is CR or LF; bits above the first are not reliable.
#[inline]
fn breaks_in(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let zero_bytes = |x: u64| x.wrapping_sub(ONES) & !x;
    let (lf, cr) = (word ^ (ONES * b'\n' as u64), word ^ (ONES * b'\r' as u64));
    (zero_bytes(lf) | zero_bytes(cr)) & (ONES * 0x80)
}

/// Reads the value of `retry:`: ASCII digits only, [`RETRY_MS_MAX`] at most; anything else is `None`.
pub(crate) fn retry_value(value: &[u8]) -> Option<u64> {
    // `parse` is no judge here: it takes "+5" and fails on a number that is too large.
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let shift = |sum: u64, byte: &u8| (sum * 10 + u64::from(byte - b'0')).min(RETRY_MS_MAX);
    Some(value.iter().fold(0, shift))
}

/// The largest reconnection time in milliseconds that the decoder hands out; a larger one is this.
///
/// 2^53 - 1, the largest integer that every client, a JavaScript one too, holds exactly.
pub const RETRY_MS_MAX: u64 = (1 << 53) - 1;
