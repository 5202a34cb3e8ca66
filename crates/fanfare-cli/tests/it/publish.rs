//! `fanfare pub` against a real hub, watched by `fanfare sub`.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Exit, HubProgram, Program, publish, run};

/// A subscriber to `topic` that prints JSON and is already following.
fn follower(hub: &HubProgram, topic: &str) -> Program {
    let mut program = Program::start(&hub.url, &["sub", topic, "--json"]);
    program.says("following");
    program
}

/// The next event: its type and its data.
fn event(follower: &mut Program) -> (String, String) {
    let line: Value = serde_json::from_str(&follower.line()).unwrap();
    let text = |name: &str| line[name].as_str().unwrap().to_owned();
    (text("event"), text("data"))
}

fn pair(event_type: &str, data: &str) -> (String, String) {
    (event_type.to_owned(), data.to_owned())
}

#[test]
fn an_argument_is_one_event_and_its_id_is_printed() {
    let hub = HubProgram::start();
    let mut follower = follower(&hub, "chat");
    let text = " two\nlines, \u{1f600} and a \\ ";
    let id = publish(&hub.url, "chat", text);
    let line: Value = serde_json::from_str(&follower.line()).unwrap();
    assert_eq!(
        (line["id"].as_str(), line["data"].as_str()),
        (Some(id.as_str()), Some(text))
    );

    let exit = run(
        &hub.url,
        &["pub", "chat", "", "--event", "greeting", "--json"],
        "",
    );
    let receipt: Value = serde_json::from_str(&exit.output).unwrap();
    assert_eq!(
        (receipt["topic"].as_str(), receipt["count"].as_u64()),
        (Some("chat"), Some(1))
    );
    assert_eq!(event(&mut follower), pair("greeting", ""));
    publish(&hub.url, "chat", "-5");
    assert_eq!(event(&mut follower), pair("message", "-5"));
}

#[test]
fn standard_input_is_one_event_without_its_last_line_break() {
    let hub = HubProgram::start();
    let mut follower = follower(&hub, "a/b ü");
    for (args, input, data) in [
        (vec!["pub", "a/b ü"], "one\n\ntwo\n", "one\n\ntwo"),
        (vec!["pub", "a/b ü", "-"], "\n\n", "\n"),
        (vec!["pub", "a/b ü", "-"], "-\r\n", "-"),
    ] {
        assert_eq!(run(&hub.url, &args, input).code, Some(0));
        assert_eq!(event(&mut follower), pair("message", data));
    }
}

#[test]
fn each_line_is_published_before_the_next_is_written() {
    let hub = HubProgram::start();
    let mut follower = follower(&hub, "log");
    let args = ["pub", "log", "--stream", "--event", "line", "--json"];
    let mut publisher = Program::start(&hub.url, &args);
    let mut slowest = Duration::ZERO;
    for line in ["first", "", "  third ", "caf\u{e9}"] {
        let written = Instant::now();
        publisher.write(&format!("{line}\n"));
        assert_eq!(event(&mut follower), pair("line", line));
        slowest = slowest.max(written.elapsed());
    }
    publisher.write("cut off");
    let exit = publisher.finish();
    assert_eq!(event(&mut follower), pair("line", "cut off"));
    let receipt: Value = serde_json::from_str(&exit.output).unwrap();
    assert_eq!((exit.code, receipt["count"].as_u64()), (Some(0), Some(5)));
    println!("slowest line from pipe to pipe: {slowest:?}");
}

#[test]
fn a_live_event_stream_passes_through_block_by_block() {
    let hub = HubProgram::start();
    let mut follower = follower(&hub, "feed");
    for args in [
        ["pub", "feed", "--stream=sse"],
        ["pub", "feed", "--type=text/event-stream"],
    ] {
        let mut publisher = Program::start(&hub.url, &args);
        publisher.write("retry: 10\nevent: tick\ndata: 1\n\n: a comment\n\nid: mine\nda");
        assert_eq!(event(&mut follower), pair("tick", "1"));
        publisher.write("ta: 2\ndata: more\n\n");
        assert_eq!(event(&mut follower), pair("message", "2\nmore"));
        assert_eq!(publisher.finish().code, Some(0));
    }
}

#[test]
fn an_event_stream_that_is_cut_short_leaves_no_half_event() {
    let hub = HubProgram::start();
    let mut follower = follower(&hub, "feed");
    let mut publisher = Program::start(&hub.url, &["pub", "feed", "--stream=sse", "--end"]);
    publisher.write("data: whole\n\ndata: ha");
    assert_eq!(event(&mut follower), pair("message", "whole"));
    let exit = publisher.finish();
    assert_eq!(exit.code, Some(1));
    assert!(exit.errors.contains("ended within an event"), "{exit:?}");
    publish(&hub.url, "feed", "next");
    assert_eq!(
        event(&mut follower),
        pair("message", "next"),
        "and the topic goes on"
    );
}

