//! The load: connections that are kept, one POST in flight on each, all driven by one thread.
//!
//! It shares the machine with what it measures, so that it does as little as can be done: the
//! requests are built once, and each costs one read, one write and its part of an `epoll_wait`.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{Timespec, epoll};

use crate::answer::Answer;
use crate::stats::Latencies;

/// Sockets that one wait may report; more would only be reported by the next one.
const READY_MAX: usize = 512;
/// No publish takes so long unless the server hangs.
const SILENCE_MAX: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
/// Both peers stay far below this with their answers.
const ANSWER_BYTES_MAX: usize = 4_096;

/// What to send, and for how long.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    /// The path in front of the topic's number, such as `/bench-`.
    pub prefix: String,
    pub connections: usize,
    /// Topics that the connections take turns in.
    pub topics: usize,
    pub body_bytes: usize,
    pub warm_up: Duration,
    pub counted: Duration,
}

/// What came of it.
pub struct Outcome {
    pub acks: u64,
    pub span: Duration,
    pub latencies: Latencies,
}

impl Outcome {
    pub fn acks_per_s(&self) -> f64 {
        self.acks as f64 / self.span.as_secs_f64()
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    sent: Instant,
    /// What came of the answer so far.
    answer: Vec<u8>,
    filled: usize,
}

impl Connection {
    fn open(load: &Load, number: usize) -> Result<Self> {
        let Load {
            address, prefix, ..
        } = load;
        let stream =
            TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let topic = number % load.topics.max(1);
        let body = "x".repeat(load.body_bytes);
        let head = format!(
            "POST {prefix}{topic} HTTP/1.1\r\nhost: {address}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
            load.body_bytes
        );
        Ok(Self {
            stream,
            request: [head, body].concat().into_bytes(),
            sent: Instant::now(),
            answer: vec![0; ANSWER_BYTES_MAX],
            filled: 0,
        })
    }

    fn post(&mut self, now: Instant) -> Result<()> {
        self.sent = now;
        let written = self.stream.write(&self.request)?;
        if written != self.request.len() {
            bail!("the socket took {written} bytes of a request only: choose a smaller body");
        }
        Ok(())
    }

    /// Reads what is there; whether the answer is whole, and says that the event is stored.
    fn is_acknowledged(&mut self) -> Result<bool> {
        let read = match self.stream.read(&mut self.answer[self.filled..]) {
            Ok(0) => bail!("the server hung up on a publisher"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        self.filled += read;
        let Some(answer) = Answer::parse(&self.answer[..self.filled])? else {
            return Ok(false);
        };
        if !(200..300).contains(&answer.status) || answer.bytes != self.filled {
            let text = String::from_utf8_lossy(&self.answer[..self.filled]);
            bail!("a publish was not acknowledged, or with more than an answer: {text}");
        }
        self.filled = 0;
        Ok(true)
    }
}

/// Opens the connections, posts on them for the given time, and closes them. `edge` is called at
/// the beginning and at the end of what is counted.
pub fn run(load: &Load, mut edge: impl FnMut() -> Result<()>) -> Result<Outcome> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(load.connections);
    for number in 0..load.connections {
        let connection = Connection::open(load, number)?;
        let number = epoll::EventData::new_u64(number as u64);
        epoll::add(&poll, &connection.stream, number, epoll::EventFlags::IN)?;
        connections.push(connection);
    }
    for connection in &mut connections {
        connection.post(Instant::now())?;
    }
    drive(&poll, &mut connections, None, Instant::now() + load.warm_up)?;
    let mut ns = Vec::new();
    edge()?;
    let begin = Instant::now();
    drive(&poll, &mut connections, Some(&mut ns), begin + load.counted)?;
    let span = begin.elapsed();
    edge()?;
    Ok(Outcome {
        acks: ns.len() as u64,
        span,
        latencies: Latencies::of(ns),
    })
}

/// Posts again whenever an answer is there, until the time has come.
fn drive(
    poll: &OwnedFd,
    connections: &mut [Connection],
    mut counted: Option<&mut Vec<u32>>,
    end: Instant,
) -> Result<()> {
    let mut room = [MaybeUninit::uninit(); READY_MAX];
    loop {
        let (ready, _) = epoll::wait(poll, &mut room, Some(&SILENCE_MAX))?;
        if ready.is_empty() {
            bail!("the server acknowledges nothing any more");
        }
        for event in ready {
            let connection = &mut connections[event.data.u64() as usize];
            if !connection.is_acknowledged()? {
                continue;
            }
            let now = Instant::now();
            if let Some(ns) = counted.as_deref_mut() {
                let waited = now.duration_since(connection.sent).as_nanos();
                ns.push(u32::try_from(waited).unwrap_or(u32::MAX));
            }
            connection.post(now)?;
        }
        if Instant::now() >= end {
            return Ok(());
        }
    }
}
