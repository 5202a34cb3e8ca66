//! The obvious hub on axum: a broadcast channel for each topic, and a stream of it for each
//! subscriber. `axum-hub` speaks HTTP/1.1, `axum-hub CERT KEY` TLS and HTTP/2.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, RwLock};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::{Stream, StreamExt};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{Sender, channel};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::BroadcastStream;

/// Events that a subscriber may be behind before it loses some.
const CAPACITY: usize = 16 * 1024;

#[derive(Clone, Default)]
struct Topics(Arc<RwLock<HashMap<String, Sender<Arc<str>>>>>);

impl Topics {
    fn sender(&self, topic: &str) -> Sender<Arc<str>> {
        if let Some(sender) = self.0.read().unwrap().get(topic) {
            return sender.clone();
        }
        let mut topics = self.0.write().unwrap();
        // A channel has all its room from the beginning; many topics get less of it.
        let capacity = if topics.is_empty() { CAPACITY } else { 64 };
        let sender = topics.entry(topic.to_owned());
        sender.or_insert_with(|| channel(capacity).0).clone()
    }
}

async fn publish(
    State(topics): State<Topics>,
    Path(topic): Path<String>,
    body: String,
) -> StatusCode {
    // Without a subscriber there is nobody to lose it.
    topics.sender(&topic).send(body.into()).ok();
    StatusCode::CREATED
}

async fn subscribe(
    State(topics): State<Topics>,
    Path(topic): Path<String>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = BroadcastStream::new(topics.sender(&topic).subscribe());
    let events = events.filter_map(|event| async move {
        let event = event.ok()?;
        Some(Ok(Event::default().data(event)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

#[tokio::main]
async fn main() -> Result<()> {
    let app = Router::new()
        .route("/{topic}", get(subscribe).post(publish))
        .with_state(Topics::default());
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(4_096)?;
    println!("http://{}", listener.local_addr()?);
    let mut args = std::env::args().skip(1);
    let Some(certificates) = args.next() else {
        return Ok(axum::serve(listener, app).await?);
    };
    let key = args.next().context("say where the key is")?;
    serve_tls(listener, app, &certificates, &key).await
}

async fn serve_tls(listener: TcpListener, app: Router, certs: &str, key: &str) -> Result<()> {
    let certs = CertificateDer::pem_file_iter(certs)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(certs, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (acceptor, app) = (acceptor.clone(), app.clone());
        tokio::spawn(async move {
            let Ok(socket) = acceptor.accept(socket).await else {
                return;
            };
            let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            builder.http2().max_concurrent_streams(1_000);
            let service = TowerToHyperService::new(app);
            let served = builder.serve_connection(TokioIo::new(socket), service);
            // A client that hangs up ends it.
            served.await.ok();
        });
    }
}
