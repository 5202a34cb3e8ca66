//! `fanfare sub` against a real hub: what it prints, how it ends, and what it survives.

use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::program::{DEADLINE, HubProgram, Program, publish, run};
use crate::relay::Relay;

/// A subscriber that is already following.
fn follower(url: &str, args: &[&str]) -> Program {
    let mut program = Program::start(url, &[&["sub"], args].concat());
    program.says("following");
    program
}

#[test]
fn a_pipe_gets_the_data_and_json_all_of_it() {
    let hub = HubProgram::start();
    let mut plain = follower(&hub.url, &["room/*", "hall"]);
    let mut json = follower(&hub.url, &["hall", "room/**", "--json"]);
    let mut ids = Vec::new();
    for (topic, data) in [
        ("room/1", "a\nb"),
        ("room/1/x", "deep"),
        ("hall", ""),
        ("room/2", "c"),
    ] {
        ids.push(publish(&hub.url, topic, data));
    }
    for want in ["a", "b", "", "c"] {
        assert_eq!(plain.line(), want);
    }
    let lines: Vec<Value> = ids
        .iter()
        .map(|_| serde_json::from_str(&json.line()).unwrap())
        .collect();
    let topics: Vec<_> = lines
        .iter()
        .map(|line| line["topic"].as_str().unwrap())
        .collect();
    assert_eq!(topics, ["room/1", "room/1/x", "hall", "room/2"]);
    assert_eq!(
        lines
            .iter()
            .map(|line| line["id"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ids
    );
    assert!(
        lines
            .iter()
            .all(|line| line["event"] == "message" && line["time"].is_u64()),
        "{lines:?}"
    );
}

#[test]
fn history_and_since_start_in_the_past_and_count_ends() {
    let hub = HubProgram::start();
    let ids = ["1", "2", "3", "4"].map(|data| publish(&hub.url, "t", data));
    for (args, want) in [
        (
            vec!["sub", "t", "--history", "all", "--count", "4"],
            "1\n2\n3\n4",
        ),
        (vec!["sub", "t", "--history", "2", "--count", "2"], "3\n4"),
        (vec!["sub", "t", "--history", "10m", "--count", "1"], "1"),
        (vec!["sub", "t", "--since", &ids[1], "--count", "2"], "3\n4"),
        (vec!["sub", "t", "--since", "earliest", "--count", "1"], "1"),
    ] {
        let exit = run(&hub.url, &args, "");
        assert_eq!(
            (exit.code, exit.output.as_str()),
            (Some(0), want),
            "{args:?}"
        );
    }
}

#[test]
fn connections_that_are_cut_cost_no_event_and_repeat_none() {
    let hub = HubProgram::start();
    let relay = Relay::to(hub.address());
    let mut follower = follower(&relay.url, &["numbers"]);
    let mut publisher = Program::start(&hub.url, &["pub", "numbers", "--stream"]);
    for round in 0..4 {
        let numbers = round * 500..(round + 1) * 500;
        let lines: String = numbers
            .clone()
            .map(|number| format!("{number}\n"))
            .collect();
        publisher.write(&lines);
        // A quarter has come, the rest is somewhere between the pipes and the relay.
        let (first, others) = (
            numbers.start..numbers.start + 125,
            numbers.start + 125..numbers.end,
        );
        for number in first {
            assert_eq!(follower.line(), number.to_string());
        }
        relay.cut();
        for number in others {
            assert_eq!(follower.line(), number.to_string());
        }
    }
    assert_eq!(publisher.finish().code, Some(0));
    follower.says("connected again");
}

#[test]
fn a_hub_that_is_killed_and_started_again_is_found_and_its_gap_is_said() {
    let hub = HubProgram::start();
    let mut follower = follower(&hub.url, &["chat", "--json"]);
    let before = publish(&hub.url, "chat", "before");
    assert!(follower.line().contains("before"));
    let start_again = hub.stop("KILL");
    follower.says("trying again");
    let hub = start_again();
    follower.says("connected again");
    follower.says("gap: the hub started anew");
    publish(&hub.url, "chat", "after");
    let gap: Value = serde_json::from_str(&follower.line()).unwrap();
    assert_eq!(gap["event"], "fanfare.gap");
    let gap: Value = serde_json::from_str(gap["data"].as_str().unwrap()).unwrap();
    assert_eq!(
        (gap["reason"].as_str(), gap["asked"].as_str()),
        (Some("epoch"), Some(before.as_str()))
    );
    assert!(follower.line().contains("after"));
}

#[test]
fn a_hub_that_is_told_to_stop_lets_its_subscribers_come_back() {
    let hub = HubProgram::start();
    let mut follower = follower(&hub.url, &["chat"]);
    let start_again = hub.stop("TERM");
    follower.says("the hub ended the stream");
    let hub = start_again();
    follower.says("connected again");
    publish(&hub.url, "chat", "after");
    assert_eq!(follower.line(), "after");
}

#[test]
fn a_subscriber_waits_for_a_hub_that_is_not_there_yet_unless_told_otherwise() {
    let hub = HubProgram::start();
    let url = hub.url.clone();
    let start_again = hub.stop("KILL");
    let exit = run(&url, &["sub", "chat", "--no-retry"], "");
    assert_eq!(exit.code, Some(1));
    assert!(
        exit.errors.contains("start one with `fanfare dev`"),
        "{exit:?}"
    );

    let mut early = Program::start(&url, &["sub", "chat"]);
    early.says("start one with `fanfare dev`, or name another with --server; trying again in");
    let hub = start_again();
    early.says("following chat at");
    publish(&hub.url, "chat", "hello");
    assert_eq!(early.line(), "hello");
}

#[test]
fn signals_end_it_cleanly() {
    let hub = HubProgram::start();
    for signal in ["INT", "TERM"] {
        let mut follower = follower(&hub.url, &["chat"]);
        publish(&hub.url, "chat", "hello");
        assert_eq!(follower.line(), "hello");
        follower.signal(signal);
        let exit = follower.ended();
        assert_eq!((exit.code, exit.errors.as_str()), (Some(0), ""), "{signal}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_cleanly() {
    let hub = HubProgram::start();
    publish(&hub.url, "chat", "hello");
    let mut child = Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["sub", "chat", "--history", "all", "--server", &hub.url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let deadline = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it goes on");
        publish(&hub.url, "chat", "is anybody there?");
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("panic"),
        "{output:?}"
    );
}

#[test]
fn what_the_hub_refuses_is_said_and_final() {
    let hub = HubProgram::start();
    for topic in ["a//b", "a/**/b", ".well-known/x"] {
        let exit = run(&hub.url, &["sub", topic], "");
        assert_eq!((exit.code, exit.output.as_str()), (Some(1), ""), "{topic}");
        assert!(
            exit.errors.starts_with("fanfare: the hub answered 4"),
            "{topic}: {}",
            exit.errors
        );
    }
}
