//! The floor: the smallest program that does the same sends as a hub. One thread, one epoll, one
//! shared buffer for each topic; of HTTP it knows the blank line, a path and a length.
//!
//! `floor cursor` keeps a position for each subscriber and sends everything since it in one call;
//! `floor one-send` sends each event to each subscriber by its own call.

use std::collections::HashMap;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

/// Requests taken before a sweep; more, and the subscribers wait, fewer, and sends carry less.
const READY_MAX: usize = 256;
const READ_BYTES: usize = 16 * 1024;
/// One call sends at most this.
const SEND_BYTES_MAX: usize = 256 * 1024;
/// What a topic keeps, halved when it is full.
const KEPT_BYTES: usize = 64 << 20;
const LISTENER: u64 = u64::MAX;
const ACCEPTED: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\r\n";
const STORED: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok";

/// A connection: of a publisher, or of a subscriber.
struct Connection {
    socket: OwnedFd,
    /// A request that came in pieces.
    partial: Vec<u8>,
    /// Of a subscriber: where it is.
    cursor: u64,
    is_blocked: bool,
    topic: Option<usize>,
}

#[derive(Default)]
struct Topic {
    bytes: Vec<u8>,
    /// Bytes that were dropped before the first one here.
    base: u64,
    /// Ends of events since the last sweep.
    ends: Vec<u64>,
    subscribers: Vec<usize>,
    is_dirty: bool,
}

struct Floor {
    poll: OwnedFd,
    is_one_send: bool,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    names: HashMap<Vec<u8>, usize>,
    topics: Vec<Topic>,
    dirty: Vec<usize>,
    events: u64,
}

