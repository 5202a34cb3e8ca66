//! Bad input on every door of the real binary, over raw sockets.
//!
//! Each test starts a hub of its own, keeps a healthy publisher and subscriber at work on other
//! connections meanwhile, and looks at the answer, at what is stored, at the process and at its
//! memory. Each case prints a line of `docs/results/bad-input.md`.

// Its minute of waiting runs beside all others: tests start in the order of their names.
mod absent;
mod bodies;
mod crowd;
mod deadlines;
mod faithful;
mod fields;
mod heads;
mod http2;
mod hub;
mod own_routes;
mod paths;
mod report;
mod smuggling;
mod subscriptions;
mod tls;
mod websocket;
mod wire;
mod witness;

use self::hub::Hub;
use self::report::Trial;

/// Something that a client sends, and how the hub answers.
struct Case {
    name: String,
    sent: Vec<u8>,
    answer: &'static str,
}

impl Case {
    fn new(name: impl Into<String>, sent: impl Into<Vec<u8>>, answer: &'static str) -> Self {
        Self {
            name: name.into(),
            sent: sent.into(),
            answer,
        }
    }

    /// A GET without a body.
    fn get(name: &str, target: &str, answer: &'static str) -> Self {
        Self::new(name, request("GET", target, "", b""), answer)
    }

    /// A POST of an `x`.
    fn post(name: &str, target: &str, answer: &'static str) -> Self {
        Self::new(name, request("POST", target, "", b"x"), answer)
    }
}

/// A request with a host, further header lines (each ended) and a body with its length.
fn request(method: &str, target: impl AsRef<[u8]>, lines: &str, body: &[u8]) -> Vec<u8> {
    let mut request = [method.as_bytes(), b" ", target.as_ref()].concat();
    request.extend_from_slice(b" HTTP/1.1\r\nHost: hub.example\r\n");
    request.extend_from_slice(lines.as_bytes());
    if !body.is_empty() {
        request.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    request
}

/// Sends each case on a connection of its own, and tells all answers that are not the expected ones
/// together.
fn check(trial: &mut Trial, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let answer = trial.case(&case.name, |hub: &Hub| hub.exchange(&case.sent).as_text());
        if answer != case.answer {
            wrong.push(format!("{}: {answer}, not {}", case.name, case.answer));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
