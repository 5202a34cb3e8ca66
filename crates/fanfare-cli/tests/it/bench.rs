//! `fanfare bench` against a real hub, against servers that make mistakes on purpose, and against
//! none at all.

mod server;

use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use self::server::{Fault, Server};
use crate::program::{Exit, HubProgram, run};

/// As short as shows something.
const SHORT: [&str; 4] = ["--seconds", "1", "--warmup", "0.2"];

fn bench(url: &str, args: &[&str]) -> Exit {
    run(url, &[&["bench"], &SHORT[..], args].concat(), "")
}

fn json(exit: &Exit) -> Value {
    let json = serde_json::from_str(&exit.output);
    json.unwrap_or_else(|error| panic!("{error} in {exit:?}"))
}

#[test]
fn a_hub_gives_every_subscriber_every_event_and_the_json_says_so() {
    let hub = HubProgram::start();
    let pid = hub.pid().to_string();
    let args = [
        "--subscribers",
        "50",
        "--rate",
        "200",
        "--pid",
        &pid,
        "--json",
    ];
    let exit = bench(&hub.url, &args);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    let seen = json(&exit);
    assert_eq!(seen["is_clean"], true, "{seen}");
    for wrong in ["lost", "repeated", "out_of_order", "foreign"] {
        assert_eq!(seen["tally"][wrong], 0, "{seen}");
    }
    assert_eq!(seen["missing"], 0);
    let number = |value: &Value| value.as_f64().unwrap();
    // Events at the edges of what is counted may be received on its other side.
    let deliveries = number(&seen["deliveries"]) / number(&seen["events"]);
    assert!((40.0..60.0).contains(&deliveries), "{seen}");
    let latency = &seen["latency_ms"];
    let percentiles = ["p50", "p90", "p99", "p999", "max"].map(|it| number(&latency[it]));
    assert!(percentiles[0] > 0.0 && percentiles.is_sorted(), "{seen}");
    assert!(number(&seen["server_cores"]) > 0.0, "{seen}");
    assert!(number(&seen["memory_bytes"]) > 1e6, "{seen}");
    assert!(!exit.errors.is_empty(), "it says how far it is");
}

#[test]
fn topics_of_ones_own_and_as_many_events_as_it_takes_are_printed_as_a_table() {
    let hub = HubProgram::start();
    let url = format!("{}/room/{{topic}}?history=1", hub.url);
    let args = ["-s", "20", "--topics", "10", "-c", "4", "--quiet", &url];
    let exit = bench(&hub.url, &args);
    assert_eq!((exit.code, exit.errors.as_str()), (Some(0), ""), "{exit:?}");
    for text in [
        "/room/bench-{topic}?history=1",
        "20 subscribers of 10 topics, 4 publishes in flight",
        "every subscriber got every event once and in order",
    ] {
        assert!(exit.output.contains(text), "{text}: {}", exit.output);
    }
}

#[test]
fn mistakes_of_a_server_are_found_and_fail() {
    for (fault, wrong) in [
        (Fault::Drop, "lost"),
        (Fault::Repeat, "repeated"),
        (Fault::Swap, "out_of_order"),
    ] {
        let server = Server::start(fault);
        let publish = format!("{}/publish", server.url);
        let subscribe = format!("{}/subscribe", server.url);
        let args = ["-s", "5", "-r", "100", "-c", "1", "--json", &subscribe];
        let exit = bench("", &[&args[..], &["--publish-url", &publish]].concat());
        assert_eq!(exit.code, Some(1), "{fault:?}: {exit:?}");
        let seen = json(&exit);
        assert_eq!(seen["is_clean"], false, "{fault:?}: {seen}");
        for count in ["lost", "repeated", "out_of_order"] {
            assert_eq!(
                seen["tally"][count],
                u8::from(count == wrong),
                "{fault:?}: {seen}"
            );
        }
    }
}

#[test]
fn who_is_hung_up_on_instead_of_let_in_comes_again_and_is_counted() {
    let server = Server::start(Fault::HangUp);
    let exit = bench(&server.url, &["-s", "5", "-r", "100", "-c", "1", "--json"]);
    assert_eq!(exit.code, Some(1), "{exit:?}");
    let seen = json(&exit);
    assert_eq!(
        (&seen["hung_up"], &seen["missing"]),
        (&1.into(), &0.into()),
        "{seen}"
    );
    let deliveries = seen["deliveries"].as_f64().unwrap() / seen["events"].as_f64().unwrap();
    assert!((4.0..6.0).contains(&deliveries), "all five get it: {seen}");
}

#[test]
fn a_server_without_faults_of_any_make_passes() {
    let server = Server::start(Fault::None);
    let args = [
        "-s",
        "5",
        "-r",
        "100",
        "--header",
        "X-Key: abc",
        "--body",
        r#"{"at":"{time}","n":"{n}"}"#,
        "--json",
    ];
    let exit = bench(&server.url, &args);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(
        json(&exit)["deliveries"].as_u64().unwrap() > 5 * 50,
        "{exit:?}"
    );
    assert!(
        server
            .requests()
            .iter()
            .all(|head| head.contains("X-Key: abc"))
    );
}

#[test]
fn what_a_server_refuses_is_said_with_what_to_change() {
    for (fault, status, advice) in [
        (Fault::RefuseSubscribe(404), "404", "correct the URL"),
        (Fault::RefuseSubscribe(401), "401", "--header"),
        (Fault::RefuseSubscribe(503), "503", "--subscribers"),
        (Fault::RefusePublish(404), "404", "--publish-url"),
        (Fault::RefusePublish(415), "415", "--publish-header"),
        (Fault::RefusePublish(403), "403", "--header"),
    ] {
        let server = Server::start(fault);
        let exit = bench(&server.url, &[]);
        assert_eq!((exit.code, exit.output.as_str()), (Some(1), ""), "{exit:?}");
        for text in [status, advice, "it said: not for you"] {
            assert!(exit.errors.contains(text), "{fault:?}, {text}: {exit:?}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_said_at_once() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let exit = bench(&format!("http://{address}"), &[]);
    assert_eq!((exit.code, exit.output.as_str()), (Some(1), ""));
    let text = format!("nobody listens at {address}");
    assert!(exit.errors.contains(&text), "{exit:?}");
    let exit = bench("http://127.0.0.1:1", &["--pid", "4194305"]);
    assert!(exit.errors.contains("--pid"), "{exit:?}");
}

#[test]
fn more_subscribers_than_the_process_may_have_files_are_refused_with_the_limit() {
    let script = "ulimit -n 64 && exec \"$0\" bench --subscribers 100 --in-flight 8";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_fanfare")]);
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    for text in [
        "the limit of this process is 64",
        "ulimit -n 140",
        "--subscribers",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
}
