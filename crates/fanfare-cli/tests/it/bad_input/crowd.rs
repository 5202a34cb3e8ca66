//! Many connections at once: abandoned, half closed, reset, more than there are descriptors for,
//! and readers that do not read.

use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::hub::Hub;
use super::report::Trial;
use super::wire::{read_answer, read_to_end, send};
use super::{request, wire};

/// The neighbours' two connections, and the one that asks.
const BASELINE: i64 = 3;
/// How long the hub may take to notice what happened on loopback.
const NOTICE: Duration = Duration::from_secs(10);
/// How long the processor is watched.
const WATCH: Duration = Duration::from_secs(1);

/// Hangs up with a reset: the kernel sends one when there is something that nobody read.
fn reset(socket: TcpStream) {
    let mut byte = [0];
    while socket.peek(&mut byte).unwrap() == 0 {}
    drop(socket);
}

/// The share of one processor that the hub uses while nothing changes.
fn cpu_share(hub: &Hub) -> f64 {
    let (before, start) = (hub.cpu(), Instant::now());
    // There is no condition to wait for: this is the time that is measured.
    while start.elapsed() < WATCH {
        thread::park_timeout(WATCH);
    }
    (hub.cpu() - before).as_secs_f64() / start.elapsed().as_secs_f64()
}

#[test]
fn abandoned_connections_leave_nothing_behind() {
    let trial = Trial::at("crowd");
    trial.case("500 connections, opened and abandoned", |hub| {
        let sockets: Vec<_> = (0..500).map(|_| hub.connect()).collect();
        drop(sockets);
        freed(hub)
    });
    trial.case("500 half heads, abandoned", |hub| {
        for _ in 0..500 {
            send(&mut hub.connect(), b"POST /a HTTP/1.1\r\nHo");
        }
        freed(hub)
    });
    trial.case("500 half bodies, abandoned", |hub| {
        for _ in 0..500 {
            send(
                &mut hub.connect(),
                b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
            );
        }
        freed(hub)
    });
    trial.case("500 streams, reset", |hub| {
        for _ in 0..500 {
            let mut socket = hub.connect();
            send(&mut socket, &request("GET", "/a", "", b""));
            reset(socket);
        }
        let took = hub.await_metric("fanfare_streams", 1, NOTICE);
        format!(
            "streams closed after {} ms, {}",
            took.as_millis(),
            freed(hub)
        )
    });
    trial.end(24 << 10, &[]);
}

/// Waits until only the neighbours are connected.
fn freed(hub: &Hub) -> String {
    let took = hub.await_metric("fanfare_connections", BASELINE, NOTICE);
    format!("freed after {} ms", took.as_millis())
}

#[test]
fn a_reset_in_the_middle_of_a_body_stores_nothing_that_was_not_whole() {
    let trial = Trial::at("crowd");
    let go_on = "100 Continue";
    trial.case("a reset in a whole body", |hub| {
        let mut socket = hub.connect();
        // The answer that is left unread turns the hang-up into a reset.
        send(
            &mut socket,
            &request(
                "POST",
                "/reset",
                "Expect: 100-continue\r\nContent-Length: 9\r\n",
                b"",
            ),
        );
        send(&mut socket, b"half");
        reset(socket);
        freed(hub)
    });
    trial.case("a reset in a stream of blocks, after one", |hub| {
        let lines = "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n";
        let mut socket = hub.connect();
        send(&mut socket, &request("POST", "/piped", lines, b""));
        send(&mut socket, b"15\r\ndata: 1\n\ndata: half of\r\n");
        reset(socket);
        freed(hub)
    });
    assert_eq!(
        trial.hub.events("piped").len(),
        1,
        "what was whole before {go_on} broke off"
    );
    trial.end(16 << 10, &[("piped", 1)]);
}

