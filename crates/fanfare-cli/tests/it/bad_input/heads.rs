//! Request heads that break HTTP/1 (RFC 9112), and bytes that are no HTTP at all.
//!
//! Heads that cannot be read are answered by the HTTP library: a status without a problem, and the
//! end of the connection.

use super::report::Trial;
use super::{Case, check, request};

/// What a trial of heads may cost in memory: buffers of a few connections.
const GROWN_KIB_MAX: u64 = 16 << 10;

/// Stands behind a body whose end is in doubt. Whoever takes it for a request has been led astray.
const SMUGGLED: &str = "POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";

/// A POST with these lines in its head, and a body as it is.
fn framed(lines: &str, body: &str) -> Vec<u8> {
    [&request("POST", "/framed", lines, b"")[..], body.as_bytes()].concat()
}

fn chunked(body: &str) -> Vec<u8> {
    framed("Transfer-Encoding: chunked\r\n", &[body, SMUGGLED].concat())
}

#[test]
fn heads_beyond_a_bound_are_refused() {
    let mut trial = Trial::at("HTTP/1 head");
    let line = |bytes: usize| format!("X-Long: {}\r\n", "a".repeat(bytes));
    let get = |name: &str, lines: &str, answer| {
        Case::new(name, request("GET", "/-/health/live", lines, b""), answer)
    };
    check(
        &mut trial,
        &[
            get("a header of 30 KiB", &line(30 << 10), "200"),
            get("a header of 64 KiB", &line(64 << 10), "431, closed"),
            get("a header of 16 MiB", &line(16 << 20), "431, closed"),
            get("100 headers", &"X: y\r\n".repeat(99), "200"),
            get("101 headers", &"X: y\r\n".repeat(100), "431, closed"),
            get("30,000 headers", &"X: y\r\n".repeat(30_000), "431, closed"),
            Case::get(
                "a path of 70,000 bytes",
                &format!("/{}", "a".repeat(70_000)),
                "431, closed",
            ),
            Case::get(
                "a query of 1 MiB",
                &format!("/a?{}", "q".repeat(1 << 20)),
                "431, closed",
            ),
            Case::new("an endless method", "A".repeat(1 << 20), "431, closed"),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[]);
}

#[test]
fn heads_that_break_the_grammar_are_refused() {
    let mut trial = Trial::at("HTTP/1 head");
    let get = |name: &str, lines: &str, answer| {
        Case::new(name, request("GET", "/-/health/live", lines, b""), answer)
    };
    let bytes: Vec<u8> = (0..=255).collect();
    let hello = [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        &[7; 505],
    ]
    .concat();
    check(
        &mut trial,
        &[
            get("a header without a colon", "nonsense\r\n", "400, closed"),
            get("a space before the colon", "X : y\r\n", "400, closed"),
            get("a header without a name", ": y\r\n", "400, closed"),
            get("a folded header", "X: y\r\n z\r\n", "400, closed"),
            get("a NUL in a header", "X: y\0z\r\n", "400, closed"),
            get("a CR in a header", "X: y\rz\r\n", "400, closed"),
            get("two hosts", "Host: other.example\r\n", "400 bad_header"),
            get(
                "a Connection that is not ASCII",
                "Connection: \u{e9}\r\n",
                "200",
            ),
            Case::new(
                "no host",
                "GET /-/health/live HTTP/1.1\r\n\r\n",
                "400 bad_header",
            ),
            Case::new(
                "no host in HTTP/1.0",
                "GET /-/health/live HTTP/1.0\r\n\r\n",
                "200, closed",
            ),
            Case::new(
                "lines ended by LF alone",
                "GET /-/health/live HTTP/1.1\nHost: x\n\n",
                "200",
            ),
            Case::new(
                "lines ended by CR alone",
                "GET / HTTP/1.1\rHost: x\r\r",
                "400, closed",
            ),
            Case::new("HTTP/0.9", "GET /a\r\n", "400, closed"),
            Case::new(
                "HTTP/1.2",
                "GET /a HTTP/1.2\r\nHost: x\r\n\r\n",
                "400, closed",
            ),
            Case::new(
                "HTTP/2.0 in the words of HTTP/1",
                "GET /a HTTP/2.0\r\n\r\n",
                "400, closed",
            ),
            Case::new("every byte there is", bytes, "400, closed"),
            Case::new("a TLS hello on the plain port", hello, "400, closed"),
            Case::new("256 KiB of NUL", vec![0; 256 << 10], "400, closed"),
            Case::new(
                "256 KiB of empty lines",
                "\r\n".repeat(128 << 10),
                "431, closed",
            ),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[]);
}

#[test]
fn bodies_whose_length_is_in_doubt_are_never_read_as_a_second_request() {
    let mut trial = Trial::at("HTTP/1 framing");
    let one_chunk = "1\r\nx\r\n0\r\n\r\n";
    let lengths = |lengths: &str| framed(lengths, &["xx", SMUGGLED].concat());
    let both = |lines: &str| framed(lines, &[one_chunk, SMUGGLED].concat());
    let codings = |codings: &str| both(&format!("Transfer-Encoding: {codings}\r\n"));
    check(
        &mut trial,
        &[
            // RFC 9112 6.1: the coding wins, and the connection ends.
            Case::new(
                "length, then coding",
                both("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
                "201, closed",
            ),
            Case::new(
                "coding, then length",
                both("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
                "201, closed",
            ),
            Case::new(
                "two lengths",
                lengths("Content-Length: 1\r\nContent-Length: 2\r\n"),
                "400, closed",
            ),
            Case::new(
                "a list of lengths",
                lengths("Content-Length: 2, 2\r\n"),
                "400, closed",
            ),
            Case::new(
                "a length of +2",
                lengths("Content-Length: +2\r\n"),
                "400, closed",
            ),
            Case::new(
                "a length of -2",
                lengths("Content-Length: -2\r\n"),
                "400, closed",
            ),
            Case::new(
                "a length of 0x2",
                lengths("Content-Length: 0x2\r\n"),
                "400, closed",
            ),
            Case::new(
                "a length of 2^64 - 1",
                lengths("Content-Length: 18446744073709551615\r\n"),
                "431, closed",
            ),
            Case::new(
                "a length of 2^64",
                lengths("Content-Length: 18446744073709551616\r\n"),
                "400, closed",
            ),
            Case::new("coding gzip", codings("gzip"), "400, closed"),
            Case::new("coding xchunked", codings("xchunked"), "400, closed"),
            Case::new(
                "coding chunked, gzip",
                codings("chunked, gzip"),
                "400, closed",
            ),
            Case::new(
                "coding gzip, chunked",
                framed("Transfer-Encoding: gzip, chunked\r\n", one_chunk),
                "415 unsupported_encoding",
            ),
            Case::new(
                "chunks in HTTP/1.0",
                "POST /framed HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                "400, closed",
            ),
            Case::new(
                "a chunk size of zz",
                chunked("zz\r\nx\r\n0\r\n\r\n"),
                "400 bad_body",
            ),
            Case::new(
                "a chunk size of -1",
                chunked("-1\r\nx\r\n0\r\n\r\n"),
                "400 bad_body",
            ),
            Case::new(
                "no chunk size",
                chunked("\r\nx\r\n0\r\n\r\n"),
                "400 bad_body",
            ),
            Case::new(
                "a chunk size of 17 digits",
                chunked("fffffffffffffffff\r\nx"),
                "400 bad_body",
            ),
            Case::new(
                "a chunk longer than its size",
                chunked("1\r\nxy\r\n0\r\n\r\n"),
                "400 bad_body",
            ),
            Case::new(
                "chunks ended by LF alone",
                chunked("1\nx\n0\n\n"),
                "400 bad_body",
            ),
            Case::new(
                "a chunk extension of 1 MiB",
                chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(1 << 20))),
                "400 bad_body",
            ),
            Case::new(
                "20,000 trailers",
                chunked(&format!("1\r\nx\r\n0\r\n{}\r\n", "X: y\r\n".repeat(20_000))),
                "400 bad_body",
            ),
            Case::new(
                "Content-Encoding: gzip",
                framed("Content-Encoding: gzip\r\nContent-Length: 1\r\n", "x"),
                "415 unsupported_encoding",
            ),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[("framed", 2)]);
}

#[test]
fn http_1_0_may_subscribe_and_publish() {
    let mut trial = Trial::at("HTTP/1.0");
    check(
        &mut trial,
        &[
            Case::new("subscribe", "GET /old HTTP/1.0\r\n\r\n", "200"),
            Case::new(
                "publish",
                "POST /old HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
                "201, closed",
            ),
        ],
    );
    trial.end(GROWN_KIB_MAX, &[("old", 1)]);
}
