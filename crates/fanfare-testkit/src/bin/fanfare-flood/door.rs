//! Connections to the hub, with and without TLS, and with small receive buffers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// Bytes in both directions, whatever lies below.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// What a client and a server agree to speak over TLS (RFC 7301).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Where a hub listens, and how one gets in.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    roots: Option<RootCertStore>,
}

impl Door {
    pub(crate) fn new(address: SocketAddr, roots: Option<RootCertStore>) -> Self {
        Self { address, roots }
    }

    /// A connection that is ready for requests.
    pub(crate) async fn enter(&self, protocol: Protocol) -> io::Result<Box<dyn Wire>> {
        let socket = self.knock().await?;
        if self.roots.is_none() {
            return Ok(Box::new(socket));
        }
        let connector = TlsConnector::from(Arc::new(self.tls(protocol)));
        let stream = connector.connect(server_name(), socket).await?;
        Ok(Box::new(stream))
    }

    /// A connection on which nothing was said.
    pub(crate) async fn knock(&self) -> io::Result<TcpStream> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// The same with a receive buffer of so many bytes.
    pub(crate) async fn knock_narrowly(&self, bytes: u32) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(bytes)?;
        socket.connect(self.address).await
    }

    /// The first bytes of a handshake.
    pub(crate) fn client_hello(&self) -> Vec<u8> {
        let config = Arc::new(self.tls(Protocol::Http2));
        let mut hello = Vec::new();
        let mut client = ClientConnection::new(config, server_name()).unwrap();
        client.write_tls(&mut hello).unwrap();
        hello
    }

    fn tls(&self, protocol: Protocol) -> ClientConfig {
        let roots = self.roots.clone().expect("the hub was started with TLS");
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name: &[u8] = match protocol {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
        };
        config.alpn_protocols = vec![name.to_vec()];
        config
    }
}

fn server_name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Sends everything, also what TLS would hold back.
pub(crate) async fn send(wire: &mut dyn Wire, bytes: &[u8]) -> io::Result<()> {
    wire.write_all(bytes).await?;
    wire.flush().await
}
