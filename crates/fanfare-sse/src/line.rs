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

impl Field {
    /// Finds the one field whose name could begin with this byte; no two names begin alike.
    pub(crate) fn beginning_with(byte: u8) -> Option<Self> {
        match byte {
            b'd' => Some(Self::Data),
            b'e' => Some(Self::Event),
            b'i' => Some(Self::Id),
            b'r' => Some(Self::Retry),
            b':' => Some(Self::Comment),
            _ => None,
        }
    }

    /// The name with its colon.
    pub(crate) fn prefix(self) -> &'static [u8] {
        match self {
            Self::Data => b"data:",
            Self::Event => b"event:",
            Self::Id => b"id:",
            Self::Retry => b"retry:",
            Self::Comment => b":",
        }
    }

    /// Splits a whole line into its field and value, without the optional space (rules F2, F3);
    /// a name that is not known literally is `None` (rule F4).
    #[inline]
    pub(crate) fn split(line: &[u8]) -> Option<(Self, &[u8])> {
        let (field, value) = match line {
            [b'd', b'a', b't', b'a', b':', value @ ..] => (Self::Data, value),
            [b'i', b'd', b':', value @ ..] => (Self::Id, value),
            [b'e', b'v', b'e', b'n', b't', b':', value @ ..] => (Self::Event, value),
            [b':', value @ ..] => (Self::Comment, value),
            [b'r', b'e', b't', b'r', b'y', b':', value @ ..] => (Self::Retry, value),
            b"data" => (Self::Data, &[][..]),
            b"id" => (Self::Id, &[][..]),
            b"event" => (Self::Event, &[][..]),
            _ => return None,
        };
        match value {
            [b' ', value @ ..] => Some((field, value)),
            _ => Some((field, value)),
        }
    }
}

/// Bytes that are looked at word by word before `memchr` is called.
///
/// The call costs as much as three words, so it pays for what is longer than two; a line that ends
/// within two, such as `data: 1`, is found in half the time.
const SHORT_BYTES: usize = 16;

/// Finds the first CR or LF.
#[inline]
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk() {
        if at == SHORT_BYTES {
            return memchr2(b'\r', b'\n', rest).map(|end| at + end);
        }
        if let Some(end) = first_break(*word) {
            return Some(at + end);
        }
        at += word.len();
        rest = tail;
    }
    match bytes.last_chunk() {
        // Looks at some bytes again, which is cheaper than one by one.
        Some(word) => first_break(*word).map(|end| bytes.len() - word.len() + end),
        None => rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')),
    }
}

/// Finds the first CR or LF of eight bytes at once.
#[inline]
fn first_break(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH_BITS: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    // The subtraction borrows out of a zero byte, whose high bit it thereby sets; it may spoil bytes
    // above the first zero byte, never one below.
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGH_BITS;
    let breaks =
        zero_bytes(word ^ (ONES * b'\n' as u64)) | zero_bytes(word ^ (ONES * b'\r' as u64));
    (breaks != 0).then_some((breaks.trailing_zeros() / 8) as usize)
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
