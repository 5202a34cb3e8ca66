//! Bodies without end, beyond the bounds, or of a shape that grows when it is read.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;

use super::hub::Hub;
use super::report::Trial;
use super::wire::{read_answer, read_more, send};
use super::{Case, check, request};

/// An event of 1 MiB is the largest, and a whole body has at most 8 MiB.
const MIB: usize = 1 << 20;
/// What one client with the largest body may cost, buffers and the allocator's slack included: it
/// gives freed pages back after a moment, and several copies of 8 MiB are freed at once.
const GROWN_KIB_MAX: u64 = 96 << 10;
/// What an endless body is cut off after; anything the hub has not refused until then it would
/// take for ever.
const ENDLESS_BYTES: usize = 256 * MIB;

const SSE: &str = "Content-Type: text/event-stream\r\n";
const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";

/// Sends a head and then the same piece again and again, until the hub answers. Says the answer,
/// and fails when the hub takes everything.
fn pour(hub: &Hub, lines: &str, piece: &[u8]) -> String {
    let mut socket = hub.connect();
    send(&mut socket, &request("POST", "/poured", lines, b""));
    let mut pump = socket.try_clone().unwrap();
    let piece = piece.to_vec();
    let pumping = thread::spawn(move || pump_pieces(&mut pump, &piece));
    let answer = read_answer(&mut socket).as_text();
    // The pump may be waiting for a window that never opens again.
    drop(socket.shutdown(Shutdown::Both));
    let sent = pumping.join().unwrap();
    assert!(
        sent < ENDLESS_BYTES,
        "the hub took everything, then said {answer}"
    );
    answer
}

fn pump_pieces(socket: &mut TcpStream, piece: &[u8]) -> usize {
    let mut sent = 0;
    while sent < ENDLESS_BYTES && socket.write_all(piece).is_ok() {
        sent += piece.len();
    }
    sent
}

/// One chunk.
fn chunk(contents: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", contents.len());
    [size.as_bytes(), contents, b"\r\n"].concat()
}

#[test]
fn a_body_without_end_is_refused_in_good_time() {
    let trial = Trial::at("publish: endless body");
    let five_gb = "Content-Length: 5368709120\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let zeros = vec![0; 64 << 10];
    let text = vec![b'x'; 64 << 10];
    for (name, lines, piece, wanted) in [
        (
            "5 GB of zeros, announced",
            five_gb.to_owned(),
            zeros.clone(),
            "413 body_too_large",
        ),
        (
            "5 GB of blocks, announced",
            format!("{five_gb}{SSE}"),
            text.clone(),
            "413 body_too_large",
        ),
        (
            "chunked, zeros",
            chunked.to_owned(),
            chunk(&zeros),
            "413 body_too_large",
        ),
        (
            "chunked, bytes one by one",
            chunked.to_owned(),
            b"1\r\nx\r\n".repeat(4096),
            "413 body_too_large",
        ),
        (
            "one chunk of 2^64 - 1",
            chunked.to_owned(),
            [b"ffffffffffffffff\r\n", &zeros[..]].concat(),
            "413 body_too_large",
        ),
        (
            "chunked, an event-stream line without end",
            format!("{chunked}{SSE}"),
            chunk(&[b"data: ", &text[..]].concat()),
            "413 event_too_large",
        ),
        (
            "chunked, a block without end",
            format!("{chunked}{SSE}"),
            chunk(&b"data: x\n".repeat(8192)),
            "413 event_too_large",
        ),
        (
            "chunked, an event type without end",
            format!("{chunked}{SSE}"),
            chunk(&[b"event: ", &text[..]].concat()),
            "413 event_too_large",
        ),
        (
            "chunked, an NDJSON line without end",
            format!("{chunked}{NDJSON}"),
            chunk(&text),
            "413 event_too_large",
        ),
    ] {
        let answer = trial.case(name, |hub| pour(hub, &lines, &piece));
        assert_eq!(answer, wanted, "{name}");
    }
    trial.end(GROWN_KIB_MAX, &[]);
}

/// A live stream may consist of comments for as long as its producer likes; they are not kept.
#[test]
fn a_stream_of_nothing_is_taken_and_not_kept() {
    let trial = Trial::at("publish: endless body");
    for (name, media, piece) in [
        ("64 MiB of comments", SSE, &b": nothing\n"[..]),
        ("64 MiB of one comment", SSE, b":::::::::::"),
        ("64 MiB of empty lines", SSE, b"\n\r\r\n"),
        ("64 MiB of ids", SSE, b"id: 1\n\n"),
        ("64 MiB of empty NDJSON lines", NDJSON, b"\r\n\n"),
    ] {
        let before = trial.hub.rss_kib();
        let answer = trial.case(name, |hub| {
            let lines = format!("Transfer-Encoding: chunked\r\n{media}");
            let mut socket = hub.connect();
            send(&mut socket, &request("POST", "/nothing", &lines, b""));
            let piece = chunk(&piece.repeat((256 << 10) / piece.len()));
            for _ in 0..256 {
                socket.write_all(&piece).unwrap();
            }
            send(&mut socket, b"0\r\n\r\n");
            read_answer(&mut socket).as_text()
        });
        assert_eq!(answer, "400 no_event", "{name}");
        let grown = trial.hub.rss_kib().saturating_sub(before);
        assert!(grown < 8 << 10, "{name}: {grown} KiB");
    }
    trial.end(GROWN_KIB_MAX, &[]);
}

