//! The rules of the specification, one row each, from the file that all languages share.

use std::collections::BTreeSet;

use fanfare_sse::{Decoder, MAX_EVENT_BYTES_DEFAULT};
use serde::Deserialize;

use crate::{
    oracle::{self, Seen},
    seen::{cuts, feed},
};

const CASES: &str = include_str!("../../../../conformance/sse/decoder.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    name: String,
    input: Option<String>,
    hex: Option<String>,
    reconnect: Option<String>,
    max_event_bytes: Option<usize>,
    expected: Vec<Expected>,
    last_event_id: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged, deny_unknown_fields)]
enum Expected {
    Event {
        event: String,
        data: String,
        id: String,
    },
    Retry {
        retry: u64,
    },
    Comment {
        comment: String,
    },
    TooLarge {
        too_large: bool,
    },
}

impl From<Seen> for Expected {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::Event {
                event, data, id, ..
            } => Self::Event { event, data, id },
            Seen::Retry(retry) => Self::Retry { retry },
            Seen::Comment(comment) => Self::Comment { comment },
            Seen::TooLarge => Self::TooLarge { too_large: true },
        }
    }
}

impl Case {
    fn stream(&self) -> Vec<u8> {
        match (&self.input, &self.hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(hex)) => hex
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect(),
            _ => panic!("{}: exactly one of input and hex", self.name),
        }
    }

    fn max_event_bytes(&self) -> usize {
        self.max_event_bytes.unwrap_or(MAX_EVENT_BYTES_DEFAULT)
    }

    fn check(&self, seen: Vec<Seen>, last_event_id: &str, how: &str) {
        let place = format!("{} {}, {how}", self.rule, self.name);
        let seen: Vec<Expected> = seen.into_iter().map(Expected::from).collect();
        assert_eq!(seen, self.expected, "{place}");
        if let Some(expected) = &self.last_event_id {
            assert_eq!(last_event_id, expected, "{place}: the last event id");
        }
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(CASES).unwrap()
}

#[test]
fn every_rule_holds_however_the_stream_is_cut() {
    for case in cases() {
        let stream = case.stream();
        for chunks in cuts(&stream) {
            let how = format!(
                "cut into {:?}",
                chunks.iter().map(|c| c.len()).collect::<Vec<_>>()
            );
            let mut decoder = Decoder::with_max_event_bytes(case.max_event_bytes());
            let mut seen = feed(&mut decoder, chunks);
            if let Some(stream) = &case.reconnect {
                decoder.reset_keep_id();
                seen.extend(feed(&mut decoder, [stream.as_bytes()]));
            }
            case.check(seen, decoder.last_event_id(), &how);
        }
    }
}

#[test]
fn the_oracle_agrees_with_every_row() {
    for case in cases() {
        let (mut seen, mut id) = oracle::read(&case.stream(), "", case.max_event_bytes());
        if case.name == "a long line without an end is told before its end" {
            // The oracle knows whole lines only.
            continue;
        }
        if let Some(stream) = &case.reconnect {
            let (more, id_after) = oracle::read(stream.as_bytes(), &id, case.max_event_bytes());
            seen.extend(more);
            id = id_after;
        }
        case.check(seen, &id, "read by the oracle");
    }
}

#[test]
fn every_rule_about_bytes_has_a_row_and_every_name_is_unique() {
    let cases = cases();
    let rules: BTreeSet<&str> = cases.iter().map(|case| case.rule.as_str()).collect();
    let expected = [
        "B1", "B2", "B3", "B4", "B5", "B6", "D1", "D2", "D3", "D4", "D5", "F1", "F2", "F3", "F4",
        "F5", "F6", "F7", "F8", "H5", "H6", "limit",
    ];
    assert_eq!(rules.into_iter().collect::<Vec<_>>(), expected);
    let names: BTreeSet<_> = cases.iter().map(|case| (&case.rule, &case.name)).collect();
    assert_eq!(names.len(), cases.len());
}
