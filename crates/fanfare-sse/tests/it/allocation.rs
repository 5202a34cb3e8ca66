//! Counts allocations: none for an event that lies in one chunk.

use fanfare_sse::{Block, Decoded, Decoder, encode};

/// Allocations while the decoder reads the stream and the sink reads the data.
fn allocations(decoder: &mut Decoder, chunks: &[&[u8]]) -> u64 {
    let mut bytes = 0;
    let used = allocation_counter::measure(|| {
        for chunk in chunks {
            decoder.feed(chunk, |decoded| {
                if let Decoded::Event(event) = decoded {
                    bytes += event.data.len();
                }
            });
        }
    });
    assert!(bytes > 0, "the sink saw no event");
    used.count_total
}

#[test]
fn an_event_in_one_chunk_allocates_nothing() {
    let huge = format!("data: {}\n\n", "x".repeat(1 << 20));
    for stream in [
        "data: x\n\n",
        "data: x\r\n\r\n",
        "retry: 5\ndata: x\n: comment\nunknown: x\n\n",
        &huge,
    ] {
        let mut decoder = Decoder::new();
        assert_eq!(
            allocations(&mut decoder, &[stream.as_bytes(); 3]),
            0,
            "{stream:.40?}"
        );
    }
}

#[test]
fn event_type_and_id_are_kept_in_memory_that_is_used_again() {
    let mut decoder = Decoder::new();
    let first = allocations(&mut decoder, &[b"id: 1000\nevent: t\ndata: x\n\n"]);
    assert_eq!(
        first, 3,
        "the open id, the last id and the event type need their room once"
    );
    assert_eq!(
        allocations(&mut decoder, &[&b"id: 1001\ndata: y\n\n"[..]; 100]),
        0
    );
}

#[test]
fn events_that_are_joined_or_cut_use_their_buffers_again() {
    let mut wire = Vec::new();
    let block = Block {
        id: Some("k3-7"),
        event: Some("t"),
        retry: Some(5),
        data: Some("a\nb\nc"),
    };
    encode(&block, &mut wire).unwrap();
    let mut decoder = Decoder::new();
    let pieces: Vec<&[u8]> = wire.chunks(3).collect();
    allocations(&mut decoder, &pieces);
    assert_eq!(allocations(&mut decoder, &pieces), 0);
    assert_eq!(allocations(&mut decoder, &[&wire]), 0);
}
