//! What people send stays between them: no token and no payload appears in a log or a metric, not
//! even when everything is logged.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::program::{DEADLINE, Program};

const PAYLOAD: &str = "pearl-diver-payload";
const TOKEN: &str = "pearl-diver-token";
const KEY: &str = "pearl-diver-key";

/// One request on a connection of its own, and everything that is answered.
fn exchange(address: &str, head: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: hub\r\nAccept: application/json\r\n\
         Authorization: Bearer {TOKEN}\r\nIdempotency-Key: {KEY}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn no_token_and_no_payload_is_logged_or_counted() {
    let args = [
        "dev",
        "--listen",
        "127.0.0.1:0",
        "--tls-listen",
        "127.0.0.1:0",
        "--log",
        "trace",
    ];
    let mut hub = Program::start("", &args);
    let line = hub.line();
    let address = line
        .strip_prefix("Fanfare is listening on http://")
        .unwrap()
        .to_owned();

    let stored = exchange(&address, "POST /secrets", PAYLOAD);
    assert!(stored.starts_with("HTTP/1.1 201"), "{stored}");
    let reused = exchange(&address, "POST /secrets", &format!("{PAYLOAD}, another"));
    assert!(reused.starts_with("HTTP/1.1 409"), "{reused}");
    let refused = exchange(
        &address,
        &format!("POST /secrets?event=%0A{PAYLOAD}"),
        PAYLOAD,
    );
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    let page = exchange(&address, "GET /secrets?history=all", "");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");

    let metrics = exchange(&address, "GET /-/metrics", "");
    hub.signal("TERM");
    let exit = hub.ended();
    for (name, said) in [
        ("metrics", &metrics),
        ("output", &exit.output),
        ("log", &exit.errors),
    ] {
        for secret in [PAYLOAD, TOKEN, KEY] {
            assert!(!said.contains(secret), "{name} holds `{secret}`: {said}");
        }
    }
    assert!(
        !exit.errors.is_empty(),
        "nothing was logged, so nothing was tested"
    );
}
