//! TLS and HTTP/2: many streams over few connections, by a client of its own, since the load engine
//! speaks HTTP/1.1 without TLS. What it receives is checked by the same rules.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use fanfare_bench::scenario::{Figures, Setting};
use fanfare_bench::{Board, Follower, usage};
use h2::client::SendRequest;
use http::Request;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

/// Streams over connections, with so many publish requests in flight over one more.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    pub streams: usize,
    pub connections: usize,
    pub in_flight: u32,
}

/// A server that is silent for so long delivers nothing more.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);
/// No window of a client shall be what limits.
const WINDOW_BYTES: u32 = 8 << 20;

/// Where the certificate and its key are.
pub struct Certificate {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// Makes a certificate that nobody but this benchmark takes.
pub fn certificate(dir: &Path) -> Result<Certificate> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (chain, key) = (dir.join("chain.pem"), dir.join("key.pem"));
    fs::write(&chain, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    Ok(Certificate { chain, key })
}

struct Shared {
    board: Board,
    followers: Vec<Follower>,
    begin: Instant,
    is_publishing: bool,
    in_flight: u32,
    stored: u64,
    refused: u64,
}

impl Shared {
    fn now_ns(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    fn missing(&self) -> u64 {
        let missing = self.followers.iter().map(|it| it.missing(&self.board));
        missing.sum()
    }
}

type Seen = Rc<RefCell<Shared>>;

impl Streams {
    pub fn run(&self, setting: &Setting) -> Result<Figures> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        LocalSet::new().block_on(&runtime, self.measure(setting))
    }

    async fn measure(&self, setting: &Setting) -> Result<Figures> {
        let shared = Rc::new(RefCell::new(Shared {
            board: Board::new(&setting.target.publish, 2, setting.payload_bytes),
            followers: (0..self.streams).map(|_| Follower::default()).collect(),
            begin: Instant::now(),
            is_publishing: true,
            in_flight: 0,
            stored: 0,
            refused: 0,
        }));
        let each = self.streams / self.connections;
        let mut connections = Vec::new();
        for connection in 0..self.connections {
            let mut sender = connect(setting).await?;
            for number in 0..each {
                let number = connection * each + number;
                subscribe(&mut sender, setting, &shared, number).await?;
            }
            connections.push(sender);
        }
        let sender = connect(setting).await?;
        for publisher in 0..self.in_flight {
            let (sender, shared) = (sender.clone(), Rc::clone(&shared));
            tokio::task::spawn_local(publish(sender, setting.clone(), shared, publisher));
        }
        sleep(setting.warm_up).await;
        let has_begun = |shared: &Seen| shared.borrow().followers.iter().all(Follower::has_begun);
        timeout(SETTLE_WITHIN, async {
            while !has_begun(&shared) {
                sleep(LOOK).await;
            }
        })
        .await
        .context("some streams received nothing")?;
        self.count(setting, &shared).await
    }

    async fn count(&self, setting: &Setting, shared: &Seen) -> Result<Figures> {
        let moment = || {
            let shared = shared.borrow();
            (shared.board.tally().deliveries, shared.stored)
        };
        let (begin, before) = (Instant::now(), moment());
        let (server, own) = (usage::cpu(&setting.pids)?, usage::own_cpu()?);
        sleep(setting.counted).await;
        let (span, after) = (begin.elapsed().as_secs_f64(), moment());
        let server = (usage::cpu(&setting.pids)? - server).as_secs_f64();
        let own = (usage::own_cpu()? - own).as_secs_f64();
        let memory = usage::memory(&setting.pids)?;
        shared.borrow_mut().is_publishing = false;
        let end = Instant::now();
        while end.elapsed() < SETTLE_WITHIN {
            let is_settled = {
                let shared = shared.borrow();
                shared.in_flight == 0 && shared.missing() == 0
            };
            if is_settled {
                break;
            }
            sleep(LOOK).await;
        }
        let shared = shared.borrow();
        let deliveries = after.0 - before.0;
        Ok(Figures {
            counted_s: span,
            deliveries_per_s: Some(deliveries as f64 / span),
            events_per_s: Some((after.1 - before.1) as f64 / span),
            cpu_us: Some(server * 1e6 / deliveries as f64),
            server_cores: Some(server / span),
            load_cores: Some(own / span),
            latency_ms: shared.board.latencies().percentiles(),
            memory_bytes: Some(memory as f64),
            deliveries,
            tally: shared.board.tally(),
            missing: shared.missing(),
            refused: shared.refused,
            ..Figures::default()
        })
    }
}

async fn connect(setting: &Setting) -> Result<SendRequest<Bytes>> {
    let socket = TcpStream::connect(setting.target.subscribe.address).await?;
    socket.set_nodelay(true)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost")?;
    let tls = TlsConnector::from(Arc::new(config));
    let socket = tls.connect(name, socket).await?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WINDOW_BYTES);
    builder.initial_connection_window_size(16 * WINDOW_BYTES);
    let (sender, connection) = builder.handshake(socket).await?;
    tokio::task::spawn_local(async move { connection.await.ok() });
    Ok(sender.ready().await?)
}

fn request(setting: &Setting, method: &str, path: &str) -> Result<Request<()>> {
    let path = path.replace("{topic}", "000000");
    let uri = format!("https://{}{path}", setting.target.subscribe.host);
    let accept = Request::builder().method(method).uri(uri);
    Ok(accept.header("accept", "text/event-stream").body(())?)
}

async fn subscribe(
    sender: &mut SendRequest<Bytes>,
    setting: &Setting,
    shared: &Seen,
    number: usize,
) -> Result<()> {
    let request = request(setting, "GET", &setting.target.subscribe.path)?;
    *sender = sender.clone().ready().await?;
    let (response, _) = sender.send_request(request, true)?;
    let response = response.await?;
    ensure!(
        response.status() == 200,
        "a stream got {}",
        response.status()
    );
    let mut body = response.into_body();
    let shared = Rc::clone(shared);
    tokio::task::spawn_local(async move {
        while let Some(Ok(piece)) = body.data().await {
            // The connection may have ended meanwhile.
            body.flow_control().release_capacity(piece.len()).ok();
            let mut shared = shared.borrow_mut();
            let now = shared.now_ns();
            let Shared {
                board, followers, ..
            } = &mut *shared;
            followers[number].take(&piece, board, now);
        }
    });
    Ok(())
}

async fn publish(
    sender: SendRequest<Bytes>,
    setting: Setting,
    shared: Seen,
    publisher: u32,
) -> Result<()> {
    while shared.borrow().is_publishing {
        let (number, body) = {
            let mut shared = shared.borrow_mut();
            shared.in_flight += 1;
            let now = shared.now_ns();
            shared.board.send(publisher, now)
        };
        let request = request(&setting, "POST", &setting.target.publish.path)?;
        let (response, mut stream) = sender.clone().ready().await?.send_request(request, false)?;
        stream.send_data(body.into(), true)?;
        let response = response.await?;
        let is_stored = response.status().is_success();
        let mut body = response.into_body();
        while let Some(Ok(piece)) = body.data().await {
            body.flow_control().release_capacity(piece.len()).ok();
        }
        let mut shared = shared.borrow_mut();
        shared.in_flight -= 1;
        if is_stored {
            shared.stored += 1;
            shared.board.store(number);
        } else {
            shared.refused += 1;
        }
    }
    Ok(())
}

/// The certificate was made a moment ago; who shows it does not matter here.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
