//! The encoder: the bytes it writes, what it refuses, and that a reader gets back what went in.

use fanfare_sse::{Block, Decoder, EncodeError, check_field, encode, encode_comment, encoded_len};
use proptest::prelude::*;

use crate::{oracle::Seen, seen::feed};

fn wire(block: Block<'_>) -> String {
    let mut out = Vec::new();
    encode(&block, &mut out).unwrap();
    assert_eq!(out.len(), encoded_len(&block));
    String::from_utf8(out).unwrap()
}

fn with_data(data: &str) -> String {
    wire(Block {
        data: Some(data),
        ..Block::default()
    })
}

#[test]
fn fields_come_in_a_fixed_order() {
    let block = Block {
        id: Some("k3-7"),
        event: Some("t"),
        retry: Some(20),
        data: Some("x"),
    };
    assert_eq!(wire(block), "id: k3-7\nevent: t\nretry: 20\ndata: x\n\n");
    assert_eq!(
        wire(Block {
            id: Some("k3-7"),
            ..Block::default()
        }),
        "id: k3-7\n\n"
    );
    assert_eq!(
        wire(Block {
            id: Some(""),
            event: Some(""),
            ..Block::default()
        }),
        "id:\nevent:\n\n"
    );
    assert_eq!(wire(Block::default()), "\n");
}

#[test]
fn data_is_split_at_every_line_break() {
    assert_eq!(with_data(""), "data:\n\n");
    assert_eq!(with_data("a\n"), "data: a\ndata:\n\n");
    assert_eq!(with_data("\n"), "data:\ndata:\n\n");
    assert_eq!(
        with_data("a\rb\r\nc\nd"),
        "data: a\ndata: b\ndata: c\ndata: d\n\n"
    );
    assert_eq!(with_data("a\n\rb"), "data: a\ndata:\ndata: b\n\n");
    assert_eq!(with_data(" a"), "data:  a\n\n");
    assert_eq!(with_data("a\0:b"), "data: a\0:b\n\n");
}

#[test]
fn control_characters_are_refused_and_nothing_is_written() {
    let mut out = b"before".to_vec();
    for bad in ["\r", "a\nb", "\0", "a\tb", "\u{7F}", "\u{85}", "\u{1B}"] {
        let at = bad.find(char::is_control).unwrap();
        let character = bad.chars().find(|c| c.is_control()).unwrap();
        let refused = Err(EncodeError::ControlCharacter { character, at });
        assert_eq!(check_field(bad), refused);
        let id = Block {
            id: Some(bad),
            data: Some("x"),
            ..Block::default()
        };
        assert_eq!(encode(&id, &mut out), refused);
        let event = Block {
            id: Some("1"),
            event: Some(bad),
            ..Block::default()
        };
        assert_eq!(encode(&event, &mut out), refused);
        assert_eq!(encode_comment(bad, &mut out), refused);
    }
    assert_eq!(out, b"before");
    assert_eq!(check_field("a b: c\u{2028}\u{FEFF}"), Ok(()));
    assert_eq!(check_field(""), Ok(()));
}

#[test]
fn a_comment_is_a_block_of_its_own() {
    let mut out = Vec::new();
    encode_comment("", &mut out).unwrap();
    encode_comment(" hi", &mut out).unwrap();
    assert_eq!(out, b":\n\n:  hi\n\n");
    let seen = feed(&mut Decoder::new(), [&out[..]]);
    assert_eq!(
        seen,
        [
            Seen::Comment(String::new()),
            Seen::Comment(" hi".to_owned())
        ]
    );
}

/// Text biased to what the wire format treats specially.
fn text() -> impl Strategy<Value = String> {
    "([ \r\n:\u{FEFF}\0]|data|\\PC|\r\n){0,30}"
}

fn field() -> impl Strategy<Value = String> {
    "([ :\u{FEFF}]|\\PC){0,10}".prop_filter("a field", |field| check_field(field).is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_gets_back_what_was_encoded(
        data in text(),
        event in proptest::option::of(field()),
        id in proptest::option::of(field()),
        retry in proptest::option::of(0..1_u64 << 53),
        chunk_bytes in 1..20_usize,
    ) {
        let mut out = Vec::new();
        encode_comment("before", &mut out).unwrap();
        let block =
            Block { id: id.as_deref(), event: event.as_deref(), retry, data: Some(&data) };
        encode(&block, &mut out).unwrap();
        prop_assert!(!out.contains(&b'\r'), "LF only");
        let event = event.filter(|event| !event.is_empty()).unwrap_or_else(|| "message".to_owned());
        let data = data.replace("\r\n", "\n").replace('\r', "\n");
        let mut expected = vec![Seen::Comment("before".to_owned())];
        expected.extend(retry.map(Seen::Retry));
        expected.push(Seen::Event { event, data, id: id.unwrap_or_default(), retry });
        prop_assert_eq!(feed(&mut Decoder::new(), out.chunks(chunk_bytes)), expected.clone());
        prop_assert_eq!(feed(&mut Decoder::new(), [&out[..]]), expected);
    }
}
