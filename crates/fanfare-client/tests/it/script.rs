//! A TCP server that follows a script: one list of acts for each connection, in their order.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, timeout};

/// Longer than any step of a test takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What the server does next on a connection. After the last act it closes.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Reads up to and including this text, and reports all that was read.
    Read(&'static str),
    /// Writes this text.
    Write(String),
    /// Writes this text so many times, with a pause before each.
    Beat(&'static str, u32, Duration),
    /// Writes this text until the client takes no more, and reports how many bytes it took.
    Flood(&'static str),
    /// Waits for the client to hang up, and reports how many bytes it sent before.
    AwaitClose,
}

pub(crate) use Act::{AwaitClose, Beat, Flood, Read, Write};

/// Reads a request without a body.
pub(crate) const HEAD: Act = Read("\r\n\r\n");

/// The head of an endless answer with status 200.
pub(crate) fn stream(body: &str) -> Act {
    Write(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{body}"
    ))
}

/// A whole answer, with further header lines that end in CRLF.
pub(crate) fn answer(status: u16, fields: &str, body: &str) -> Act {
    let length = body.len();
    Write(format!(
        "HTTP/1.1 {status} X\r\n{fields}content-length: {length}\r\n\r\n{body}"
    ))
}

/// A running script. Dropping it closes every socket.
pub(crate) struct Scripted {
    /// Where it listens.
    pub(crate) url: String,
    reports: UnboundedReceiver<String>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// Plays one list of acts for each connection, one connection after the other.
    pub(crate) async fn play<const N: usize>(connections: [Vec<Act>; N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (report, reports) = unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            for acts in connections {
                let (socket, _) = listener.accept().await.unwrap();
                perform(socket, acts, &report).await;
            }
        });
        Self {
            url,
            reports,
            _tasks: tasks,
        }
    }

    /// The next thing that the script reports.
    pub(crate) async fn report(&mut self) -> String {
        timeout(DEADLINE, self.reports.recv())
            .await
            .expect("a report in time")
            .expect("a report")
    }
}

/// Performs the acts of one connection.
pub(crate) async fn perform(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    acts: Vec<Act>,
    report: &UnboundedSender<String>,
) {
    for act in acts {
        match act {
            Read(end) => {
                let mut seen = Vec::new();
                while !seen.ends_with(end.as_bytes()) {
                    match socket.read_u8().await {
                        Ok(byte) => seen.push(byte),
                        Err(_) => return,
                    }
                }
                drop(report.send(String::from_utf8_lossy(&seen).into_owned()));
            }
            Write(text) => {
                if socket.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Beat(text, times, pause) => {
                let mut pulse = interval_at(Instant::now() + pause, pause);
                for _ in 0..times {
                    pulse.tick().await;
                    if socket.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
            Flood(text) => {
                let mut taken = 0_usize;
                while let Ok(Ok(bytes)) =
                    timeout(Duration::from_millis(500), socket.write(text.as_bytes())).await
                {
                    taken += bytes;
                }
                drop(report.send(taken.to_string()));
            }
            AwaitClose => {
                let mut bytes = 0;
                while socket.read_u8().await.is_ok() {
                    bytes += 1;
                }
                drop(report.send(format!("closed after {bytes} bytes")));
            }
        }
    }
}
