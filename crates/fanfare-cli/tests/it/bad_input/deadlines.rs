//! Peers that say nothing, not enough, or one byte at a time. All of them wait at the same time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fanfare::{Hub as Library, Limits, Server};

use super::http2::{self, PREFACE, frame};
use super::hub::Hub;
use super::report::Trial;
use super::tls::Twin;
use super::wire::{connect, is_hang_up, read_answer, send};
use super::{request, tls};

/// The hub's bound for a first head and for a TLS handshake.
const DEADLINE: Duration = Duration::from_secs(10);
/// How much later the hang-up may be seen on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

/// What a peer does until the hub hangs up.
struct Silence {
    name: &'static str,
    /// Sent at once.
    start: Vec<u8>,
    /// Sent one byte a second.
    drip: Vec<u8>,
}

impl Silence {
    fn after(name: &'static str, start: impl Into<Vec<u8>>) -> Self {
        Self {
            name,
            start: start.into(),
            drip: Vec::new(),
        }
    }

    fn dripping(name: &'static str, start: &str) -> Self {
        Self {
            drip: vec![b'a'; 60],
            ..Self::after(name, start)
        }
    }
}

fn silences() -> Vec<Silence> {
    let settings = frame(4, 0, 0, b"");
    let open_head = frame(1, 0, 1, &http2::head("GET", "/a", &[]));
    vec![
        Silence::after("nothing at all", ""),
        Silence::after("P", "P"),
        Silence::after("PR", "PR"),
        Silence::after("PRI", "PRI"),
        Silence::after("half a head", "POST /a HTTP/1.1\r\nHost: x\r\n"),
        Silence::dripping(
            "a head, one byte a second",
            "GET /a HTTP/1.1\r\nHost: x\r\nX: ",
        ),
        Silence::dripping("a request line, one byte a second", "GET /"),
        Silence::after("half a preface of HTTP/2", &PREFACE[..20]),
        Silence::after("a preface of HTTP/2", PREFACE),
        Silence::after("HTTP/2 without a stream", [PREFACE, &settings].concat()),
        Silence::after(
            "HTTP/2 with a head that does not end",
            [PREFACE, &settings, &open_head].concat(),
        ),
        Silence::after(
            "a request, and then nothing",
            request("GET", "/-/health/live", "", b""),
        ),
    ]
}

#[test]
fn whoever_says_too_little_is_hung_up_on_in_time() {
    let twin = Twin::new();
    let trial = Trial::of("slow head", Hub::dev(&twin.options()));
    let (plain, secure) = (trial.hub.plain, trial.hub.tls.unwrap());
    let mut waits = Vec::new();
    for silence in silences() {
        let socket = connect(plain);
        waits.push((
            silence.name,
            thread::spawn(move || outlast(socket, &silence)),
        ));
    }
    let hello = tls::client_hello();
    for silence in [
        Silence::after("TLS: nothing at all", ""),
        Silence::after("TLS: one byte", [22]),
        Silence::after("TLS: half a hello", &hello[..hello.len() / 2]),
        Silence {
            drip: hello,
            ..Silence::after("TLS: a hello, one byte a second", "")
        },
    ] {
        let socket = connect(secure);
        waits.push((
            silence.name,
            thread::spawn(move || outlast(socket, &silence)),
        ));
    }
    for (name, protocol) in [
        ("TLS: a handshake, then nothing", "http/1.1"),
        ("TLS: the same for HTTP/2", "h2"),
    ] {
        let mut stream = twin.connect(secure, protocol);
        let start = Instant::now();
        waits.push((
            name,
            thread::spawn(move || {
                while stream.read(&mut [0; 4096]).is_ok_and(|len| len > 0) {}
                start.elapsed()
            }),
        ));
    }
    for (name, wait) in waits {
        let took = wait.join().unwrap();
        trial.case(name, |_| {
            format!("closed after {:.1} s", took.as_secs_f64())
        });
        assert!(
            took > DEADLINE / 2,
            "{name}: hung up on after only {took:?}"
        );
        assert!(took < DEADLINE + SLACK, "{name}: hung up on after {took:?}");
    }
    // Who says that nothing more comes is not waited for.
    let mut socket = connect(plain);
    send(&mut socket, b"P");
    socket.shutdown(Shutdown::Write).unwrap();
    trial.case("P and half a hang-up", |_| {
        let start = Instant::now();
        assert_eq!(read_answer(&mut socket).as_text(), "no answer, closed");
        assert!(start.elapsed() < SLACK, "{:?}", start.elapsed());
        format!("closed after {} ms", start.elapsed().as_millis())
    });
    // What is left: the neighbours, and the question itself.
    trial.hub.await_metric("fanfare_connections", 3, SLACK);
    trial.end(16 << 10, &[]);
}