fn main() -> Result<()> {
    let is_one_send = match std::env::args().nth(1).as_deref() {
        Some("cursor") => false,
        Some("one-send") => true,
        _ => bail!("say `cursor` or `one-send`"),
    };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    // The standard library asks for a short queue.
    rustix::net::listen(&listener, 4_096)?;
    println!("http://{}", listener.local_addr()?);
    let mut floor = Floor {
        poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        is_one_send,
        connections: Vec::new(),
        free: Vec::new(),
        names: HashMap::new(),
        topics: Vec::new(),
        dirty: Vec::new(),
        events: 0,
    };
    let word = epoll::EventData::new_u64(LISTENER);
    epoll::add(&floor.poll, &listener, word, EventFlags::IN)?;
    let mut ready: Vec<epoll::Event> = Vec::with_capacity(READY_MAX);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        ready.clear();
        match epoll::wait(&floor.poll, spare_capacity(&mut ready), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &ready {
            match event.data.u64() {
                LISTENER => floor.accept(&listener)?,
                number => floor.serve(number as usize, event.flags, &mut buffer)?,
            }
        }
        floor.sweep();
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) -> Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        while let Ok(socket) = accept_with(listener, flags) {
            sockopt::set_tcp_nodelay(&socket, true)?;
            let number = self.free.pop().unwrap_or(self.connections.len());
            if number == self.connections.len() {
                self.connections.push(None);
            }
            let word = epoll::EventData::new_u64(number as u64);
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.poll, socket.as_fd(), word, flags)?;
            self.connections[number] = Some(Connection {
                socket,
                partial: Vec::new(),
                cursor: 0,
                is_blocked: false,
                topic: None,
            });
        }
        Ok(())
    }

    fn serve(&mut self, number: usize, flags: EventFlags, buffer: &mut [u8]) -> Result<()> {
        let Some(connection) = &mut self.connections[number] else {
            return Ok(());
        };
        if connection.is_blocked && flags.contains(EventFlags::OUT) {
            connection.is_blocked = false;
            self.flush(number);
        }
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP) {
            self.read(number, buffer)?;
        }
        Ok(())
    }

    fn read(&mut self, number: usize, buffer: &mut [u8]) -> Result<()> {
        loop {
            let Some(connection) = &mut self.connections[number] else {
                return Ok(());
            };
            let read = match recv(&connection.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((_, 0)) => 0,
                Ok((_, read)) => read,
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => 0,
            };
            if read == 0 {
                self.close(number);
                return Ok(());
            }
            let mut partial = std::mem::take(&mut connection.partial);
            if partial.is_empty() {
                partial = self.take(number, &buffer[..read])?;
            } else {
                partial.extend_from_slice(&buffer[..read]);
                partial = self.take(number, &partial)?;
            }
            if let Some(connection) = &mut self.connections[number] {
                connection.partial = partial;
            }
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Takes whole requests, and gives back what is left.
    fn take(&mut self, number: usize, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut rest = bytes;
        while let Some(end) = memmem::find(rest, b"\r\n\r\n") {
            let (head, body) = (&rest[..end], &rest[end + 4..]);
            let path = head.split(|byte| *byte == b' ').nth(1).context("no path")?;
            let (path, query) = match memchr::memchr(b'?', path) {
                Some(at) => path.split_at(at),
                None => (path, &[][..]),
            };
            let topic = self.topic(path);
            if head.starts_with(b"G") {
                self.subscribe(number, topic, memmem::find(query, b"history=all").is_some());
                return Ok(Vec::new());
            }
            let length = length(head).context("no length")?;
            let Some(event) = body.get(..length) else {
                break;
            };
            self.publish(topic, event);
            if let Some(connection) = &self.connections[number] {
                // A publisher that has hung up is noticed by its read.
                send(&connection.socket, STORED, SendFlags::NOSIGNAL).ok();
            }
            rest = &body[length..];
        }
        Ok(rest.to_vec())
    }

    fn topic(&mut self, path: &[u8]) -> usize {
        if let Some(topic) = self.names.get(path) {
            return *topic;
        }
        self.topics.push(Topic::default());
        self.names.insert(path.to_vec(), self.topics.len() - 1);
        self.topics.len() - 1
    }

    fn subscribe(&mut self, number: usize, topic: usize, is_from_start: bool) {
        let of = &mut self.topics[topic];
        if let Some(connection) = &mut self.connections[number] {
            send(&connection.socket, ACCEPTED, SendFlags::NOSIGNAL).ok();
            connection.topic = Some(topic);
            let tail = of.base + of.bytes.len() as u64;
            connection.cursor = if is_from_start { of.base } else { tail };
            of.subscribers.push(number);
            self.flush(number);
        }
    }

    fn publish(&mut self, topic: usize, event: &[u8]) {
        self.events += 1;
        let of = &mut self.topics[topic];
        if of.bytes.len() > KEPT_BYTES {
            let dropped = KEPT_BYTES / 2;
            of.bytes.drain(..dropped);
            of.base += dropped as u64;
        }
        let id = format!("id: floor0-{}\ndata: ", self.events);
        of.bytes.extend_from_slice(id.as_bytes());
        of.bytes.extend_from_slice(event);
        of.bytes.extend_from_slice(b"\n\n");
        of.ends.push(of.base + of.bytes.len() as u64);
        if !of.is_dirty {
            of.is_dirty = true;
            self.dirty.push(topic);
        }
    }

    /// Sends what was published to all who wait for it.
    fn sweep(&mut self) {
        while let Some(topic) = self.dirty.pop() {
            self.topics[topic].is_dirty = false;
            let subscribers = std::mem::take(&mut self.topics[topic].subscribers);
            let ends = std::mem::take(&mut self.topics[topic].ends);
            let rounds: Vec<_> = match self.is_one_send {
                true => ends.iter().copied().map(Some).collect(),
                false => vec![None],
            };
            for end in rounds {
                let numbers = subscribers.iter();
                numbers.for_each(|number| self.send(*number, topic, end));
            }
            self.topics[topic].subscribers = subscribers;
            self.topics[topic].ends = ends;
            self.topics[topic].ends.clear();
        }
    }

    fn flush(&mut self, number: usize) {
        let topic = self.connections[number].as_ref().and_then(|it| it.topic);
        if let Some(topic) = topic {
            self.send(number, topic, None);
        }
    }

    /// Sends from the cursor on, up to an end.
    fn send(&mut self, number: usize, topic: usize, end: Option<u64>) {
        let of = &self.topics[topic];
        let tail = of.base + of.bytes.len() as u64;
        let Some(connection) = &mut self.connections[number] else {
            return;
        };
        let end = end.unwrap_or(tail);
        while !connection.is_blocked && connection.cursor < end {
            connection.cursor = connection.cursor.max(of.base);
            let from = (connection.cursor - of.base) as usize;
            let to = ((end - of.base) as usize).min(from + SEND_BYTES_MAX);
            match send(&connection.socket, &of.bytes[from..to], SendFlags::NOSIGNAL) {
                Ok(sent) => connection.cursor += sent as u64,
                Err(Errno::AGAIN) => connection.is_blocked = true,
                // The read that follows closes it.
                Err(_) => return,
            }
        }
    }

    fn close(&mut self, number: usize) {
        let Some(connection) = self.connections[number].take() else {
            return;
        };
        if let Some(topic) = connection.topic {
            let subscribers = &mut self.topics[topic].subscribers;
            if let Some(at) = subscribers.iter().position(|it| *it == number) {
                subscribers.swap_remove(at);
            }
        }
        self.free.push(number);
    }
}

fn length(head: &[u8]) -> Option<usize> {
    let at = memmem::find(head, b"ength: ")? + "ength: ".len();
    let digits = head.get(at..)?;
    let end = memchr::memchr(b'\r', digits).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}
