//! As much of the answer to a publish as has to be known: whether it is whole, and its status.

use anyhow::{Context, Result};
use memchr::memmem;

use crate::stream::HEAD_END;

/// What is in front of the status.
const STATUS_AT: usize = "HTTP/1.1 ".len();
/// What a body in chunks ends with; without trailers, which no server sends here.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of head and body.
    pub(crate) bytes: usize,
    /// The server hangs up behind it.
    pub(crate) is_last: bool,
}

impl Answer {
    /// Reads an answer from its first byte; `None` while it is not whole.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(head_bytes) = memmem::find(bytes, HEAD_END) else {
            return Ok(None);
        };
        let (head, body) = (&bytes[..head_bytes], &bytes[head_bytes + HEAD_END.len()..]);
        let status = head.get(STATUS_AT..STATUS_AT + 3);
        let status = status.and_then(number).context("an answer has no status")?;
        let body_bytes = match value(head, b"content-length:") {
            Some(length) => number(length).context("an answer has a length that is no number")?,
            None if matches!(status, 204 | 304) => 0,
            None if value(head, b"transfer-encoding:").is_some() => {
                let Some(at) = memmem::find(body, LAST_CHUNK) else {
                    return Ok(None);
                };
                at + LAST_CHUNK.len()
            }
            None => anyhow::bail!("an answer to a publish does not say how long it is"),
        };
        let whole = head_bytes + HEAD_END.len() + body_bytes;
        Ok((bytes.len() >= whole).then_some(Self {
            status: u16::try_from(status)?,
            bytes: whole,
            is_last: value(head, b"connection:")
                .is_some_and(|it| it.eq_ignore_ascii_case(b"close")),
        }))
    }
}

/// The value of a field.
fn value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = head;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        rest = &rest[end + 1..];
        if rest.len() > name.len() && rest[..name.len()].eq_ignore_ascii_case(name) {
            let value = &rest[name.len()..];
            let end = memchr::memchr(b'\r', value).unwrap_or(value.len());
            return Some(value[..end].trim_ascii());
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
        let length = "HTTP/1.1 201 Created\r\nServer: x\r\nContent-Length:  3\r\nA: b\r\n\r\nabc";
        let chunked =
            "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let empty = "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n";
        for (text, status) in [(length, 201), (chunked, 201), (empty, 204)] {
            let text = text.as_bytes();
            for end in 0..text.len() {
                assert_eq!(Answer::parse(&text[..end]).unwrap(), None, "{end}");
            }
            let bytes = text.len();
            let whole = Answer {
                status,
                bytes,
                is_last: false,
            };
            assert_eq!(Answer::parse(text).unwrap(), Some(whole));
        }
    }

    #[test]
    fn an_answer_says_that_it_is_the_last() {
        let text = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert!(Answer::parse(text).unwrap().unwrap().is_last);
    }

    #[test]
    fn an_answer_without_a_length_is_refused() {
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\nserver: x\r\n\r\n").is_err());
    }
}
