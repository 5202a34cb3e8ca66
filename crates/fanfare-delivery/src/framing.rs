//! The chunked coding of HTTP/1.1 (RFC 9112 7.1), which is all of HTTP that the driver knows.
//!
//! A stream could also end with its connection, and save these bytes. But then a connection that is
//! cut looks like a stream that ended, and clients in use hand out the half event before the cut.

use bytes::Bytes;

/// What follows the contents of a chunk.
pub(crate) const CHUNK_END: &[u8] = b"\r\n";
/// Says that the stream ended, and was not cut.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Hexadecimal digits of the longest chunk.
const DIGITS_MAX: usize = 16;

/// Writes what precedes the contents of a chunk.
pub(crate) fn push_head(len: usize, out: &mut Vec<u8>) {
    let mut digits = [0; DIGITS_MAX];
    let mut first = DIGITS_MAX;
    let mut rest = len;
    while first > 0 && (rest > 0 || first == DIGITS_MAX) {
        first -= 1;
        digits[first] = b"0123456789abcdef"[rest & 0xf];
        rest >>= 4;
    }
    out.extend_from_slice(&digits[first..]);
    out.extend_from_slice(CHUNK_END);
}

/// Writes a chunk with these contents.
pub(crate) fn push_chunk(contents: &[u8], out: &mut Vec<u8>) {
    push_head(contents.len(), out);
    out.extend_from_slice(contents);
    out.extend_from_slice(CHUNK_END);
}

/// A chunk with these contents.
pub(crate) fn chunk(contents: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(contents.len() + DIGITS_MAX + 2 * CHUNK_END.len());
    push_chunk(contents, &mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_says_its_length_in_hexadecimal() {
        for (len, head) in [
            (1, "1"),
            (15, "f"),
            (16, "10"),
            (300, "12c"),
            (65_536, "10000"),
        ] {
            let contents = vec![b'x'; len];
            let expected = [head.as_bytes(), b"\r\n", &contents, b"\r\n"].concat();
            assert_eq!(chunk(&contents), expected);
        }
    }
}
