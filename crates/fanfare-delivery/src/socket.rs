//! System calls on sockets that do not block.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, acceptfrom_with, recv, send, sendmsg,
    sockopt,
};
use socket2::SockRef;

/// What a socket did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// So many bytes were moved; at the end of the input none.
    Bytes(usize),
    /// It can take or give nothing now.
    Blocked,
    /// It is of no use any more.
    Broken,
}

fn moved(result: Result<usize, Errno>) -> Moved {
    match result {
        Ok(bytes) => Moved::Bytes(bytes),
        Err(Errno::AGAIN) => Moved::Blocked,
        Err(_) => Moved::Broken,
    }
}

/// Sends what the socket takes.
pub(crate) fn send_some(socket: &TcpStream, bytes: &[u8]) -> Moved {
    moved(rustix::io::retry_on_intr(|| {
        send(socket, bytes, SendFlags::NOSIGNAL)
    }))
}

/// Sends what the socket takes of several pieces, at most 1,024 (IOV_MAX).
pub(crate) fn send_pieces(socket: &TcpStream, pieces: &[IoSlice<'_>]) -> Moved {
    moved(rustix::io::retry_on_intr(|| {
        let mut control = SendAncillaryBuffer::default();
        sendmsg(socket, pieces, &mut control, SendFlags::NOSIGNAL)
    }))
}

/// Receives what is there, into the spare room of the buffer.
pub(crate) fn receive(socket: &TcpStream, into: &mut Vec<u8>) -> Moved {
    moved(rustix::io::retry_on_intr(|| {
        recv(socket, spare_capacity(into), RecvFlags::empty()).map(|(received, _)| received)
    }))
}

/// Sets how many connections may wait to be accepted.
pub(crate) fn listen(listener: &impl AsFd, backlog: i32) -> io::Result<()> {
    Ok(rustix::net::listen(listener, backlog)?)
}

/// Accepts a connection that does not block, and says from where it is.
pub(crate) fn accept(listener: &OwnedFd) -> io::Result<(TcpStream, IpAddr)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (socket, peer) = rustix::io::retry_on_intr(|| acceptfrom_with(listener, flags))?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    // Listeners are TCP, whose connections are all from an address.
    let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((TcpStream::from(socket), peer.ip()))
}

/// Whether the trouble is that of the one connection that was to be accepted (accept(2)).
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Bytes that the kernel keeps for a peer whose window is shut: enough that one which reads never
/// waits for them, and what is on its way already does not count. Left to itself the kernel takes
/// up to 4 MiB for each (`net.ipv4.tcp_wmem`), until peers that do not read have used up the
/// memory of all sockets (`net.ipv4.tcp_mem`) and it drops what those that do read are sent.
const UNSENT_BYTES: u32 = 128 << 10;

/// Events are small and shall leave at once; a peer that is gone shall be noticed, and one that
/// does not read shall take no memory from the others. For a connection, or for a listener whose
/// connections inherit it.
///
/// # Errors
/// Those of setsockopt(2).
pub fn prepare(socket: &impl AsFd, peer_silence: Duration) -> io::Result<()> {
    let fd = socket.as_fd();
    sockopt::set_tcp_nodelay(fd, true)?;
    sockopt::set_socket_keepalive(fd, true)?;
    sockopt::set_tcp_keepidle(fd, peer_silence)?;
    sockopt::set_tcp_keepintvl(fd, peer_silence / 4)?;
    // Covers what keep-alive does not: sent bytes that nobody acknowledges, and a window that
    // stays shut (tcp(7), TCP_USER_TIMEOUT).
    let silence_ms = u32::try_from(peer_silence.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(fd, silence_ms)?;
    // tcp(7), TCP_NOTSENT_LOWAT.
    SockRef::from(&fd).set_tcp_notsent_lowat(UNSENT_BYTES)
}
