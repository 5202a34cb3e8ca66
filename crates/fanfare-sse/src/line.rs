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

/// More than the longest known name with its colon and space.
pub(crate) const PREFIX_BYTES_MAX: usize = b"retry: ".len() + 1;

impl Field {
    /// Finds the one field that may begin with this byte, and its name with the colon; no two names
    /// begin alike.
    #[inline]
    pub(crate) fn beginning_with(byte: u8) -> Option<(Self, &'static [u8])> {
        match byte {
            b'd' => Some((Self::Data, b"data:")),
            b'e' => Some((Self::Event, b"event:")),
            b'i' => Some((Self::Id, b"id:")),
            b'r' => Some((Self::Retry, b"retry:")),
            b':' => Some((Self::Comment, b":")),
            _ => None,
        }
    }

    /// Splits a whole line into its field and value, without the optional space (rules F2, F3);
    /// a name that is not known literally is `None` (rule F4).
    #[inline]
    pub(crate) fn split(line: &[u8]) -> Option<(Self, &[u8])> {
        let (field, prefix) = Self::beginning_with(*line.first()?)?;
        match line.strip_prefix(prefix) {
            Some([b' ', value @ ..] | value) => Some((field, value)),
            None => (prefix.strip_suffix(b":") == Some(line)).then_some((field, &[])),
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
    for (at, word) in (0..SHORT_BYTES).step_by(8).zip(bytes.as_chunks().0) {
        if let Some(end) = first_break(*word) {
            return Some(at + end);
        }
    }
    match (bytes.get(SHORT_BYTES..), bytes.last_chunk()) {
        (Some(rest), _) => memchr2(b'\r', b'\n', rest).map(|end| SHORT_BYTES + end),
        // Looks at some bytes again, which is cheaper than one by one.
        (None, Some(word)) => first_break(*word).map(|end| bytes.len() - word.len() + end),
        (None, None) => bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')),
    }
}

/// Finds the first CR or LF of eight bytes at once.
#[inline]
fn first_break(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH_BITS: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    // The subtraction borrows out of a zero byte, whose high bit it thereby sets; it may spoil
    // bytes above the first zero byte, never one below.
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGH_BITS;
    let breaks =
        zero_bytes(word ^ (ONES * b'\n' as u64)) | zero_bytes(word ^ (ONES * b'\r' as u64));
    (breaks != 0).then_some((breaks.trailing_zeros() / 8) as usize)
}

/// Reads the value of `retry:`: ASCII digits only, [`RETRY_MS_MAX`] at most; anything else is
/// `None`.
pub(crate) fn retry_value(value: &[u8]) -> Option<u64> {
    // `parse` is no judge here: it takes "+5" and fails on a number that is too large.
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let shift = |sum: u64, byte: &u8| (sum * 10 + u64::from(byte - b'0')).min(RETRY_MS_MAX);
    is_number.then(|| value.iter().fold(0, shift))
}

/// The largest reconnection time in milliseconds that the decoder hands out; a larger one is this.
///
/// 2^53 - 1, the largest integer that every client, a JavaScript one too, holds exactly.
pub const RETRY_MS_MAX: u64 = (1 << 53) - 1;
