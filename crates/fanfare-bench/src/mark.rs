//! The mark that makes an event recognizable in the bytes of a stream, and the scan for it.
//!
//! ```text
//! data: xxxxxxxxxxxxxxxxxx00000199a3c8d1f2~0000002a
//!       |_ filling ______||_ time, 16 ___||_ mark _|
//! ```
//!
//! A mark is a tilde and eight hexadecimal digits. It stands at the end of the payload, so that
//! what is counted has arrived; it needs no escape in JSON, HTML or a URL; and it is compared as
//! one word, without being parsed.

use memchr::memchr_iter;

/// What a mark begins with. Nothing else in a stream has it often.
pub(crate) const SIGN: u8 = b'~';
/// Digits after the sign.
pub(crate) const DIGITS: usize = 8;
/// The whole of it.
pub(crate) const BYTES: usize = 1 + DIGITS;

/// The digits of a mark as they stand in the stream, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn new(number: u32) -> Self {
        let mut digits = [0; DIGITS];
        write_hex(u64::from(number), &mut digits);
        Self(u64::from_le_bytes(digits))
    }

    /// The number; `None` when these are not the digits of a mark.
    pub(crate) fn number(self) -> Option<u32> {
        let digits = self.0.to_le_bytes();
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let text = digits.iter().all(is_digit).then_some(&digits)?;
        u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
    }

    /// The mark whose sign stands at `at`; `None` when the bytes end within it.
    pub(crate) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let digits = bytes.get(at + 1..at + BYTES)?;
        Some(Self(u64::from_le_bytes(digits.try_into().ok()?)))
    }
}

/// Writes a number into fixed room, in lower-case hexadecimal digits with leading zeros.
pub(crate) fn write_hex(number: u64, room: &mut [u8]) {
    let mut rest = number;
    for place in room.iter_mut().rev() {
        *place = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
}

/// Finds marks in bytes that come in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    /// The beginning of a mark that the last piece ended within.
    begun: [u8; BYTES],
    /// How much of that there is.
    begun_bytes: u8,
}

impl Scan {
    /// Calls `see` with each mark that is whole with this piece.
    #[inline]
    pub(crate) fn take(&mut self, piece: &[u8], mut see: impl FnMut(Mark)) {
        let mut from = 0;
        if self.begun_bytes > 0 {
            match self.complete(piece) {
                Completion::Whole(mark, taken) => {
                    see(mark);
                    from = taken;
                }
                Completion::Short => return,
            }
        }
        for at in memchr_iter(SIGN, &piece[from..]) {
            match Mark::at(piece, from + at) {
                Some(mark) => see(mark),
                None => {
                    let rest = &piece[from + at..];
                    self.begun[..rest.len()].copy_from_slice(rest);
                    self.begun_bytes = rest.len() as u8;
                    // What follows a sign is digits; a second sign in them is none of ours.
                    return;
                }
            }
        }
    }

    #[cold]
    fn complete(&mut self, piece: &[u8]) -> Completion {
        let have = usize::from(self.begun_bytes);
        let taken = piece.len().min(BYTES - have);
        self.begun[have..have + taken].copy_from_slice(&piece[..taken]);
        self.begun_bytes = (have + taken) as u8;
        match Mark::at(&self.begun, 0) {
            Some(mark) if have + taken == BYTES => {
                self.begun_bytes = 0;
                Completion::Whole(mark, taken)
            }
            _ => Completion::Short,
        }
    }
}

/// What became of a mark that came in two pieces.
enum Completion {
    /// It is whole, with so many bytes of the second piece.
    Whole(Mark, usize),
    /// The second piece is not its end either.
    Short,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(pieces: &[&[u8]]) -> Vec<Option<u32>> {
        let (mut scan, mut found) = (Scan::default(), Vec::new());
        for piece in pieces {
            scan.take(piece, |mark| found.push(mark.number()));
        }
        found
    }

    #[test]
    fn a_mark_is_found_wherever_the_bytes_are_cut() {
        let text = b"id: a-1\ndata: xx~0000002a\n\ndata: ~fffffffe\n\n";
        let whole = [Some(42), Some(u32::MAX - 1)];
        assert_eq!(numbers(&[text]), whole);
        for cut in 0..text.len() {
            let (first, second) = text.split_at(cut);
            assert_eq!(numbers(&[first, second]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(numbers(&bytes), whole);
    }

    #[test]
    fn a_tilde_of_somebody_else_is_no_mark() {
        assert_eq!(numbers(&[b"data: ~ about ten\n\n"]), [None]);
        assert_eq!(numbers(&[b"data: ~000000FF\n\n"]), [None]);
    }

    #[test]
    fn a_mark_is_its_number() {
        for number in [0, 42, 0xdead_beef, u32::MAX] {
            assert_eq!(Mark::new(number).number(), Some(number));
        }
    }
}
