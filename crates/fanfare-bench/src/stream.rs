//! The response of one subscriber: its head, its framing, and the marks in its body.

use anyhow::{Result, bail};
use memchr::memmem;

use crate::mark::{Mark, Scan};
use crate::refusal::{Refusal, Role};

/// The end of a head.
pub(crate) const HEAD_END: &[u8] = b"\r\n\r\n";
/// No head of a server is nearly so large.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How far a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// In the head.
    Head,
    /// In a body that ends with the connection.
    Plain,
    /// In the line with the size of a chunk, of which the digits so far say this.
    Size(u64),
    /// Behind the digits of that line: an extension, which says nothing here.
    Extension(u64),
    /// In a chunk, with so many bytes to come, the line break behind it included.
    Chunk(u64),
    /// Behind the last chunk.
    Ended,
}

/// What some bytes of a response were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// A part of the head, or of the body.
    More,
    /// The end of the head: the server accepts the subscriber.
    Opened,
    /// The end of the response.
    Ended,
}

/// The response of one subscriber.
#[derive(Debug)]
pub(crate) struct Stream {
    framing: Framing,
    scan: Scan,
    /// A head that came in pieces; there is none once it is whole.
    #[expect(
        clippy::box_collection,
        reason = "only a few have one, all pay its size"
    )]
    head: Option<Box<Vec<u8>>>,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            framing: Framing::Head,
            scan: Scan::default(),
            head: None,
        }
    }

    /// Takes what was read, and calls `see` with each event that is whole with it.
    pub(crate) fn take(&mut self, bytes: &[u8], mut see: impl FnMut(Mark)) -> Result<Arrival> {
        if self.framing != Framing::Head {
            return self.body(bytes, &mut see);
        }
        let mut head = self.head.take().unwrap_or_default();
        head.extend_from_slice(bytes);
        let Some(end) = memmem::find(&head, HEAD_END) else {
            if head.len() > HEAD_BYTES_MAX {
                bail!("a response has a head of more than {HEAD_BYTES_MAX} bytes");
            }
            self.head = Some(head);
            return Ok(Arrival::More);
        };
        self.framing = open(&head, end)?;
        Ok(match self.body(&head[end + HEAD_END.len()..], &mut see)? {
            Arrival::Ended => Arrival::Ended,
            _ => Arrival::Opened,
        })
    }

    fn body(&mut self, bytes: &[u8], see: &mut impl FnMut(Mark)) -> Result<Arrival> {
        let mut rest = bytes;
        loop {
            match self.framing {
                Framing::Plain => {
                    self.scan.take(rest, see);
                    return Ok(Arrival::More);
                }
                Framing::Chunk(left) => {
                    // Of the line break behind it the scan sees nothing.
                    let data = left.saturating_sub(2).min(rest.len() as u64) as usize;
                    self.scan.take(&rest[..data], &mut *see);
                    let taken = left.min(rest.len() as u64);
                    rest = &rest[taken as usize..];
                    self.framing = match left - taken {
                        0 => Framing::Size(0),
                        left => Framing::Chunk(left),
                    };
                    if rest.is_empty() {
                        return Ok(Arrival::More);
                    }
                }
                Framing::Size(_) | Framing::Extension(_) => {
                    let Some((byte, after)) = rest.split_first() else {
                        return Ok(Arrival::More);
                    };
                    self.framing = size(self.framing, *byte)?;
                    rest = after;
                }
                Framing::Ended => return Ok(Arrival::Ended),
                Framing::Head => bail!("a body before its head"),
            }
        }
    }
}

/// One more byte of the line with the size of a chunk.
fn size(framing: Framing, byte: u8) -> Result<Framing> {
    let (so_far, is_digits) = match framing {
        Framing::Size(size) => (size, true),
        Framing::Extension(size) => (size, false),
        other => return Ok(other),
    };
    Ok(match char::from(byte).to_digit(16) {
        _ if byte == b'\n' && so_far == 0 => Framing::Ended,
        _ if byte == b'\n' => Framing::Chunk(so_far + 2),
        Some(digit) if is_digits => match so_far.checked_mul(16) {
            Some(size) if size < u64::MAX / 32 => Framing::Size(size + u64::from(digit)),
            _ => bail!("a chunk has a size that no server means"),
        },
        _ if is_digits && !matches!(byte, b'\r' | b';' | b' ') => {
            bail!("a chunk begins with the byte {byte:#04x} instead of its size")
        }
        _ => Framing::Extension(so_far),
    })
}

/// The framing of the body that a head announces.
fn open(bytes: &[u8], end: usize) -> Result<Framing> {
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    let status = status.split(' ').nth(1).and_then(|it| it.parse().ok());
    let Some(status) = status else {
        bail!("what answers a subscriber does not speak HTTP/1.1");
    };
    if status != 200 {
        return Err(Refusal::new(Role::Subscriber, status, bytes).into());
    }
    let is_chunked = lines.any(|line| {
        let field = line.split_once(':');
        field.is_some_and(|(name, value)| name == "transfer-encoding" && value.contains("chunked"))
    });
    Ok(match is_chunked {
        true => Framing::Size(0),
        false => Framing::Plain,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    fn numbers(text: &str, cut: usize) -> (Vec<Option<u32>>, Arrival) {
        let (mut stream, mut found) = (Stream::new(), Vec::new());
        let (first, second) = text.as_bytes().split_at(cut);
        let mut last = Arrival::More;
        for piece in [first, second] {
            last = stream
                .take(piece, |mark| found.push(mark.number()))
                .unwrap();
        }
        (found, last)
    }

    #[test]
    fn events_are_found_in_each_framing_wherever_it_is_cut() {
        let plain = format!("{PLAIN}data: ~00000001\n\ndata: ~00000002\n\n");
        let chunked = format!(
            "{CHUNKED}11\r\ndata: ~00000001\n\n\r\n0B;x=y\r\ndata: ~0000\r\n6\r\n0002\n\n\r\n"
        );
        for text in [plain, chunked] {
            for cut in 0..text.len() {
                assert_eq!(numbers(&text, cut).0, [Some(1), Some(2)], "{text} at {cut}");
            }
        }
    }

    #[test]
    fn the_last_chunk_ends_a_response() {
        let text = format!("{CHUNKED}0\r\n\r\n");
        assert_eq!(numbers(&text, text.len() - 3).1, Arrival::Ended);
    }

    #[test]
    fn a_refusal_says_what_the_server_said() {
        let text = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nfull";
        let error = Stream::new().take(text, |_| {}).unwrap_err();
        let refusal: &Refusal = error.downcast_ref().unwrap();
        assert_eq!((refusal.of, refusal.status), (Role::Subscriber, 503));
        assert!(refusal.answer.ends_with("full"));
    }
}
