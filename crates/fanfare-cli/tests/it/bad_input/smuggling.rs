//! Requests that two programs in a row may read differently: where one ends and the next begins,
//! whom it is for. Each connection ends with a request whose answer says how far the hub has read.
//!
//! Either all is read as the law has it, and as many requests are answered as were meant; or the
//! first doubt ends the connection with a 400. Nothing inside a body is ever a request.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::hub::Hub;
use super::report::Trial;
use super::request;
use super::tls::Twin;
use super::wire::{Answer, PATIENCE, connect, read_to_end, send};
use crate::folder::DataFolder;

/// What a trial may cost in memory: buffers of a few connections.
const GROWN_KIB_MAX: u64 = 16 << 10;

/// Stands inside of bodies. Whoever takes it for a request stores an event.
const SMUGGLED: &str = "POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
/// The last request of each connection: its 200 says that all before it was read as it was meant.
const LAST: &str = "GET /-/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// What a proxy makes an event stream of, which does not end.
const NO_HANDSHAKE: &str = "a handshake of WebSocket that is none, with a body";

struct Case {
    name: &'static str,
    sent: Vec<u8>,
    /// The statuses of all answers, one after the other.
    answers: &'static str,
}

fn case(name: &'static str, sent: impl Into<Vec<u8>>, answers: &'static str) -> Case {
    Case {
        name,
        sent: sent.into(),
        answers,
    }
}

/// A POST of one byte with one more line in its head.
fn with_line(name: &'static str, line: &str, answers: &'static str) -> Case {
    let head = "POST /framed HTTP/1.1\r\nHost: x\r\n";
    case(name, format!("{head}{line}\r\n\r\nx"), answers)
}

/// A POST with this line for its coding, and a body of one chunk in which a request stands.
fn coded(name: &'static str, line: &str, answers: &'static str) -> Case {
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let head = "POST /framed HTTP/1.1\r\nHost: x\r\n";
    case(name, format!("{head}{line}\r\n\r\n{chunk}"), answers)
}

/// A chunked POST with this body.
fn chunks(name: &'static str, body: &str, answers: &'static str) -> Case {
    let head = "POST /framed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    case(name, format!("{head}{body}"), answers)
}

/// A request whose body nobody asked for, and which is a request itself.
fn carrying(name: &'static str, line: &str, answers: &'static str) -> Case {
    let len = SMUGGLED.len();
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {len}\r\n\r\n");
    case(name, head + SMUGGLED, answers)
}

/// Sends the case and the last request, and reads every answer there is.
fn exchange(socket: &mut (impl Read + Write), case: &Case) -> String {
    send(socket, &[&case.sent, LAST.as_bytes()].concat());
    let bytes = read_to_end(socket);
    let statuses: Vec<_> = answers(&bytes).map(|status| status.to_string()).collect();
    statuses.join(" ")
}

/// The statuses of the answers, each of which says how long it is.
fn answers(mut bytes: &[u8]) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let answer = Answer {
            status,
            head,
            ..Answer::default()
        };
        let len = answer.header("content-length");
        let len = len.map_or(0, |len| len.parse::<usize>().unwrap());
        bytes = bytes.get(end + len..).unwrap_or_default();
        Some(status)
    })
}