#[test]
fn an_ended_topic_ends_its_subscribers_and_refuses_more() {
    let hub = HubProgram::start();
    let mut follower = follower(&hub, "show");
    let args = ["pub", "show", "--stream", "--end"];
    assert_eq!(run(&hub.url, &args, "one\ntwo\n").code, Some(0));
    for want in [pair("message", "one"), pair("message", "two")] {
        assert_eq!(event(&mut follower), want);
    }
    assert_eq!(event(&mut follower).0, "fanfare.end");
    assert_eq!(follower.ended().code, Some(0));
    let late = run(&hub.url, &["sub", "show"], "");
    assert_eq!((late.code, late.output.as_str()), (Some(0), ""));
    let refused = run(&hub.url, &["pub", "show", "three"], "");
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.contains("(topic_ended)"), "{refused:?}");
}

#[test]
fn a_topic_ends_without_an_event_too() {
    let hub = HubProgram::start();
    let follower = follower(&hub, "show");
    assert_eq!(run(&hub.url, &["pub", "show", "--end"], "").code, Some(0));
    let exit = follower.ended();
    assert_eq!(exit.code, Some(0));
    assert!(
        exit.output.contains("fanfare.end") && !exit.output.contains("message"),
        "{exit:?}"
    );
}

#[test]
fn a_refused_stream_ends_while_its_input_stays_open() {
    let hub = HubProgram::start();
    let mut follower = follower(&hub, "log");
    let mut publisher = Program::start(&hub.url, &["pub", "log", "--stream"]);
    publisher.write("one\n");
    assert_eq!(event(&mut follower), pair("message", "one"));
    assert_eq!(run(&hub.url, &["pub", "log", "--end"], "").code, Some(0));
    publisher.write("two\n");
    let exit = publisher.ended();
    assert_eq!(exit.code, Some(1));
    assert!(
        exit.errors.contains("1 event"),
        "says how far it came: {exit:?}"
    );
}

#[test]
fn the_same_key_stores_one_event() {
    let hub = HubProgram::start();
    let args = ["pub", "orders", "42", "--idempotency-key", "order-42"];
    let (first, second) = (run(&hub.url, &args, ""), run(&hub.url, &args, ""));
    assert_eq!((first.code, &first.output), (Some(0), &second.output));
    let history = ["sub", "orders", "--history", "all", "--count", "2"];
    let mut all = Program::start(&hub.url, &history);
    assert_eq!(all.line(), "42");
    publish(&hub.url, "orders", "43");
    assert_eq!(all.line(), "43");
    assert_eq!(all.finish().code, Some(0));
}

#[test]
fn without_a_hub_it_says_what_to_do_and_does_not_wait() {
    let hub = HubProgram::start();
    let url = hub.url.clone();
    drop(hub.stop("KILL"));
    let advice = format!(
        "fanfare: no hub answers at {url}: start one with `fanfare dev`, or name another with --server"
    );
    let want = Exit {
        code: Some(1),
        output: String::new(),
        errors: advice,
    };
    assert_eq!(run(&url, &["pub", "chat", "hello"], ""), want);
    assert_eq!(run(&url, &["pub", "chat", "--stream"], "hello\n"), want);
}

#[test]
fn misuse_says_what_to_change() {
    let nowhere = "http://127.0.0.1:1";
    for (args, input, says) in [
        (vec!["pub", "chat"], "", "standard input was empty"),
        (vec!["pub", "", "x"], "", "the topic is empty"),
        (vec!["pub", "chat", "x", "--stream"], "", "leave DATA away"),
        (
            vec!["pub", "chat", "--stream=sse", "--event", "x"],
            "",
            "leave --event and --retry away",
        ),
        (
            vec!["pub", "chat", "x", "--event", "a\nb"],
            "",
            "the event type holds a control character",
        ),
        (
            vec!["pub", "chat", "x", "--server", "localhost:4000"],
            "",
            "write it like http://127.0.0.1:4000",
        ),
        (
            vec!["pub", "chat", "x", "--server", "http://a:b@h"],
            "",
            "no user name or password",
        ),
        (vec!["sub", "chat", ""], "", "the topic is empty"),
    ] {
        let exit = run(nowhere, &args, input);
        assert_eq!((exit.code, exit.output.as_str()), (Some(1), ""), "{args:?}");
        assert!(exit.errors.contains(says), "{args:?}: {}", exit.errors);
    }
    for args in [
        vec!["pub"],
        vec!["pub", "chat", "x", "--retry", "5"],
        vec!["sub"],
        vec!["sub", "chat", "--count", "0"],
    ] {
        assert_eq!(run(nowhere, &args, "").code, Some(2), "{args:?}");
    }
}