/// A stream has to notice at once that its reader left, and the hub cannot tell half a hang-up from
/// a whole one: a publisher that half closes may get no answer. What it was answered stands.
#[test]
fn a_publisher_that_half_closes_is_answered_truly_or_not_at_all() {
    let trial = Trial::at("crowd");
    let mut acknowledged = 0;
    trial.case("100 times a POST, then half a hang-up", |hub| {
        for _ in 0..100 {
            let mut socket = hub.connect();
            send(&mut socket, &request("POST", "/half", "", b"x"));
            socket.shutdown(Shutdown::Write).unwrap();
            match &*read_answer(&mut socket).as_text() {
                "201" => acknowledged += 1,
                answer => assert_eq!(answer, "no answer, closed"),
            }
        }
        "201, or closed without an answer".to_owned()
    });
    // What was begun for those who got no answer is stored before what comes after it.
    let last = trial.hub.exchange(&request("POST", "/half", "", b"x"));
    assert_eq!(last.as_text(), "201");
    let stored = trial.hub.events("half").len() - 1;
    assert!(
        (acknowledged..=100).contains(&stored),
        "{acknowledged} of {stored}"
    );
    trial.end(16 << 10, &[("half", stored as u64 + 1)]);
}

#[test]
fn half_closed_readers_are_hung_up_on_and_cost_no_processor_time() {
    let trial = Trial::at("crowd");
    trial.hub.exchange(&request("POST", "/half", "", b"x"));
    let mut sockets: Vec<_> = (0..200).map(|_| trial.hub.connect()).collect();
    for socket in &mut sockets {
        send(socket, &request("GET", "/half", "", b""));
        assert_eq!(read_answer(socket).status, 200);
        socket.shutdown(Shutdown::Write).unwrap();
    }
    let answer = trial.case("200 streams with half a hang-up", |hub| {
        for socket in &mut sockets {
            read_to_end(socket);
        }
        let share = cpu_share(hub);
        assert!(share < 0.2, "{share} of a processor");
        format!("closed, {:.0} % of a processor", 100.0 * share)
    });
    assert!(answer.starts_with("closed"));
    trial.end(16 << 10, &[("half", 1)]);
}

#[test]
fn peers_that_wait_in_the_preface_cost_no_processor_time() {
    let trial = Trial::at("crowd");
    let mut sockets: Vec<_> = (0..500).map(|_| trial.hub.connect()).collect();
    for socket in &mut sockets {
        send(socket, b"P");
    }
    trial.case("500 times P, and then nothing", |hub| {
        let share = cpu_share(hub);
        assert!(share < 0.3, "{share} of a processor");
        format!("{:.0} % of a processor", 100.0 * share)
    });
    drop(sockets);
    trial.end(24 << 10, &[]);
}

/// A hub that may open 256 files.
fn with_few_descriptors() -> Hub {
    let mut command = Command::new("sh");
    let script = "ulimit -n 256 && exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_fanfare")]);
    command.args("dev --listen 127.0.0.1:0 --tls-listen 127.0.0.1:0 --quiet".split(' '));
    Hub::start(command)
}

#[test]
fn connections_leave_descriptors_for_the_log() {
    let trial = Trial::of("reserved descriptors", with_few_descriptors());
    let mut sockets: Vec<_> = (0..400).map(|_| trial.hub.connect()).collect();
    trial.case("400 connections with 256 descriptors", |hub| {
        let log = hub.log();
        assert!(
            log.contains("192 connections are taken and not 50000"),
            "{log}"
        );
        // The witness has its own, and publishes and reads all the while.
        let closed = sockets.iter_mut().rev().take(200);
        let closed = closed
            .map(read_to_end)
            .filter(|rest| rest.is_empty())
            .count();
        assert_eq!(closed, 200);
        assert_eq!(log.matches("cannot accept").count(), 0, "{log}");
        "the last 200 closed".to_owned()
    });
    drop(sockets);
    trial.end(16 << 10, &[]);
}

