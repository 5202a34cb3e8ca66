//! Connections to a hub: TCP, TLS for `https://`, and HTTP/1.1 on top; knows no topic and no event.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::address::{Origin, Target};
use crate::loss::Loss;
use crate::problem::{BODY_BYTES_MAX, Problem};

/// How long making a connection may take, TLS included. A phone on a bad network needs 3 s.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Idle connections that are kept. Publishers of one process rarely send more at once.
const IDLE_MAX: usize = 4;

/// What this client calls itself.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("fanfare-client/", env!("CARGO_PKG_VERSION")));

pub(crate) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// Opens connections and keeps a few for the next request.
#[derive(Debug, Default)]
pub(crate) struct Transport {
    /// Made when the first `https://` is opened, for reading the system's roots takes a while.
    tls: OnceLock<Arc<ClientConfig>>,
    idle: Mutex<Vec<Connection>>,
}

/// One HTTP/1.1 connection; dropping it closes the socket.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<RequestBody>,
    origin: Origin,
    /// Whether a request went over it before, so that it may have been closed meanwhile.
    pub(crate) is_reused: bool,
    /// The task that reads and writes the socket; it ends with the connection.
    _driver: JoinSet<()>,
}

impl Transport {
    /// Speaks TLS as `config` says instead of trusting the system's roots.
    pub(crate) fn with_tls(config: Arc<ClientConfig>) -> Self {
        Self {
            tls: OnceLock::from(config),
            idle: Mutex::default(),
        }
    }

    /// Opens a connection.
    pub(crate) async fn open(&self, origin: &Origin) -> Result<Connection, Loss> {
        let opened = timeout(CONNECT_MAX, self.open_io(origin)).await;
        let opened = opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        opened.map_err(|cause| Loss::Unreachable {
            address: origin.to_string(),
            cause: Arc::new(cause),
        })
    }

    async fn open_io(&self, origin: &Origin) -> io::Result<Connection> {
        let tcp = TcpStream::connect((origin.host(), origin.port())).await?;
        tcp.set_nodelay(true)?;
        if !origin.is_tls {
            return Connection::start(tcp, origin).await;
        }
        let name = ServerName::try_from(origin.host().to_owned()).map_err(io::Error::other)?;
        let tls = TlsConnector::from(self.tls()?).connect(name, tcp).await?;
        Connection::start(tls, origin).await
    }

    fn tls(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let config = system_tls()?;
        Ok(self.tls.get_or_init(|| config).clone())
    }

    /// Takes an idle connection that still lives, or opens one.
    pub(crate) async fn take(&self, origin: &Origin) -> Result<Connection, Loss> {
        while let Some(mut connection) = self.idle_for(origin) {
            if connection.sender.ready().await.is_ok() {
                connection.is_reused = true;
                return Ok(connection);
            }
        }
        self.open(origin).await
    }

    fn idle_for(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop_if(|connection| connection.origin == *origin)
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(crate) fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.sender.is_closed() {
            idle.push(connection);
        }
    }
}

impl Connection {
    async fn start<T>(io: T, origin: &Origin) -> io::Result<Self>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(io))
            .await
            .map_err(io::Error::other)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // The request or the body under way reports the failure; there is no other reader.
            drop(connection.await);
        });
        Ok(Self {
            sender,
            origin: origin.clone(),
            is_reused: false,
            _driver: driver,
        })
    }

    /// Sends a request whose path and own fields are set; the fields of every request are added.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let fields = request.headers_mut();
        if let Some(host) = self.origin.host_field() {
            fields.insert(header::HOST, host);
        }
        fields.insert(header::USER_AGENT, USER_AGENT);
        self.sender.send_request(request).await
    }
}

/// A request builder for a target.
pub(crate) fn request(method: http::Method, target: &Target) -> http::request::Builder {
    Request::builder().method(method).uri(target.path.as_str())
}

/// Reads the body of an answer that is no stream: at most [`BODY_BYTES_MAX`], the rest is left.
pub(crate) async fn read_body(body: &mut Incoming) -> Result<Bytes, hyper::Error> {
    let mut bytes = BytesMut::new();
    while bytes.len() < BODY_BYTES_MAX {
        let Some(frame) = body.frame().await.transpose()? else {
            break;
        };
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |it| it));
    }
    Ok(bytes.freeze())
}

/// Reads a refusal. What its body lacks, the status says.
pub(crate) async fn read_problem(response: Response<Incoming>) -> Problem {
    let (head, mut body) = response.into_parts();
    let text = read_body(&mut body).await.unwrap_or_default();
    Problem::read(head.status, &head.headers, &text, SystemTime::now())
}

/// TLS with the roots that the operating system (or `SSL_CERT_FILE`) trusts.
fn system_tls() -> io::Result<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(io::Error::other(
            "this system has no trusted TLS certificates",
        ));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
