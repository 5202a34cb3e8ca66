//! The client over TLS, with a certificate made for the test.

use std::sync::Arc;

use fanfare_client::{Client, Loss, PublishError, RetryPolicy, Update};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::script::{Act, HEAD, Read, answer, perform, stream};

/// Plays one list of acts for each TLS connection; answers the port and the certificate.
async fn play(connections: Vec<Vec<Act>>) -> (u16, CertificateDer<'static>, JoinSet<()>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (report, _reports) = unbounded_channel();
        for acts in connections {
            let (socket, _) = listener.accept().await.unwrap();
            if let Ok(socket) = acceptor.accept(socket).await {
                perform(socket, acts, &report).await;
            }
        }
    });
    (port, certificate, tasks)
}

fn trusting(certificate: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(
        config
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

#[tokio::test]
async fn publishing_and_following_work_over_tls() {
    let stored = answer(201, "", r#"{"topic":"chat","id":"e-1","count":1}"#);
    let turns = vec![
        vec![Read("hello"), stored],
        vec![HEAD, stream("data: hello\n\n")],
    ];
    let (port, certificate, _tasks) = play(turns).await;
    let client = Client::new(&format!("https://localhost:{port}"))
        .unwrap()
        .with_tls(trusting(certificate));
    assert_eq!(client.publish("chat", "hello").await.unwrap().id, "e-1");
    let mut subscriber = client.subscribe("chat").open().unwrap();
    assert!(matches!(subscriber.next().await, Some(Ok(Update::Opened))));
    let Some(Ok(Update::Event(event))) = subscriber.next().await else {
        panic!("no event")
    };
    assert_eq!(event.data, "hello");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (port, _, _tasks) = play(vec![vec![]]).await;
    let (_, other, _others) = play(vec![]).await;
    let client = Client::new(&format!("https://localhost:{port}"))
        .unwrap()
        .with_tls(trusting(other));
    let error = client
        .publish("chat", "x")
        .retry(RetryPolicy::at_most(0))
        .await
        .unwrap_err();
    assert!(
        matches!(error, PublishError::Lost(Loss::Unreachable { .. })),
        "{error}"
    );
}
