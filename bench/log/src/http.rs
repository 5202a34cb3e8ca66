//! As much of an HTTP/1.1 client as the load needs: posts on a kept connection, and streams that
//! are read as bytes. Blocking, since a thread that sleeps in the kernel wakes more exactly than a
//! timer of a millisecond's grain.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Nothing that is measured takes so long; a stream that is silent longer is a failure.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Room for an answer to a post, or a turn of a stream.
const BUFFER_BYTES: usize = 256 << 10;

/// A connection that posts are sent on, one after the other.
pub struct Poster {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Poster {
    pub fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            stream: connect(address)?,
            request: Vec::new(),
            answer: Vec::new(),
        })
    }

    /// Publishes one event and waits until it is acknowledged.
    pub fn post(&mut self, topic: &str, body: &str) -> Result<()> {
        self.request.clear();
        write!(
            self.request,
            "POST /{topic} HTTP/1.1\r\nhost: hub\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        self.stream.write_all(&self.request)?;
        self.answer.clear();
        let mut piece = [0; 4_096];
        while !is_whole(&self.answer) {
            let read = self.stream.read(&mut piece)?;
            if read == 0 {
                bail!("the hub hung up on a publisher");
            }
            self.answer.extend_from_slice(&piece[..read]);
        }
        if !self.answer.starts_with(b"HTTP/1.1 201") {
            bail!("not stored: {}", String::from_utf8_lossy(&self.answer));
        }
        Ok(())
    }
}

/// Whether an answer with a stated length is there to its last byte.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head_bytes) = find(answer, b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..head_bytes]).to_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
    answer.len() >= head_bytes + 4 + length.unwrap_or_default()
}

/// An open event stream, read as bytes.
pub struct Stream {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are not consumed yet.
    filled: usize,
}

impl Stream {
    /// Sends the request; `head` holds further header lines, each with its line end.
    pub fn open(address: SocketAddr, target: &str, head: &str) -> Result<Self> {
        let mut stream = connect(address)?;
        write!(
            stream,
            "GET /{target} HTTP/1.1\r\nhost: hub\r\naccept: text/event-stream\r\n{head}\r\n"
        )?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
            filled: 0,
        })
    }

    /// A connection whose bytes are read as they come, without a request.
    pub fn plain(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
            filled: 0,
        }
    }

    /// Reads more behind what is there; `None` at the end of the stream.
    pub fn read(&mut self) -> Result<Option<&[u8]>> {
        if self.filled == self.buffer.len() {
            bail!("a stream's reader did not consume what it read");
        }
        let read = self.stream.read(&mut self.buffer[self.filled..])?;
        self.filled += read;
        Ok((read > 0).then_some(&self.buffer[..self.filled]))
    }

    /// Drops the first bytes of what is there.
    pub fn consume(&mut self, bytes: usize) {
        self.buffer.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
    }

    /// Reads until `text` is there, and consumes everything up to its end.
    pub fn wait_for(&mut self, text: &[u8]) -> Result<Vec<u8>> {
        loop {
            let seen = self.read()?.context("the stream ended")?;
            if let Some(place) = find(seen, text) {
                let before = seen[..place].to_vec();
                self.consume(place + text.len());
                return Ok(before);
            }
        }
    }

    /// Lets a thread that reads look up from time to time.
    pub fn set_patience(&self, patience: Duration) -> Result<()> {
        Ok(self.stream.set_read_timeout(Some(patience))?)
    }
}

/// Whether a read gave up waiting.
pub fn is_impatience(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// Where `needle` begins.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    Ok(stream)
}
