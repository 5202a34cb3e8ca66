//! The hub behind a real nginx, with the configuration that `deploy/nginx` has.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::folder::DataFolder;
use crate::program::DEADLINE;

const CONFIG: &str = include_str!("../../../../deploy/nginx/fanfare.conf");

/// A hub and the nginx in front of it. Dropping it kills both.
struct Behind {
    hub: Child,
    nginx: Child,
    /// Where nginx listens.
    address: String,
    _folder: DataFolder,
}

impl Behind {
    fn start() -> Self {
        let folder = DataFolder::new();
        fs::create_dir(folder.path()).unwrap();
        let mut hub = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args([
                "serve",
                "--open",
                "--quiet",
                "--listen",
                "127.0.0.1:0",
                "--memory",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = hub.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let behind = line.trim().rsplit('/').next().unwrap();
        // nginx cannot tell which port the system chose: one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let address = address.to_string();
        let ours = CONFIG
            .replace("127.0.0.1:4000", behind)
            .replace("listen 80;", &format!("listen {address};"));
        assert!(ours.contains(behind) && ours.contains(&address), "{ours}");
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths = paths.map(|kind| format!("{kind}_temp_path {kind};"));
        let config = format!(
            "daemon off; pid pid; error_log stderr warn; events {{}}\nhttp {{ {}\n{ours} }}",
            paths.concat()
        );
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let nginx = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "stderr"])
            .spawn()
            .expect("nginx, which `cargo xtask test` installs");
        let mut behind = Self {
            hub,
            nginx,
            address,
            _folder: folder,
        };
        behind.wait();
        behind
    }

    fn wait(&mut self) {
        let began = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            let ended = self.nginx.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < DEADLINE, "{ended:?}");
            std::thread::yield_now();
        }
    }

    fn open(&self) -> Wire {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Wire {
            socket,
            host: self.address.clone(),
            unread: String::new(),
        }
    }

    /// The whole answer to a request.
    fn ask(&self, head: &str, body: &str) -> String {
        let mut wire = self.open();
        let length = body.len();
        wire.send(
            &format!("{head}Connection: close\r\nContent-Length: {length}\r\n"),
            body,
        );
        let mut answer = String::new();
        wire.socket.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        // Its worker ends with it, when it is told and not killed.
        let pid = self.nginx.id().to_string();
        drop(Command::new("kill").args(["-s", "TERM", &pid]).status());
        drop(self.nginx.wait());
        drop(self.hub.kill());
        drop(self.hub.wait());
    }
}

/// A connection that is read as far as is asked for.
struct Wire {
    socket: TcpStream,
    host: String,
    unread: String,
}

impl Wire {
    fn send(&mut self, head: &str, body: &str) {
        let (first, rest) = head.split_once("\r\n").unwrap();
        let request = format!("{first}\r\nHost: {}\r\n{rest}\r\n{body}", self.host);
        self.socket.write_all(request.as_bytes()).unwrap();
    }

    /// Reads up to and with this text, while the other side goes on.
    fn read_through(&mut self, text: &str) -> String {
        let mut bytes = [0; 4096];
        loop {
            if let Some(at) = self.unread.find(text) {
                let rest = self.unread.split_off(at + text.len());
                return std::mem::replace(&mut self.unread, rest);
            }
            let read = self.socket.read(&mut bytes);
            let read = read.unwrap_or_else(|error| panic!("{text:?}: {error}: {}", self.unread));
            assert!(read > 0, "no {text:?} in {:?}", self.unread);
            // Frames of a WebSocket may come right behind the head, and are no text.
            self.unread += &String::from_utf8_lossy(&bytes[..read]);
        }
    }
}

#[test]
fn what_the_hub_does_passes_through_a_real_nginx() {
    let behind = Behind::start();
    // A stream is there before anything is published, and each event at once.
    let mut stream = behind.open();
    stream.send("GET /a HTTP/1.1\r\nAccept: text/event-stream\r\n", "");
    let head = stream.read_through("\r\n\r\n").to_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("cache-control: no-cache, no-store"), "{head}");
    stream.read_through("retry: ");
    let stored = behind.ask("POST /a HTTP/1.1\r\n", "first");
    assert!(stored.starts_with("HTTP/1.1 201 "), "{stored}");
    stream.read_through("data: first\n\n");

    // A piped body passes line by line, while it is still open.
    let mut pipe = behind.open();
    pipe.send(
        "POST /a HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n",
        "7\r\nsecond\n\r\n",
    );
    let second = stream.read_through("data: second\n\n");
    pipe.socket.write_all(b"6\r\nthird\n\r\n").unwrap();
    stream.read_through("data: third\n\n");
    pipe.socket.write_all(b"0\r\n\r\n").unwrap();
    assert!(pipe.read_through("\r\n\r\n").starts_with("HTTP/1.1 201 "));

    // Who comes back with an id gets what it missed.
    let id = second.split("id: ").nth(1).unwrap().lines().next().unwrap();
    let mut resumed = behind.open();
    resumed.send(&format!("GET /a HTTP/1.1\r\nLast-Event-ID: {id}\r\n"), "");
    let missed = resumed.read_through("data: third\n\n");
    assert!(!missed.contains("data: second"), "{missed}");

    // The hub knows under which name it was asked.
    for (origin, status) in [(behind.address.as_str(), "201"), ("evil.example", "403")] {
        let head = format!("POST /b HTTP/1.1\r\nOrigin: http://{origin}\r\n");
        let answer = behind.ask(&head, "x");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }

    let mut socket = behind.open();
    socket.send(
        "GET /a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "",
    );
    let answer = socket.read_through("\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");

    for (path, status) in [
        ("/-/health/ready", "200"),
        ("/-/metrics", "404"),
        ("/-/topics", "404"),
    ] {
        let answer = behind.ask(&format!("GET {path} HTTP/1.1\r\n"), "");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{path}: {answer}");
    }
}