#[test]
fn the_largest_event_is_stored_and_the_next_larger_is_not() {
    let mut trial = Trial::at("publish: size");
    let post = |name: &str, lines: &str, body: Vec<u8>, answer| {
        Case::new(name, request("POST", "/size", lines, &body), answer)
    };
    // Each newline is 6 bytes on the wire, of at most 2 MiB for an event.
    let newlines = |count: usize| vec![b'\n'; count];
    check(
        &mut trial,
        &[
            post("1 MiB", "", vec![b'x'; MIB], "201"),
            post(
                "1 MiB and a byte",
                "",
                vec![b'x'; MIB + 1],
                "413 body_too_large",
            ),
            post("340,000 newlines", "", newlines(340_000), "201"),
            post(
                "350,000 newlines",
                "",
                newlines(350_000),
                "413 event_too_large",
            ),
            post(
                "1 MiB of newlines",
                "",
                newlines(MIB),
                "413 event_too_large",
            ),
            post("1 MiB of CR", "", vec![b'\r'; MIB], "413 event_too_large"),
            post(
                "a block of 1 MiB of newlines",
                SSE,
                [&b"data\n".repeat(MIB)[..], b"\n"].concat(),
                "413 event_too_large",
            ),
            post("an NDJSON line of 1 MiB", NDJSON, vec![b'x'; MIB], "201"),
            post(
                "an NDJSON line of 1 MiB and a byte",
                NDJSON,
                vec![b'x'; MIB + 1],
                "413 event_too_large",
            ),
            post("nothing", "Content-Length: 0\r\n", Vec::new(), "201"),
        ],
    );
    trial.end(64 << 10, &[("size", 4)]);
}

/// A body of 8 MiB can hold millions of events, each of which costs far more than its bytes.
#[test]
fn a_body_of_millions_of_events_is_refused_before_it_grows() {
    let mut trial = Trial::at("publish: size");
    let post = |name: &str, lines: &str, body: Vec<u8>, answer| {
        Case::new(name, request("POST", "/many", lines, &body), answer)
    };
    check(
        &mut trial,
        &[
            post(
                "4 million NDJSON lines",
                NDJSON,
                b"x\n".repeat(4 * MIB),
                "413 body_too_large",
            ),
            post(
                "1.4 million blocks",
                SSE,
                b"data\n\n".repeat(8 * MIB / 6),
                "413 body_too_large",
            ),
            post(
                "10,001 lines",
                NDJSON,
                b"x\n".repeat(10_001),
                "413 body_too_large",
            ),
            post("10,000 lines", NDJSON, b"x\n".repeat(10_000), "201"),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[("many", 10_000)]);
}

/// The bound of a batch is not one of a stream: it is stored in as many batches as it needs.
#[test]
fn a_streamed_body_may_have_more_events_than_a_batch() {
    let trial = Trial::at("publish: size");
    let lines = format!("Transfer-Encoding: chunked\r\n{NDJSON}");
    let answer = trial.case("40,000 NDJSON lines in one chunk, chunked", |hub| {
        let body = [&chunk(&b"x\n".repeat(40_000))[..], b"0\r\n\r\n"].concat();
        let sent = [request("POST", "/streamed", &lines, b""), body].concat();
        hub.exchange(&sent).as_text()
    });
    assert_eq!(answer, "201");
    trial.end(GROWN_KIB_MAX, &[("streamed", 40_000)]);
}

/// An event of so many lines is just below the bound.
const NEWLINES: usize = 340_000;
const SUBSCRIBERS: usize = 100;

/// What 100 subscribers are sent of the largest events, and what is held for them.
#[test]
fn newlines_do_not_multiply_by_the_number_of_subscribers() {
    let trial = Trial::at("publish: newlines");
    let mut subscribers: Vec<_> = (0..SUBSCRIBERS).map(|_| trial.hub.connect()).collect();
    for socket in &mut subscribers {
        send(socket, &request("GET", "/lines", "", b""));
        assert_eq!(read_answer(socket).status, 200);
    }
    let answer = trial.case("1 MB of newlines to 100 subscribers", |hub| {
        hub.exchange(&request("POST", "/lines", "", &vec![b'\n'; 1_000_000]))
            .as_text()
    });
    assert_eq!(answer, "413 event_too_large");
    let answer = trial.case("340,000 newlines to 100 subscribers", |hub| {
        hub.exchange(&request("POST", "/lines", "", &vec![b'\n'; NEWLINES]))
            .as_text()
    });
    assert_eq!(answer, "201");
    // Nobody has read yet: what is held for all of them is one frame and the kernel's buffers.
    let held = trial.grown_kib();
    assert!(held < GROWN_KIB_MAX, "{held} KiB are held for readers");
    trial.hub.exchange(&request("POST", "/lines", "", b"last"));
    let readers: Vec<_> = subscribers
        .into_iter()
        .map(|socket| thread::spawn(|| read_to_last(socket)))
        .collect();
    for reader in readers {
        let bytes = reader.join().unwrap();
        // One event of 6 bytes a line, and less than 4 KiB for everything else.
        assert!(
            (6 * NEWLINES..6 * NEWLINES + 4_096).contains(&bytes),
            "{bytes} bytes on the wire"
        );
    }
    trial.end(GROWN_KIB_MAX, &[("lines", 2)]);
}

fn read_to_last(mut socket: TcpStream) -> usize {
    let mut tail = Vec::new();
    let mut count = 0;
    loop {
        let len = tail.len();
        assert!(read_more(&mut socket, &mut tail), "the stream ended early");
        count += tail.len() - len;
        // Looking for it in everything would take longer than the hub does.
        if count > 6 * NEWLINES && tail.windows(10).any(|window| window == b"data: last") {
            return count;
        }
        let keep = tail.len().min(16);
        tail.drain(..tail.len() - keep);
    }
}
