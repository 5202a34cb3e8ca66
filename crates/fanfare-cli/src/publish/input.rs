//! What `fanfare pub` reads from standard input: all of it, line by line, or as it comes.

use std::io::{self, BufRead, Read};

use anyhow::{Context, bail};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::mpsc::{Sender, channel};

/// Bytes of standard input that one event or one line may have. Far above any hub's limit, which
/// then says its number; this bound only keeps a wrong redirection from filling the memory.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// Bytes that are read from a live stream at once.
const PIECE_BYTES: usize = 64 << 10;

/// Pieces or lines that wait for the hub. More only adds latency: the pipe itself holds the rest.
const QUEUE_MAX: usize = 64;

/// The whole of standard input as the data of one event, without one line break at its end.
pub(super) fn whole() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let mut input = io::stdin().take(INPUT_BYTES_MAX + 1);
    input.read_to_end(&mut bytes).context("standard input")?;
    if bytes.is_empty() {
        bail!("standard input was empty, nothing is published: for an event without data write ''");
    }
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        bail!("standard input is too large for one event: publish it in parts, or with --stream");
    }
    let text = String::from_utf8(bytes)
        .context("an event is UTF-8 text: encode it, such as with base64")?;
    Ok(without_line_break(&text).to_owned())
}

/// The lines of standard input, each as soon as it is complete.
pub(super) fn lines() -> impl Stream<Item = io::Result<String>> + Send {
    from_thread(|queue| {
        let mut input = io::stdin().lock();
        while let Some(line) = next_line(&mut input).transpose() {
            if queue.blocking_send(line).is_err() {
                break;
            }
        }
    })
}

/// Standard input as it comes, in the pieces that the pipe gives.
pub(super) fn pieces() -> impl Stream<Item = io::Result<Bytes>> + Send {
    from_thread(|queue| {
        let mut input = io::stdin().lock();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let item = match input.read(&mut piece) {
                Ok(0) => break,
                Ok(bytes) => Ok(Bytes::copy_from_slice(
                    piece.get(..bytes).unwrap_or_default(),
                )),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            if queue.blocking_send(item).is_err() {
                break;
            }
        }
    })
}

/// What a thread of its own reads. A read of standard input cannot be cancelled, and the runtime
/// would wait for it when the hub refuses; a plain thread ends with the process.
fn from_thread<T: Send + 'static>(
    read: impl FnOnce(Sender<io::Result<T>>) + Send + 'static,
) -> impl Stream<Item = io::Result<T>> + Send {
    let (sender, queue) = channel(QUEUE_MAX);
    std::thread::spawn(move || read(sender));
    unfold(queue, async |mut queue| {
        queue.recv().await.map(|item| (item, queue))
    })
}

/// The next line without its break; bytes that are not UTF-8 become U+FFFD, lest one of them stops
/// a log that is followed for weeks.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let bytes = input
        .take(INPUT_BYTES_MAX + 1)
        .read_until(b'\n', &mut line)?;
    if bytes == 0 {
        return Ok(None);
    }
    if bytes as u64 > INPUT_BYTES_MAX {
        return Err(io::Error::other(
            "a line of standard input is too large for one event",
        ));
    }
    let text = String::from_utf8_lossy(&line);
    Ok(Some(without_line_break(&text).to_owned()))
}

/// The text without one LF or CRLF at its end.
fn without_line_break(text: &str) -> &str {
    let Some(text) = text.strip_suffix('\n') else {
        return text;
    };
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_break_and_nothing_else() {
        let mut input: &[u8] = b"a\r\n\n  b \xff\rc\nlast";
        let lines: Vec<_> = std::iter::from_fn(|| next_line(&mut input).unwrap()).collect();
        assert_eq!(lines, ["a", "", "  b \u{fffd}\rc", "last"]);
    }
}
