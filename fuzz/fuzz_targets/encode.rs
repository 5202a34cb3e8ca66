//! Encodes any block and reads it back: what the encoder takes, a reader gets.
//! The input is text; its first three lines are event type, id and comment, the rest is the data.
#![no_main]

use fanfare_sse::{Block, Decoded, Decoder, check_field, encode, encode_comment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let mut parts = input.splitn(4, '\n');
    let (Some(event), Some(id), Some(comment), Some(data)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let mut wire = Vec::new();
    let commented = encode_comment(comment, &mut wire);
    assert_eq!(commented, check_field(comment));
    assert_eq!(wire.is_empty(), commented.is_err());
    let block = Block {
        id: Some(id),
        event: Some(event),
        data: Some(data),
        retry: None,
    };
    let before = wire.len();
    let encoded = encode(&block, &mut wire);
    assert_eq!(
        encoded.is_ok(),
        check_field(event).is_ok() && check_field(id).is_ok()
    );
    if encoded.is_err() {
        assert_eq!(wire.len(), before, "a refused block leaves no bytes");
        return;
    }
    assert!(!wire.contains(&b'\r'), "lines end in LF");
    let mut events = 0;
    Decoder::new().feed(&wire, |decoded| match decoded {
        Decoded::Event(read) => {
            events += 1;
            assert_eq!(read.data, data.replace("\r\n", "\n").replace('\r', "\n"));
            assert_eq!(read.event, if event.is_empty() { "message" } else { event });
            assert_eq!(read.id, id);
        }
        Decoded::Comment(read) => assert_eq!(read, comment),
        other => panic!("{other:?} was never encoded"),
    });
    assert_eq!(events, 1);
});
