//! Random streams, biased to the syntax, against the oracle: whole, byte by byte, cut at random.

use fanfare_sse::{Decoder, MAX_EVENT_BYTES_DEFAULT};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    oracle,
    seen::{cuts, feed},
};

/// Pieces of syntax, and near misses of it.
const TOKENS: [&[u8]; 50] = [
    b"data: x\n",
    b"event: t\n",
    b"id: 9\n",
    b"retry: 7\n",
    b"\ndata: y\n\n",
    b": c\n",
    b"data",
    b"data:",
    b"data: ",
    b"data:  ",
    b"event",
    b"event: ",
    b"id",
    b"id:",
    b"id: ",
    b"retry",
    b"retry: ",
    b"\n",
    b"\n",
    b"\n\n",
    b"\r",
    b"\r\n",
    b"\r\r",
    b"\r\n\r\n",
    b":",
    b": ",
    b" ",
    b"\t",
    b"\0",
    b"1",
    b"42",
    b"00012345678901234567890123",
    b"x",
    b"message",
    b"\xEF\xBB\xBF",
    b"\xEF\xBB",
    b"\xEF",
    b"\xFF",
    b"\xE2\x82",
    b"\xF0\x9F\x98\x80",
    b"\xF0\x9F\x98",
    b"\x80",
    b"dat",
    b"datax",
    b"i",
    b"even",
    b"retr",
    b"Data: ",
    b"12345678",
    b"a line that is longer than one machine word is",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        12 => select(&TOKENS[..]).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..4),
        1 => vec(b'a'..=b'z', 0..100),
    ];
    vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

fn chunk_sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(0..24_usize, 1..20)
}

/// Cuts at the sizes in turn, again and again.
fn cut<'b>(mut bytes: &'b [u8], sizes: &[usize]) -> Vec<&'b [u8]> {
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle().map(|size| size.max(&1)) {
        if bytes.is_empty() {
            break;
        }
        let (chunk, rest) = bytes.split_at(bytes.len().min(*size));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_chunking_says_what_the_oracle_says(stream in stream(), sizes in chunk_sizes()) {
        let expected = oracle::read(&stream, "", MAX_EVENT_BYTES_DEFAULT);
        for chunks in [vec![&stream[..]], stream.chunks(1).collect(), cut(&stream, &sizes)] {
            let mut decoder = Decoder::new();
            let seen = feed(&mut decoder, chunks);
            prop_assert_eq!((seen, decoder.last_event_id().to_owned()), expected.clone());
        }
    }

    #[test]
    fn every_cut_in_two_says_the_same(stream in stream()) {
        let mut whole = Decoder::new();
        let expected = feed(&mut whole, [&stream[..]]);
        for chunks in cuts(&stream) {
            let mut decoder = Decoder::new();
            prop_assert_eq!(&feed(&mut decoder, chunks), &expected);
            prop_assert_eq!(decoder.last_event_id(), whole.last_event_id());
            prop_assert_eq!(decoder.has_open_block(), whole.has_open_block());
        }
    }

    #[test]
    fn a_small_limit_is_met_at_the_same_places(
        stream in stream(),
        sizes in chunk_sizes(),
        limit in 0..40_usize,
    ) {
        // The blank line ends what the oracle, which knows whole lines only, would not see.
        let mut stream = String::from_utf8_lossy(&stream).into_owned().into_bytes();
        stream.extend_from_slice(b"\n\n");
        let expected = oracle::read(&stream, "", limit);
        for chunks in [vec![&stream[..]], stream.chunks(1).collect(), cut(&stream, &sizes)] {
            let mut decoder = Decoder::with_max_event_bytes(limit);
            let seen = feed(&mut decoder, chunks);
            prop_assert_eq!((seen, decoder.last_event_id().to_owned()), expected.clone());
        }
    }

    #[test]
    fn a_reconnect_in_the_middle_keeps_the_committed_id_alone(first in stream(), second in stream()) {
        let mut decoder = Decoder::new();
        feed(&mut decoder, first.chunks(3));
        let (_, id) = oracle::read(&first, "", MAX_EVENT_BYTES_DEFAULT);
        decoder.reset_keep_id();
        let seen = feed(&mut decoder, second.chunks(3));
        let expected = oracle::read(&second, &id, MAX_EVENT_BYTES_DEFAULT);
        prop_assert_eq!((seen, decoder.last_event_id().to_owned()), expected);
    }
}
