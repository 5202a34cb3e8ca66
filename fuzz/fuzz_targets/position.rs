//! Takes any text for an id that a client sends back. What is read as one of ours is written the
//! same again; everything else becomes a gap that tells no more than an id may.
#![no_main]

use fanfare_hub::limits::EVENT_ID_BYTES_MAX;
use fanfare_hub::{Epoch, EventId, Resume, Seq};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, u64, &str)| {
    let (entropy, seq, text) = input;
    let id = EventId {
        epoch: Epoch::from_entropy(entropy),
        seq: Seq(seq),
    };
    let written = id.to_string();
    assert!(written.len() <= EventId::TEXT_BYTES_MAX);
    assert_eq!(EventId::parse(&written), Some(id));
    assert_eq!(Resume::parse(&written), Resume::After(id));
    // Whatever stands before or behind it, it is another text.
    if !text.is_empty() {
        for around in [format!("{text}{written}"), format!("{written}{text}")] {
            let read = EventId::parse(&around);
            assert!(read.is_none_or(|read| read != id), "{around:?}");
            check(&around);
        }
    }
    check(text);
});

fn check(text: &str) {
    match Resume::parse(text) {
        Resume::After(id) => assert_eq!(id.to_string(), text, "one text for each position"),
        Resume::Earliest => assert_eq!(text, "earliest"),
        Resume::Unknown(told) => {
            assert_eq!(told, text);
            assert!(told.len() <= EVENT_ID_BYTES_MAX && told.is_ascii());
            assert!(!told.contains(|char: char| char.is_control() || char.is_whitespace()));
        }
        Resume::Malformed(told) => {
            assert!(text.starts_with(&told), "{told:?} of {text:?}");
            assert!(told.chars().count() <= EVENT_ID_BYTES_MAX);
        }
    }
    assert_eq!(
        EventId::parse(text).is_some(),
        matches!(Resume::parse(text), Resume::After(_))
    );
}