#[test]
fn out_of_descriptors_is_waited_out_without_spinning() {
    let trial = Trial::of("descriptors", with_few_descriptors());
    // Less than the hub was started with, so that it takes more than it can have.
    let pid = trial.hub.pid().to_string();
    let prlimit = Command::new("prlimit")
        .args(["--pid", &pid, "--nofile=100:100"])
        .status();
    assert!(prlimit.unwrap().success());
    let start = Instant::now();
    let sockets: Vec<_> = (0..400).map(|_| trial.hub.connect()).collect();
    trial.case("400 connections with 100 descriptors", |hub| {
        let share = cpu_share(hub);
        assert!(share < 0.2, "{share} of a processor");
        let lines = hub.log().matches("cannot accept").count() as u64;
        // One each ten seconds; on a busy machine the case itself may take longer.
        let lines_max = 1 + start.elapsed().as_secs() / 10;
        assert!(
            (1..=lines_max).contains(&lines),
            "{lines} lines fill the log"
        );
        format!("{:.0} % of a processor, {lines} line of log", 100.0 * share)
    });
    drop(sockets);
    trial.case("the same connections closed", |hub| {
        let start = Instant::now();
        let mut socket = wire::connect(hub.plain);
        send(&mut socket, &request("GET", "/-/health/ready", "", b""));
        assert_eq!(read_answer(&mut socket).status, 200);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        format!("200 after {} ms", took.as_millis())
    });
    trial.end(16 << 10, &[]);
}

/// A slow reader is a cursor: what it does not read is held once, if at all.
#[test]
fn readers_that_never_read_cost_a_cursor_and_no_queue() {
    const READERS: usize = 200;
    const EVENT_BYTES: usize = 20_000;
    // Less than is published, and more than comes while a busy machine keeps the neighbours from
    // their processor: whom history overtakes is told a gap, rightly.
    let hub = Hub::dev(&["--history-bytes", "12000000"]);
    let trial = Trial::of("slow readers", hub);
    let mut readers: Vec<_> = (0..READERS).map(|_| trial.hub.connect()).collect();
    for socket in &mut readers {
        send(socket, &request("GET", "/flood", "", b""));
        assert_eq!(read_answer(socket).status, 200);
    }
    let body = vec![b'x'; EVENT_BYTES];
    trial.case("20 MB of events, 200 subscribers that do not read", |hub| {
        let mut publisher = hub.connect();
        let start = Instant::now();
        for _ in 0..20_000_000 / EVENT_BYTES {
            send(&mut publisher, &request("POST", "/flood", "", &body));
            assert_eq!(read_answer(&mut publisher).status, 201);
        }
        format!("all acknowledged in {:.1} s", start.elapsed().as_secs_f64())
    });
    // A queue of 20 MB for each would be 4 GB. What there is: the history, what the two shards keep
    // for readers that fall behind a little, and for each reader a turn or two of 64 KiB.
    assert!(trial.grown_kib() < 80 << 10, "{} KiB", trial.grown_kib());
    trial.case("the same subscribers, gone", |hub| {
        drop(readers);
        let took = hub.await_metric("fanfare_streams", 1, NOTICE);
        format!("freed after {} ms", took.as_millis())
    });
    trial.end_trimmed(80 << 10);
}

#[test]
fn the_hub_takes_as_many_as_its_operator_says() {
    let hub = Hub::dev(&["--subscribers-max", "1"]);
    let mut stream = hub.connect();
    send(&mut stream, &request("GET", "/a", "", b""));
    hub.await_metric("fanfare_streams", 1, NOTICE);
    let second = hub.exchange(&request("GET", "/a", "", b""));
    assert_eq!(second.as_text(), "429 too_many_subscribers");

    let hub = Hub::dev(&["--connections-max", "1"]);
    let mut stream = hub.connect();
    send(&mut stream, &request("GET", "/a", "", b""));
    let mut begin = Vec::new();
    assert!(
        wire::read_more(&mut stream, &mut begin),
        "the first is let in"
    );
    let second = hub.exchange(&request("GET", "/a", "", b""));
    assert_eq!(second.as_text(), "no answer, closed");
}
