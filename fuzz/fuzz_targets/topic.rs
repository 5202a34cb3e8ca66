//! Takes any text for topics, patterns and paths, and holds what is made of them against slow
//! oracles: which names are names, what a pattern selects, what one pattern leaves of another.
//! The first line of the input is one of them, the second the other.
#![no_main]

use fanfare_hub::{Selector, TopicName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (one, other) = input.split_once('\n').unwrap_or((input, ""));
    for text in [one, other] {
        name_is_canonical(text);
        path_is_canonical(text);
    }
    if let (Ok(one), Ok(other)) = (Selector::parse(one), Selector::parse(other)) {
        covers_as_it_selects(&one, &other);
        covers_as_it_selects(&other, &one);
    }
});

/// What is a name is one once more, and also when it was a path; what is none breaks a rule.
fn name_is_canonical(text: &str) {
    let parsed = TopicName::parse(text);
    assert_eq!(parsed.is_ok(), is_name(text), "{text:?}: {parsed:?}");
    let Ok(name) = parsed else { return };
    assert_eq!(name.as_str(), text, "a name is taken as it is");
    assert_eq!(TopicName::from_path(&escaped(text)), Ok(name.clone()));
    assert_eq!(Selector::parse(text), Ok(Selector::Topic(name)));
}

/// The rules of names, one by one.
fn is_name(text: &str) -> bool {
    let segments: Vec<_> = text.split('/').collect();
    let is_segment = |segment: &&str| !["", ".", "..", "*", "**"].contains(segment);
    (1..=512).contains(&text.len())
        && segments.iter().all(is_segment)
        && !text
            .chars()
            .any(|char| matches!(u32::from(char), 0..=0x1f | 0x7f..=0x9f))
        && !["-", ".well-known"].contains(&segments[0])
}

/// Every byte escaped, in either case.
fn escaped(text: &str) -> String {
    let bytes = text.bytes().enumerate();
    let escape = |(index, byte)| match index % 2 {
        0 => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    };
    bytes.map(escape).collect()
}

/// What a path becomes stays what it is, whoever reads it.
fn path_is_canonical(path: &str) {
    let Ok(name) = TopicName::from_path(path) else {
        return;
    };
    assert_eq!(TopicName::parse(name.as_str()), Ok(name.clone()));
    assert_eq!(
        TopicName::from_path(&escaped(name.as_str())),
        Ok(name.clone())
    );
    assert_eq!(Selector::from_path(path), Ok(Selector::Topic(name)));
}

/// One selector covers another if it selects every topic that the other one selects. Segments that
/// occur in neither stand for all that there could be.
fn covers_as_it_selects(one: &Selector, other: &Selector) {
    let (one_text, other_text) = (text(one), text(other));
    let fresh = fresh(&one_text, &other_text);
    let longest = one_text.split('/').count() + 2;
    let mut is_covered = true;
    for count in 1..=longest {
        let topic = filled(&other_text, &fresh, count);
        // The fresh segments may make it too long for a name; nothing is known of it then.
        let Ok(topic) = TopicName::parse(&topic) else {
            return;
        };
        assert!(other.matches(&topic), "{other_text} selects {topic}");
        assert_eq!(
            one.matches(&topic),
            selects(&one_text, topic.as_str()),
            "{one_text} and {topic}"
        );
        is_covered &= one.matches(&topic);
    }
    assert_eq!(one.covers(other), is_covered, "{one_text} and {other_text}");
    assert!(one.covers(one), "{one_text}");
}

fn text(selector: &Selector) -> String {
    selector.to_string()
}

/// A segment that is in neither text.
fn fresh(one: &str, other: &str) -> String {
    let is_new = |segment: &String| {
        let mut segments = one.split('/').chain(other.split('/'));
        segments.all(|known| known != segment)
    };
    let numbers = (0..).map(|number: u32| number.to_string());
    numbers
        .into_iter()
        .find(is_new)
        .expect("numbers do not end")
}

/// A topic that the text selects: `**` is so many segments, `*` is one.
fn filled(text: &str, fresh: &str, count: usize) -> String {
    let segments = text.split('/').map(|segment| match segment {
        "**" => vec![fresh; count].join("/"),
        "*" => fresh.to_owned(),
        literal => literal.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// What a pattern selects, as a person would write it down.
fn selects(pattern: &str, topic: &str) -> bool {
    let (pattern, rest) = pattern.split_once('/').unwrap_or((pattern, ""));
    let (segment, topic) = topic.split_once('/').unwrap_or((topic, ""));
    match pattern {
        "**" => !segment.is_empty(),
        literal if literal != "*" && literal != segment => false,
        _ if rest.is_empty() || topic.is_empty() => rest.is_empty() && topic.is_empty(),
        _ => selects(rest, topic),
    }
}
