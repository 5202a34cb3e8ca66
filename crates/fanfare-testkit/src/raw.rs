//! A socket on which every byte is the test's.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::expect;
use crate::hub::Address;

/// A TCP connection with a memory of what it read.
pub struct RawConnection {
    socket: TcpStream,
    read: Vec<u8>,
}

impl RawConnection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn open(address: Address) -> Self {
        let socket = expect("a connection", TcpStream::connect(address.0));
        Self::over(socket.await.unwrap())
    }

    /// Connects with a receive buffer of a fixed size, which a kernel otherwise lets grow as it
    /// likes: what the server may have on its way is known then.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn open_narrow(address: Address, buffer_bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(buffer_bytes).unwrap();
        let socket = expect("a connection", socket.connect(address.0));
        Self::over(socket.await.unwrap())
    }

    fn over(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        Self {
            socket,
            read: Vec::new(),
        }
    }

    /// The client's end.
    ///
    /// # Panics
    /// When the socket is none any more.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Sends these bytes at once.
    ///
    /// # Panics
    /// When the server has hung up.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let sent = self.socket.write_all(bytes.as_ref());
        expect("room to write", sent).await.unwrap();
        self
    }

    /// Sends these bytes and waits for the beginning of an answer; `false` when the server hangs up
    /// instead.
    pub async fn is_answered(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = self.socket.write_all(bytes.as_ref());
        expect("room to write", sent).await.is_ok() && self.read_more("an answer").await
    }

    /// Reads up to and including a text and returns everything before and with it. What was read
    /// beyond is kept.
    ///
    /// # Panics
    /// When the server hangs up before.
    pub async fn read_through(&mut self, text: &str) -> String {
        let end = loop {
            if let Some(start) = find(&self.read, text.as_bytes()) {
                break start + text.len();
            }
            assert!(self.read_more(text).await, "the end instead of {text:?}");
        };
        let rest = self.read.split_off(end);
        let whole = std::mem::replace(&mut self.read, rest);
        String::from_utf8(whole).unwrap()
    }

    /// Reads a block of an event stream, without the chunks that it may come in: the lines around a
    /// chunk end in CRLF, those of the hub's blocks in LF.
    pub async fn read_block(&mut self) -> String {
        let read = self.read_through("\n\n").await;
        let lines = read.split_inclusive('\n');
        lines.filter(|line| !line.ends_with("\r\n")).collect()
    }

    /// Reads until the server hangs up and returns what came.
    pub async fn read_to_end(&mut self) -> String {
        while self.read_more("the end").await {}
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    /// Reads what there is; `false` at the end, also at one that is not polite.
    async fn read_more(&mut self, what: &str) -> bool {
        let read = expect(what, self.socket.read_buf(&mut self.read)).await;
        read.is_ok_and(|len| len > 0)
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
