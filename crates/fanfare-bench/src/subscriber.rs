//! One subscriber: its socket, how far it is, and what it received.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SendFlags, SocketFlags, SocketType, sockopt};

use crate::ledger::Course;
use crate::stream::Stream;

/// Addresses of this machine that subscribers come from in turns: each has ports of its own, of
/// which some 28,000 are free at once and none for a minute after a connection. Enough for a
/// million subscribers where 64,000 are free, and half of them still free, or looking for one
/// takes long.
const SOURCES: u32 = 32;

/// How far a subscriber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The socket connects, or is connected and has asked nothing.
    Silent,
    /// It has asked.
    Asked,
    /// The server has accepted it.
    Open,
    /// The server hung up, or it did.
    Closed,
}

/// One subscriber.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// None when it has hung up.
    pub(crate) socket: Option<OwnedFd>,
    pub(crate) stream: Stream,
    pub(crate) course: Course,
    pub(crate) topic: u32,
    pub(crate) phase: Phase,
    /// It reads nothing once it is open.
    pub(crate) is_stalled: bool,
    /// It has received something since it came back.
    pub(crate) is_live: bool,
}

impl Subscriber {
    pub(crate) fn new(topic: u32, course: Course) -> Self {
        Self {
            socket: None,
            stream: Stream::new(),
            course,
            topic,
            phase: Phase::Closed,
            is_stalled: false,
            is_live: false,
        }
    }

    /// Sends the request, which a fresh socket always takes whole.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<()> {
        let socket = self
            .socket
            .as_ref()
            .context("a subscriber without a socket")?;
        let sent = net::send(socket, request, SendFlags::NOSIGNAL)?;
        anyhow::ensure!(
            sent == request.len(),
            "a request of {sent} bytes is too long"
        );
        self.phase = Phase::Asked;
        Ok(())
    }
}

/// Begins to connect the subscriber of this number.
pub(crate) fn connect(
    number: u32,
    to: SocketAddr,
    receive_bytes: Option<usize>,
) -> Result<OwnedFd> {
    let socket = socket(to)?;
    if let Some(bytes) = receive_bytes {
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    if let SocketAddr::V4(v4) = to
        && v4.ip().is_loopback()
    {
        let source = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + number % SOURCES);
        net::bind(&socket, &SocketAddrV4::new(source, 0))
            .with_context(|| format!("no port of {source} is free"))?;
    }
    match net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(Errno::ADDRNOTAVAIL) => bail!(
            "no port is free for a connection to {to}: widen net.ipv4.ip_local_port_range, or open fewer subscribers"
        ),
        Err(error) => Err(error).with_context(|| format!("cannot connect to {to}")),
    }
}

/// A socket that never waits.
pub(crate) fn socket(to: SocketAddr) -> Result<OwnedFd> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None);
    socket.context("no further socket: raise the limit of open files (ulimit -n)")
}

/// Hangs up so that the port is free at once.
pub(crate) fn reset(socket: OwnedFd) {
    // Where that is refused, the port is free a minute later.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).ok();
    drop(socket);
}
