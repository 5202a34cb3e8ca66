//! HTTP/1.1 byte by byte: one request out, one answer in, without an HTTP library.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::door::{Door, Protocol, Wire};

/// A request with its length, and further header lines (each ended).
pub(crate) fn request(line: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!("{line} HTTP/1.1\r\nHost: hub.example\r\n{fields}");
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    [request.as_bytes(), body].concat()
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// 0 when the connection ended without an answer.
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The status and the code of a problem, such as `413 body_too_large`.
    pub(crate) fn as_text(&self) -> String {
        let problem = serde_json::from_slice::<serde_json::Value>(&self.body).ok();
        let code = problem
            .as_ref()
            .and_then(|problem| problem["code"].as_str());
        match (self.status, code) {
            (0, _) => "closed".to_owned(),
            (status, None) => status.to_string(),
            (status, Some(code)) => format!("{status} {code}"),
        }
    }
}

/// Sends a request and reads one answer: the head, and the body that `Content-Length` announces.
pub(crate) async fn ask(wire: &mut dyn Wire, request: &[u8]) -> io::Result<Answer> {
    wire.write_all(request).await?;
    wire.flush().await?;
    answer(wire).await
}

/// Reads one answer; of a stream only its head.
pub(crate) async fn answer(wire: &mut (impl AsyncRead + Unpin + ?Sized)) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    let head_len = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if wire.read_buf(&mut bytes).await? == 0 {
            return Ok(Answer::default());
        }
    };
    let mut body = bytes.split_off(head_len);
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let len = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0_usize);
    while body.len() < len && wire.read_buf(&mut body).await? > 0 {}
    Ok(Answer {
        status: status.unwrap_or_default(),
        body,
    })
}

/// Asks on a connection of its own.
pub(crate) async fn ask_once(door: &Door, request: &[u8]) -> io::Result<Answer> {
    let mut wire = door.enter(Protocol::Http1).await?;
    ask(&mut *wire, request).await
}

/// The sum of a metric over its labels.
pub(crate) async fn metric(door: &Door, name: &str) -> Option<i64> {
    let answer = ask_once(door, &request("GET /-/metrics", "", b""))
        .await
        .ok()?;
    let text = String::from_utf8(answer.body).ok()?;
    let lines = text.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
    });
    let number = |line: &str| line.rsplit(' ').next()?.parse::<i64>().ok();
    Some(lines.filter_map(number).sum())
}
