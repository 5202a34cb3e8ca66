//! As much of an HTTP/1.1 answer as has to be known: whether it is whole, and what it says.

use anyhow::{Context, Result};
use memchr::memmem;

/// The end of a head.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// What is in front of the status.
const STATUS_AT: usize = "HTTP/1.1 ".len();

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Bytes of head and body.
    pub bytes: usize,
}

impl Answer {
    /// Reads an answer from its first byte; `None` while it is not whole.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(head_bytes) = memmem::find(bytes, HEAD_END) else {
            return Ok(None);
        };
        let head = &bytes[..head_bytes];
        let status = head.get(STATUS_AT..STATUS_AT + 3);
        let status = status.and_then(number).context("an answer has no status")?;
        let body_bytes = length(head).context("an answer does not state its length")?;
        let whole = head_bytes + HEAD_END.len() + body_bytes;
        Ok((bytes.len() >= whole).then_some(Self {
            status: u16::try_from(status)?,
            bytes: whole,
        }))
    }
}

/// The value of `Content-Length`.
fn length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let mut rest = head;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        rest = &rest[end + 1..];
        if rest.len() > NAME.len() && rest[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let value = &rest[NAME.len()..];
            let end = memchr::memchr(b'\r', value).unwrap_or(value.len());
            return number(value[..end].trim_ascii());
        }
    }
    None
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let text = b"HTTP/1.1 201 Created\r\nServer: x\r\nContent-Length:  3\r\nA: b\r\n\r\nabc";
        for end in 0..text.len() {
            assert_eq!(Answer::parse(&text[..end]).unwrap(), None, "{end}");
        }
        let whole = Answer {
            status: 201,
            bytes: text.len(),
        };
        assert_eq!(Answer::parse(text).unwrap(), Some(whole));
    }

    #[test]
    fn an_answer_without_a_length_is_refused() {
        let text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(Answer::parse(text).is_err());
    }
}