/// Sends, and waits for the hub to hang up.
fn outlast(mut socket: TcpStream, silence: &Silence) -> Duration {
    let start = Instant::now();
    send(&mut socket, &silence.start);
    // The hub's last bytes may come before its hang-up.
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut drip = silence.drip.iter();
    while start.elapsed() < 3 * DEADLINE {
        match socket.read(&mut [0; 4096]) {
            Ok(0) => return start.elapsed(),
            Ok(_) => {}
            Err(error) if is_hang_up(error.kind()) => return start.elapsed(),
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "{error}"
                );
                if let Some(byte) = drip.next() {
                    send(&mut socket, &[*byte]);
                }
            }
        }
    }
    panic!("{}: nobody hangs up", silence.name);
}

/// A body has a deadline of its own: 60 s, or 5 minutes of silence when it is streamed. The binary
/// has no option for it, so that this is the library with smaller numbers.
#[test]
fn a_body_that_drips_is_given_up_in_time() {
    let limits = Limits {
        body_deadline: Duration::from_secs(2),
        body_silence_max: Duration::from_millis(500),
        ..Limits::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let server = Server::new(Library::builder().limits(limits).build());
        server.serve(listener, std::future::pending()).await;
    });
    let ndjson = "Transfer-Encoding: chunked\r\nContent-Type: application/x-ndjson\r\n";
    let cases = [
        (
            "whole, dripping",
            "Content-Length: 1000\r\n",
            "xx",
            "408 body_timeout",
            2.0,
        ),
        (
            "chunked, dripping",
            "Transfer-Encoding: chunked\r\n",
            "1\r\nx\r\n",
            "408 body_timeout",
            2.0,
        ),
        (
            "whole, silent",
            "Content-Length: 1000\r\n",
            "",
            "408 body_timeout",
            2.0,
        ),
        ("streamed, silent", ndjson, "", "408 body_timeout", 0.5),
        (
            "streamed, silent after an event",
            ndjson,
            "",
            "500 partly_stored",
            0.5,
        ),
    ];
    let drips = cases.map(|(name, lines, piece, wanted, after)| {
        thread::spawn(move || {
            let mut socket = connect(address);
            send(&mut socket, &request("POST", "/slow", lines, b""));
            if wanted.starts_with("500") {
                send(&mut socket, b"2\r\nx\n\r\n");
            }
            let start = Instant::now();
            let mut pump = socket.try_clone().unwrap();
            let pump = (!piece.is_empty()).then(|| thread::spawn(move || drip(&mut pump, piece)));
            let answer = read_answer(&mut socket).as_text();
            let took = start.elapsed().as_secs_f64();
            println!("| slow body | {name} | {answer} after {took:.1} s, bound {after} s | - |");
            assert!(answer.starts_with(wanted), "{name}: {answer}");
            assert!(
                took > after * 0.9 && took < after + SLACK.as_secs_f64(),
                "{name}: {took}"
            );
            drop(socket.shutdown(Shutdown::Both));
            drop(pump.map(thread::JoinHandle::join));
        })
    });
    for drip in drips {
        drip.join().unwrap();
    }
    runtime.shutdown_background();
}

/// Sends a piece each tenth of a second until the hub hangs up.
fn drip(socket: &mut TcpStream, piece: &str) {
    while socket.write_all(piece.as_bytes()).is_ok() {
        thread::park_timeout(Duration::from_millis(100));
    }
}
