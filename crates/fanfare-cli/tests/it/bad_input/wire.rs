//! Raw exchanges: bytes out, and one answer in, read without an HTTP library.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take. Only failures and busy machines come near it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// 0 when the connection ended without an answer.
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    /// Whether the connection was closed after the answer.
    pub(super) is_closed: bool,
}

impl Answer {
    /// The status, the code of a problem, and whether the hub hung up, such as `400 bad_topic`.
    pub(super) fn as_text(&self) -> String {
        let mut text = match self.status {
            0 => String::from("no answer"),
            status => status.to_string(),
        };
        let problem = serde_json::from_slice::<Value>(&self.body).ok();
        if let Some(code) = problem
            .as_ref()
            .and_then(|problem| problem["code"].as_str())
        {
            text.push(' ');
            text.push_str(code);
        }
        if self.is_closed {
            text.push_str(", closed");
        }
        text
    }

    /// The value of a header field, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A connection that gives up when nothing comes.
pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Sends what the peer takes; it may have hung up before the end, which the answer will tell.
pub(super) fn send(socket: &mut impl Write, bytes: &[u8]) {
    match socket.write_all(bytes) {
        Ok(()) => {}
        Err(error) => assert!(is_hang_up(error.kind()), "{error}"),
    }
}

/// Reads one answer: the head, the body that `Content-Length` announces, and the end of the
/// connection when the head announces that. Of a stream only the head.
pub(super) fn read_answer(socket: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    let head_len = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if !read_more(socket, &mut bytes) {
            let is_closed = true;
            return Answer {
                is_closed,
                body: bytes,
                ..Answer::default()
            };
        }
    };
    let mut body = bytes.split_off(head_len);
    let head = String::from_utf8(bytes).unwrap();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let mut answer = Answer {
        status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
        head,
        ..Answer::default()
    };
    let len = answer
        .header("content-length")
        .map(|len| len.parse::<usize>().unwrap());
    while len.is_some_and(|len| body.len() < len) && read_more(socket, &mut body) {}
    let is_last =
        answer.header("connection") == Some("close") || answer.head.starts_with("HTTP/1.0");
    if is_last && len.is_some() {
        while read_more(socket, &mut body) {}
        answer.is_closed = true;
    }
    answer.body = body;
    answer
}

/// Reads until the peer hangs up, at most for the connection's patience.
pub(super) fn read_to_end(socket: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    while read_more(socket, &mut bytes) {}
    bytes
}

/// Reads a piece; `false` when the peer hung up.
pub(super) fn read_more(socket: &mut impl Read, bytes: &mut Vec<u8>) -> bool {
    let mut piece = [0; 16 << 10];
    match socket.read(&mut piece) {
        Ok(0) => false,
        Ok(len) => {
            bytes.extend_from_slice(&piece[..len]);
            true
        }
        Err(error) if is_hang_up(error.kind()) => false,
        Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(bytes)),
    }
}

pub(super) fn is_hang_up(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
            | ErrorKind::NotConnected
    )
}
