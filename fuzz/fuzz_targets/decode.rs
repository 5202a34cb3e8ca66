//! Feeds any bytes in any chunks to the decoder and compares with the oracle of the crate's tests.
//! The first byte of the input sets the size limit, the second the chunk size, the rest is the
//! stream.
#![no_main]

use fanfare_sse::{Decoder, MAX_EVENT_BYTES_DEFAULT};
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/fanfare-sse/tests/it/oracle.rs"]
mod oracle;
#[path = "../../crates/fanfare-sse/tests/it/seen.rs"]
mod seen;

/// Streams up to this length are cut in two at every place, which takes time by the square.
const CUT_EVERYWHERE_BYTES: usize = 64;

fuzz_target!(|input: &[u8]| {
    let [limit, chunk_bytes, stream @ ..] = input else {
        return;
    };
    same_in_any_chunks(stream, usize::from(*chunk_bytes).max(1));
    same_under_a_limit(
        stream,
        usize::from(*limit),
        usize::from(*chunk_bytes).max(1),
    );
});

fn same_in_any_chunks(stream: &[u8], chunk_bytes: usize) {
    let expected = oracle::read(stream, "", MAX_EVENT_BYTES_DEFAULT);
    let mut chunkings = vec![stream.chunks(chunk_bytes).collect()];
    if stream.len() <= CUT_EVERYWHERE_BYTES {
        chunkings.extend(seen::cuts(stream));
    } else {
        chunkings.extend([vec![stream], stream.chunks(1).collect()]);
    }
    for chunks in chunkings {
        let mut decoder = Decoder::new();
        let seen = seen::feed(&mut decoder, chunks);
        assert_eq!((seen, decoder.last_event_id().to_owned()), expected);
    }
}

/// The oracle counts decoded text and whole lines, so it is asked about a stream that is both.
fn same_under_a_limit(stream: &[u8], limit: usize, chunk_bytes: usize) {
    let stream = String::from_utf8_lossy(stream) + "\n\n";
    let expected = oracle::read(stream.as_bytes(), "", limit);
    for chunk_bytes in [chunk_bytes, stream.len()] {
        let mut decoder = Decoder::with_max_event_bytes(limit);
        let seen = seen::feed(&mut decoder, stream.as_bytes().chunks(chunk_bytes));
        assert_eq!((seen, decoder.last_event_id().to_owned()), expected);
    }
}
