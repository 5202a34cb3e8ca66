//! The folder of a hub from outside: killed, copied back, used twice, and with a clock that steps.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::folder::DataFolder;
use crate::program::DEADLINE;

/// A hub over a folder that outlives it. Dropping it kills the process.
struct Hub {
    child: Child,
    address: String,
}

/// Starts over the same folder again and again.
fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .args(["serve", "--open", "--quiet", "--listen", "127.0.0.1:0"])
        // A start writes a segment full of zeros; a small one is written at once.
        .args(["--segment-bytes", "1048576"])
        .arg("--data")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A body whose chunks are put together (RFC 9112 7.1).
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&rest[..size]);
        if size == 0 {
            return body;
        }
        chunks = &rest[size + 2..];
    }
}

impl Hub {
    fn start(folder: &Path) -> Self {
        Self::spawn(&mut command(folder))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Self { child, address }
    }

    /// Asks, and gives the answer as JSON with its status in `status`.
    fn ask(&self, head: &str, body: &str) -> Value {
        let mut socket = self.send(head, body);
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body = match head.contains("transfer-encoding: chunked") {
            true => joined(body),
            false => body.to_owned(),
        };
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {answer:?}"))
    }

    /// Asks without waiting for the answer.
    fn send(&self, head: &str, body: &str) -> TcpStream {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = body.len();
        let request = format!(
            "{head}Host: hub\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).unwrap();
        socket
    }

    /// Publishes, and answers the id.
    fn publish(&self, body: &str) -> String {
        let answer = self.ask("POST /a HTTP/1.1\r\n", body);
        assert_eq!(answer["durability"], "disk", "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// What follows an id: the data of each event, a gap as the word.
    fn after(&self, id: &str) -> Vec<String> {
        let mut id = id.to_owned();
        let mut told = Vec::new();
        loop {
            let head =
                format!("GET /a HTTP/1.1\r\nAccept: application/json\r\nLast-Event-ID: {id}\r\n");
            let page = self.ask(&head, "");
            // A page may end early, where the next event lies in another file.
            let Some(last) = page.as_array().unwrap().last() else {
                return told;
            };
            last["id"].as_str().unwrap().clone_into(&mut id);
            for event in page.as_array().unwrap() {
                told.push(match event["event"].as_str().unwrap() {
                    "fanfare.gap" => "gap".to_owned(),
                    _ => event["data"].as_str().unwrap().to_owned(),
                });
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in good order.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(status.unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

#[test]
fn a_retry_over_a_kill_stores_one_event_and_answers_the_same_id() {
    let folder = DataFolder::new();
    let keyed = "POST /a HTTP/1.1\r\nIdempotency-Key: k\r\n";
    let hub = Hub::start(folder.path());
    // Nobody knows whether this one arrived.
    drop(hub.send("POST /a HTTP/1.1\r\nIdempotency-Key: lost\r\n", "lost"));
    let first = hub.ask(keyed, "once");
    hub.kill();
    let hub = Hub::start(folder.path());
    assert_eq!(hub.ask(keyed, "once")["id"], first["id"]);
    let lost = hub.ask("POST /a HTTP/1.1\r\nIdempotency-Key: lost\r\n", "lost");
    assert_eq!(lost["count"], 1, "{lost}");
    let mut events = hub.after("earliest");
    events.sort_unstable();
    assert_eq!(events, ["lost", "once"]);
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_after_a_stop() {
    let folder = DataFolder::new();
    let hub = Hub::start(folder.path());
    let one = hub.publish("1");
    let two = hub.publish("2");
    hub.kill();
    let hub = Hub::start(folder.path());
    assert_eq!(hub.after(&one), ["2"]);
    hub.publish("3");
    hub.stop();
    let hub = Hub::start(folder.path());
    assert_eq!(hub.after(&two), ["3"]);
    assert_eq!(hub.after("earliest"), ["1", "2", "3"]);
}

#[test]
fn a_copy_that_was_put_back_tells_every_old_id_a_gap() {
    // As most people restore: the folder removed and copied back, or copied over the present one.
    for is_removed_first in [true, false] {
        let (folder, backup) = (DataFolder::new(), DataFolder::new());
        let (original, copy) = (folder.path().to_str(), backup.path().to_str());
        let (original, copy) = (original.unwrap(), copy.unwrap());
        let hub = Hub::start(folder.path());
        let old = hub.publish("old");
        hub.stop();
        run("cp", &["-a", original, copy]);
        let hub = Hub::start(folder.path());
        let young = hub.publish("what the copy does not have");
        hub.stop();
        if is_removed_first {
            run("rm", &["-r", original]);
            run("cp", &["-a", copy, original]);
        } else {
            run("cp", &["-a", &format!("{copy}/."), original]);
        }
        let hub = Hub::start(folder.path());
        let new = hub.publish("new");
        assert_ne!(new, young);
        for id in [&old, &young] {
            let told = hub.after(id);
            assert_eq!(told, ["gap", "old", "new"], "{id}, {is_removed_first}");
        }
        assert_eq!(hub.after("earliest"), ["old", "new"]);
    }
}

#[test]
fn a_second_hub_on_a_folder_refuses_to_start() {
    let folder = DataFolder::new();
    let hub = Hub::start(folder.path());
    let second = command(folder.path()).output().unwrap();
    assert!(!second.status.success());
    let complaint = String::from_utf8(second.stderr).unwrap();
    assert!(complaint.contains("in use"), "{complaint}");
    hub.publish("the first goes on");
}

/// Where the library lies that gives a process another clock.
const CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[test]
fn a_wall_clock_that_steps_moves_no_id_and_loses_no_event() {
    assert!(
        Path::new(CLOCK).exists(),
        "there is no {CLOCK}: install faketime, as `cargo xtask test` does"
    );
    let (folder, clock) = (DataFolder::new(), DataFolder::new());
    std::fs::write(clock.path(), "+0").unwrap();
    let mut command = command(folder.path());
    // Ten years ahead everything is older than a day; what is asked here is order, not age.
    command
        .args(["--history-age", "1000000h"])
        .env("LD_PRELOAD", CLOCK)
        .env("FAKETIME_TIMESTAMP_FILE", clock.path())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    let hub = Hub::spawn(&mut command);
    let mut published = Vec::new();
    for step in ["+0", "-1h", "+10y", "-1h", "+0"] {
        std::fs::write(clock.path(), step).unwrap();
        for _ in 0..10 {
            let text = published.len().to_string();
            let id = hub.publish(&text);
            let seq: u64 = id.split('-').nth(1).unwrap().parse().unwrap();
            published.push(text);
            assert_eq!(seq, published.len() as u64, "after the clock went {step}");
        }
    }
    assert_eq!(hub.after("earliest"), published);
    hub.kill();
    std::fs::write(clock.path(), "-1h").unwrap();
    let hub = Hub::spawn(&mut command);
    assert_eq!(hub.after("earliest"), published);
    std::fs::remove_file(clock.path()).unwrap();
}