/// Tells all answers that are not the expected ones together, and checks that nothing was smuggled.
fn check(door: &'static str, cases: &[Case], stored: &[(&str, u64)]) {
    let trial = Trial::at(door);
    let mut wrong = Vec::new();
    for case in cases {
        let answers = trial.case(case.name, |hub| exchange(&mut hub.connect(), case));
        if answers != case.answers {
            wrong.push(format!("{}: {answers}, not {}", case.name, case.answers));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    trial.end(GROWN_KIB_MAX, stored);
}

#[test]
fn requests_in_a_row_are_counted_as_they_were_sent() {
    let post = |body: &str| {
        let body = body.as_bytes();
        String::from_utf8(request("POST", "/row", "", body)).unwrap()
    };
    let chunked =
        "POST /row HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    check(
        "HTTP/1 in a row",
        &[
            case("two posts", post("a") + &post("b"), "201 201 200"),
            case(
                "post, chunked, post",
                post("a") + chunked + &post("b"),
                "201 201 201 200",
            ),
            case("five chunked", chunked.repeat(5), "201 201 201 201 201 200"),
            case(
                "empty lines between requests",
                format!("\r\n{}\r\n{}\r\n", post("a"), post("b")),
                "201 201 200",
            ),
            case(
                "a post that is refused, and one that is not",
                post("a").replace("/row", "/row/../x") + &post("b"),
                "400 201 200",
            ),
        ],
        &[("row", 13)],
    );
}

fn lengths() -> Vec<Case> {
    vec![
        with_line("a length", "Content-Length: 1", "201 200"),
        with_line("in lower case", "content-length: 1", "201 200"),
        with_line("without a space", "Content-Length:1", "201 200"),
        with_line("with a tab", "Content-Length:\t1\t", "201 200"),
        with_line("with a leading zero", "Content-Length: 01", "201 200"),
        with_line(
            "the same length twice",
            "Content-Length: 1\r\nContent-Length: 1",
            "201 200",
        ),
        with_line(
            "two lengths",
            "Content-Length: 1\r\nContent-Length: 0",
            "400",
        ),
        with_line(
            "two lengths, the other one first",
            "Content-Length: 0\r\nContent-Length: 1",
            "400",
        ),
        with_line("a list", "Content-Length: 1, 1", "400"),
        with_line("two numbers", "Content-Length: 1 1", "400"),
        with_line("a sign", "Content-Length: +1", "400"),
        with_line("hexadecimal", "Content-Length: 0x1", "400"),
        with_line("a dot", "Content-Length: 1.0", "400"),
        with_line("a vertical tab", "Content-Length: \x0b1", "400"),
        with_line("nothing", "Content-Length: ", "400"),
        with_line("a folded line", "Content-Length:\r\n 1", "400"),
        with_line("a space before the colon", "Content-Length : 1", "400"),
        with_line("a tab before the colon", "Content-Length\t: 1", "400"),
        with_line("a space before the name", " Content-Length: 1", "400"),
        with_line("a NUL in the name", "Content\0-Length: 1", "400"),
        with_line("behind a CR alone", "X: y\rContent-Length: 1", "400"),
        // RFC 9112 2.2 lets a recipient take an LF alone for the end of a line.
        with_line("behind an LF alone", "X: y\nContent-Length: 1", "201 200"),
    ]
}

#[test]
fn a_length_that_could_be_read_in_two_ways_ends_the_connection() {
    check("HTTP/1 length", &lengths(), &[("framed", 7)]);
}

fn codings() -> Vec<Case> {
    vec![
        coded("chunked", "Transfer-Encoding: chunked", "201 200"),
        coded("in capitals", "TRANSFER-ENCODING: CHUNKED", "201 200"),
        coded(
            "length and coding",
            "Content-Length: 6\r\nTransfer-Encoding: chunked",
            "201",
        ),
        coded(
            "coding and length",
            "Transfer-Encoding: chunked\r\nContent-Length: 6",
            "201",
        ),
        coded("xchunked", "Transfer-Encoding: xchunked", "400"),
        coded("chunked;q=1", "Transfer-Encoding: chunked;q=1", "400"),
        coded("in quotes", "Transfer-Encoding: \"chunked\"", "400"),
        coded("identity", "Transfer-Encoding: identity", "400"),
        coded("nothing", "Transfer-Encoding: ", "400"),
        coded("a comma", "Transfer-Encoding: chunked,", "400"),
        coded(
            "chunked, identity",
            "Transfer-Encoding: chunked, identity",
            "400",
        ),
        coded(
            "chunked, and identity in a line of its own",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "400",
        ),
        coded("a vertical tab", "Transfer-Encoding: \x0bchunked", "400"),
        coded("a folded line", "Transfer-Encoding:\r\n chunked", "400"),
        coded(
            "a space before the colon",
            "Transfer-Encoding : chunked",
            "400",
        ),
        coded(
            "a space before the name",
            " Transfer-Encoding: chunked",
            "400",
        ),
        coded(
            "behind a CR alone",
            "X: y\rTransfer-Encoding: chunked",
            "400",
        ),
        coded(
            "behind an LF alone",
            "X: y\nTransfer-Encoding: chunked",
            "201 200",
        ),
    ]
}

#[test]
fn a_coding_that_could_be_read_in_two_ways_ends_the_connection() {
    check("HTTP/1 coding", &codings(), &[("framed", 5)]);
}

fn chunkings() -> Vec<Case> {
    vec![
        chunks("one", "1\r\nx\r\n0\r\n\r\n", "201 200"),
        chunks("leading zeros", "0001\r\nx\r\n000\r\n\r\n", "201 200"),
        chunks("in capitals", "A\r\n0123456789\r\n0\r\n\r\n", "201 200"),
        chunks("an extension", "1;a=b\r\nx\r\n0;c\r\n\r\n", "201 200"),
        chunks(
            "an extension in quotes",
            "1;a=\"b;c\"\r\nx\r\n0\r\n\r\n",
            "201 200",
        ),
        chunks(
            "a trailer that names a length",
            "1\r\nx\r\n0\r\nContent-Length: 60\r\n\r\n",
            "201 200",
        ),
        chunks(
            "a trailer that names a coding",
            "1\r\nx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "201 200",
        ),
        chunks("an LF in an extension", "1;a\nb\r\nx\r\n0\r\n\r\n", "400"),
        chunks("a CR in an extension", "1;a\rb\r\nx\r\n0\r\n\r\n", "400"),
        chunks("a size of 0x1", "0x1\r\nx\r\n0\r\n\r\n", "400"),
        chunks("a size of 1_0", "1_0\r\nx\r\n0\r\n\r\n", "400"),
        chunks("a sign", "+1\r\nx\r\n0\r\n\r\n", "400"),
        chunks("a space before the size", " 1\r\nx\r\n0\r\n\r\n", "400"),
        chunks("an LF behind the size", "1\nx\r\n0\r\n\r\n", "400"),
        chunks("a CR behind the size", "1\rx\r\n0\r\n\r\n", "400"),
        chunks("an LF behind the chunk", "1\r\nx\n0\r\n\r\n", "400"),
        chunks("nothing behind the chunk", "1\r\nx0\r\n\r\n", "400"),
        chunks("a chunk that is longer", "1\r\nxy\r\n0\r\n\r\n", "400"),
        chunks(
            "a size of 2^64 + 1",
            "10000000000000001\r\nx\r\n0\r\n\r\n",
            "400",
        ),
    ]
}

#[test]
fn chunks_that_could_be_read_in_two_ways_end_the_connection() {
    check("HTTP/1 chunks", &chunkings(), &[("framed", 7)]);
}

fn unread_bodies() -> Vec<Case> {
    vec![
        carrying("GET of health", "GET /-/health/live", "200 200"),
        carrying("GET of nothing", "GET /-/nothing", "404 200"),
        carrying("GET of a bad topic", "GET /a/../b", "400 200"),
        carrying("DELETE", "DELETE /unread", "200 200"),
        carrying("OPTIONS", "OPTIONS /unread", "204 200"),
        carrying("a method that nobody knows", "BREW /unread", "405 200"),
        carrying("POST to a bad topic", "POST /a/../b", "400 200"),
        carrying("POST of a bad query", "POST /a?retry=x", "400 200"),
        case(
            "POST of a coded body",
            format!(
                "POST /a HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
                SMUGGLED.len()
            ),
            "415 200",
        ),
        case(
            "POST that waits for leave",
            format!(
                "POST /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
                SMUGGLED.len()
            ),
            "100 201 200",
        ),
        case(
            "GET with chunks",
            format!(
                "GET /-/health/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n",
                SMUGGLED.len()
            ),
            "200 200",
        ),
        case(
            "an upgrade to h2c with a body",
            format!(
                "POST /unread HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
                SMUGGLED.len()
            ),
            "201 200",
        ),
        case(
            NO_HANDSHAKE,
            format!(
                "GET /unread HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
                SMUGGLED.len()
            ),
            "400 200",
        ),
    ]
}

#[test]
fn a_body_that_nobody_reads_is_no_request() {
    check("HTTP/1 unread body", &unread_bodies(), &[("unread", 2)]);
}

#[test]
fn a_request_line_says_whom_it_is_for_in_one_way() {
    let line = |name, line: &str, answers| {
        let rest = "Host: hub.example\r\nContent-Length: 1\r\n\r\nx";
        case(name, format!("{line}\r\n{rest}"), answers)
    };
    check(
        "HTTP/1 request line",
        &[
            line("a path", "POST /line HTTP/1.1", "201 200"),
            // RFC 9112 3.2.2: what stands in the line counts, whatever the host says.
            line(
                "another host in the line",
                "POST http://other.example/line HTTP/1.1",
                "201 200",
            ),
            line(
                "another scheme",
                "POST ftp://hub.example/line HTTP/1.1",
                "201 200",
            ),
            line("two spaces", "POST  /line HTTP/1.1", "400"),
            line("a tab", "POST\t/line HTTP/1.1", "400"),
            line("a space behind it", "POST /line HTTP/1.1 ", "400"),
            line("a space in the path", "POST /li ne HTTP/1.1", "400"),
            line("no version", "POST /line", "400"),
            line("in lower case", "POST /line http/1.1", "400"),
            line("HTTP/1.10", "POST /line HTTP/1.10", "400"),
            line("a space before it", " POST /line HTTP/1.1", "400"),
            line("no path", "POST HTTP/1.1", "400"),
            line("an asterisk", "POST * HTTP/1.1", "400 200"),
            line("a host alone", "POST hub.example:80 HTTP/1.1", "400 200"),
            line("CONNECT", "CONNECT hub.example:80 HTTP/1.1", "405 200"),
        ],
        &[("line", 3)],
    );
}

/// What comes after TLS is read by the same code as what a shard hands on, and must say the same.
#[test]
fn tls_changes_nothing_about_where_a_request_ends() {
    let twin = Twin::new();
    let trial = Trial::of("TLS framing", Hub::dev(&twin.options()));
    for case in [
        with_line("a length", "Content-Length: 1", "201 200"),
        with_line(
            "two lengths",
            "Content-Length: 1\r\nContent-Length: 0",
            "400",
        ),
        with_line("a space before the colon", "Content-Length : 1", "400"),
        coded("chunked", "Transfer-Encoding: chunked", "201 200"),
        coded(
            "length and coding",
            "Content-Length: 6\r\nTransfer-Encoding: chunked",
            "201",
        ),
        chunks("an LF in an extension", "1;a\nb\r\nx\r\n0\r\n\r\n", "400"),
        carrying("GET of health with a body", "GET /-/health/live", "200 200"),
    ] {
        let answers = trial.case(case.name, |hub| {
            let mut stream = twin.connect(hub.tls.unwrap(), "http/1.1");
            exchange(&mut stream, &case)
        });
        assert_eq!(answers, case.answers, "{}", case.name);
    }
    trial.end(GROWN_KIB_MAX, &[("framed", 3)]);
}

/// A proxy in front reads every request in its own way and writes it anew. Wherever the two would
/// disagree, one of them took for a request what the other one did not.
#[test]
fn behind_nginx_nothing_is_stored_that_nobody_was_told_of() {
    let trial = Trial::at("behind nginx");
    let Some(nginx) = Nginx::start(trial.hub.plain) else {
        println!("skipped: there is no `nginx` (Debian: nginx-light)");
        return;
    };
    let mut told = 0;
    let cases = [lengths(), codings(), chunkings(), unread_bodies()];
    let cases = cases.into_iter().flatten();
    for case in cases.filter(|case| case.name != NO_HANDSHAKE) {
        let answers = trial.case(case.name, |_| exchange(&mut connect(nginx.address), &case));
        told += answers.split(' ').filter(|status| *status == "201").count();
        assert!(!answers.is_empty(), "{}: no answer", case.name);
    }
    let stored = |topic| trial.hub.events(topic).len();
    assert_eq!(stored("smuggled"), 0);
    let (framed, unread) = (stored("framed"), stored("unread"));
    assert_eq!(framed + unread, told, "as many are stored as were told");
    drop(nginx);
    let stored = [("framed", framed as u64), ("unread", unread as u64)];
    trial.end(GROWN_KIB_MAX, &stored);
}

/// A proxy that keeps its connections to the hub and sends request after request on them.
struct Nginx {
    child: Child,
    address: SocketAddr,
    folder: DataFolder,
}

impl Nginx {
    fn start(hub: SocketAddr) -> Option<Self> {
        let folder = DataFolder::new();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let home = folder.path().display();
        let config = format!(
            "daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
             events {{}}
             http {{
               access_log off; keepalive_requests 100000; lingering_timeout 50ms;
               client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
               fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
               upstream hub {{ server {hub}; keepalive 4; }}
               server {{
                 listen {address};
                 location / {{
                   proxy_pass http://hub; proxy_http_version 1.1;
                   proxy_set_header Connection \"\"; proxy_request_buffering off;
                 }}
               }}
             }}"
        );
        fs::create_dir_all(folder.path()).unwrap();
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-p").arg(folder.path());
        let child = command.stderr(Stdio::null()).spawn().ok()?;
        let nginx = Self {
            child,
            address,
            folder,
        };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let error = || fs::read_to_string(nginx.folder.path().join("error.log"));
            assert!(began.elapsed() < PATIENCE, "{:?}", error());
            // It says nowhere when it listens; this is the pace of asking, not a wait.
            thread::park_timeout(Duration::from_millis(5));
        }
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
