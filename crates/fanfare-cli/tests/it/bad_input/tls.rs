//! The TLS door: bytes that are no handshake, and bad requests inside a good one.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::hub::Hub;
use super::report::Trial;
use super::request;
use super::wire::{connect, read_answer, read_to_end, send};

/// A certificate of this test, and a client that trusts it.
pub(super) struct Twin {
    folder: PathBuf,
    roots: RootCertStore,
}

impl Twin {
    pub(super) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let name = format!(
            "fanfare-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        Self { folder, roots }
    }

    /// Options that have a hub use the certificate.
    pub(super) fn options(&self) -> [String; 4] {
        let path = |file| self.folder.join(file).to_str().unwrap().to_owned();
        [
            "--tls-cert".into(),
            path("cert.pem"),
            "--tls-key".into(),
            path("key.pem"),
        ]
    }

    fn client(&self, protocol: &str) -> ClientConnection {
        let mut config = ClientConfig::builder()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        ClientConnection::new(Arc::new(config), name).unwrap()
    }

    /// A connection after its handshake.
    pub(super) fn connect(
        &self,
        address: SocketAddr,
        protocol: &str,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let mut stream = StreamOwned::new(self.client(protocol), connect(address));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        stream
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The first bytes of a handshake.
pub(super) fn client_hello() -> Vec<u8> {
    let twin = Twin::new();
    let mut hello = Vec::new();
    twin.client("h2").write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn what_is_no_handshake_is_answered_with_an_alert() {
    let trial = Trial::at("TLS");
    let hello = client_hello();
    let mut wrong_version = hello.clone();
    wrong_version[9..11].fill(9);
    let mut wrong_length = hello.clone();
    wrong_length[6..9].fill(0xff);
    let bytes: Vec<u8> = (0..=255).collect();
    for (name, sent) in [
        ("plain HTTP", request("GET", "/a", "", b"")),
        ("every byte there is", bytes),
        ("256 KiB of NUL", vec![0; 256 << 10]),
        ("256 KiB of 0xFF", vec![0xff; 256 << 10]),
        ("a hello of no version", wrong_version),
        ("a hello of 16 MB", wrong_length),
        ("an alert", vec![21, 3, 3, 0, 2, 2, 40]),
        ("data before the handshake", vec![23, 3, 3, 0, 1, 0]),
        (
            "a record of 64 KiB",
            [&[22, 3, 1, 0xff, 0xff][..], &[1; 65_535]].concat(),
        ),
        ("two hellos", [&hello[..], &hello].concat()),
    ] {
        let answer = trial.case(name, |hub| {
            let mut socket = connect(hub.tls.unwrap());
            send(&mut socket, &sent);
            // Whoever waits for the rest of a record waits no longer than the peer sends.
            drop(socket.shutdown(std::net::Shutdown::Write));
            let bytes = read_to_end(&mut socket);
            let alert = bytes
                .iter()
                .position(|byte| *byte == 21)
                .and_then(|at| bytes.get(at + 6));
            match alert {
                Some(alert) => format!("alert {alert}, closed"),
                None => "closed".to_owned(),
            }
        });
        assert!(answer.ends_with("closed"), "{name}: {answer}");
    }
    trial.end(16 << 10, &[]);
}

#[test]
fn tls_changes_nothing_about_what_is_refused() {
    let twin = Twin::new();
    let trial = Trial::of("TLS", Hub::dev(&twin.options()));
    for (name, sent, wanted) in [
        (
            "POST /a/../b",
            request("POST", "/a/../b", "", b"x"),
            "400 bad_topic",
        ),
        (
            "a NUL in the topic",
            request("POST", "/a%00", "", b"x"),
            "400 bad_topic",
        ),
        (
            "not UTF-8",
            request("POST", "/a", "", b"\xff"),
            "400 bad_body",
        ),
        (
            "5 GB, announced",
            request("POST", "/a", "Content-Length: 5368709120\r\n", b""),
            "413 body_too_large",
        ),
        ("every byte there is", (0..=255).collect(), "400, closed"),
    ] {
        let answer = trial.case(name, |hub| {
            let mut stream = twin.connect(hub.tls.unwrap(), "http/1.1");
            send(&mut stream, &sent);
            read_answer(&mut stream).as_text()
        });
        assert_eq!(answer, wanted, "{name}");
    }
    trial.end(16 << 10, &[]);
}
