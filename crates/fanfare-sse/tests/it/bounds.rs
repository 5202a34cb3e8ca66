//! What bounds the decoder: memory under endless input, time under hostile chunking; and what it
//! tells about bytes that it replaced and blocks that it left open.

use std::time::{Duration, Instant};

use fanfare_sse::{Decoded, Decoder};

use crate::{oracle::Seen, seen::feed};

const LIMIT: usize = 64 * 1024;

#[test]
fn endless_input_of_any_kind_takes_bounded_memory() {
    let endless: [(&str, &[u8]); 8] = [
        ("data: ", b"0123456789abcdef"),
        ("", b"data: 0123456789abcdef\n"),
        ("", b"data\n"),
        ("event: ", b"0123456789abcdef"),
        ("id: ", b"0123456789abcdef"),
        ("retry: ", b"0123456789012345"),
        (": ", b"0123456789abcdef"),
        ("unknown", b"0123456789abcdef"),
    ];
    for (start, piece) in endless {
        let mut decoder = Decoder::with_max_event_bytes(LIMIT);
        let piece = piece.repeat(256);
        let used = allocation_counter::measure(|| {
            decoder.feed(start.as_bytes(), |_| {});
            for _ in 0..2000 {
                decoder.feed(&piece, |_| {});
            }
        });
        let bound = 4 * LIMIT as u64;
        assert!(
            used.bytes_max <= bound,
            "{start:?}: {} bytes at once",
            used.bytes_max
        );
        let kept = used.bytes_current;
        assert!(
            kept <= 1024,
            "{start:?}: {kept} bytes of what was given up are kept"
        );
        let seen = feed(&mut decoder, [&b"\n\ndata: still here\n\n"[..]]);
        let Some(Seen::Event { data, .. }) = seen.last() else {
            panic!("{start:?}: {seen:?}")
        };
        assert_eq!(data, "still here", "{start:?}");
    }
}

#[test]
fn memory_of_a_rare_large_event_is_given_back() {
    let mut decoder = Decoder::new();
    let line = [b"data: ".to_vec(), vec![b'x'; 8 << 20]].concat();
    let used = allocation_counter::measure(|| {
        for chunk in line.chunks(1400).chain([&b"\n\n"[..]]) {
            decoder.feed(chunk, |_| {});
        }
    });
    assert!(used.bytes_max >= 8 << 20);
    assert!(
        used.bytes_current <= 1 << 20,
        "{} bytes are kept",
        used.bytes_current
    );
}

/// Time grows with the bytes, not with their square: a stream of this shape takes a fraction of a
/// second, and any rescan or copy of what was read before would take hours.
#[test]
fn one_huge_line_byte_by_byte_takes_linear_time() {
    let start = Instant::now();
    let huge = 4 << 20;
    for head in ["data: ", "id: ", "event: ", ": ", "unknown: ", "retry: "] {
        let mut decoder = Decoder::new();
        decoder.feed(head.as_bytes(), |_| {});
        for _ in 0..huge {
            decoder.feed(b"7", |_| {});
        }
        let mut dispatched = 0;
        decoder.feed(b"\ndata: x\n\n", |decoded| match decoded {
            Decoded::Event(event) => dispatched = event.data.len(),
            Decoded::Retry(_) | Decoded::Comment(_) => {}
            other => panic!("{head}: {other:?}"),
        });
        assert_eq!(
            dispatched,
            if head == "data: " { huge + 2 } else { 1 },
            "{head}"
        );
    }
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "took {:?}",
        start.elapsed()
    );
}

#[test]
fn a_stream_of_line_breaks_means_nothing() {
    for breaks in ["\n", "\r", "\r\n"] {
        let stream = breaks.repeat(1 << 20);
        let mut decoder = Decoder::new();
        assert_eq!(feed(&mut decoder, stream.as_bytes().chunks(1 << 16)), []);
        assert!(!decoder.has_open_block());
    }
}

/// The data of each event and whether it is lossy.
fn lossiness(stream: &[u8], chunk_bytes: usize) -> Vec<(String, bool)> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for chunk in stream.chunks(chunk_bytes) {
        decoder.feed(chunk, |decoded| {
            if let Decoded::Event(event) = decoded {
                events.push((event.data.to_owned(), event.is_lossy));
            }
        });
    }
    events
}

#[test]
fn an_event_says_whether_its_own_bytes_were_replaced() {
    let fields: [&[u8]; 3] = [
        b"data: \xFF\n",
        b"event: \xFF\ndata: y\n",
        b"id: \xFF\ndata: y\n",
    ];
    for field in fields {
        let stream = [b"data: a\n\n", field, b"\ndata: b\n\n"].concat();
        for chunk_bytes in [1, 2, 3, 5, 64] {
            let events = lossiness(&stream, chunk_bytes);
            let flags: Vec<bool> = events.iter().map(|(_, is_lossy)| *is_lossy).collect();
            assert_eq!(
                flags,
                [false, true, false],
                "{field:?} in pieces of {chunk_bytes}"
            );
        }
    }
    // A true U+FFFD is a character like any other, and unknown fields are nobody's text.
    let honest = "x\u{FF}: \u{FFFD}\ndata: \u{FFFD}\n\n".as_bytes();
    assert_eq!(lossiness(honest, 1), [("\u{FFFD}".to_owned(), false)]);
    let elsewhere = b"x: \xFF\n:\xFF\ndata: y\n\n";
    assert_eq!(lossiness(elsewhere, 1), [("y".to_owned(), false)]);
}

#[test]
fn an_event_repeats_the_retry_of_its_own_block_alone() {
    let stream = b"retry: 1\n\ndata: a\n\ndata: b\nretry: 2\nretry: 3\n\ndata: c\n\n";
    for chunk_bytes in [1, 4, 100] {
        let retries: Vec<_> = feed(&mut Decoder::new(), stream.chunks(chunk_bytes))
            .into_iter()
            .filter_map(|seen| match seen {
                Seen::Event { data, retry, .. } => Some((data, retry)),
                _ => None,
            })
            .collect();
        let expected = [("a", None), ("b", Some(3)), ("c", None)];
        assert_eq!(
            retries,
            expected.map(|(data, retry)| (data.to_owned(), retry))
        );
    }
}

#[test]
fn an_open_block_is_what_the_end_of_the_stream_would_throw_away() {
    for open in [
        "d",
        "data: x",
        "data: x\n",
        "id: 1\n",
        "retry: 1\n",
        "event: t\r",
        ": c",
        "\u{FEFF}x",
    ] {
        let mut decoder = Decoder::new();
        decoder.feed(open.as_bytes(), |_| {});
        assert!(decoder.has_open_block(), "{open:?}");
        decoder.reset_keep_id();
        assert!(!decoder.has_open_block(), "{open:?} after a reset");
    }
    for closed in [
        "",
        "\u{FEFF}",
        "\n",
        "data: x\n\n",
        "data: x\r\r",
        "data: x\r\n\r\n",
        ": c\n",
        "foo\n",
    ] {
        let mut decoder = Decoder::new();
        decoder.feed(closed.as_bytes(), |_| {});
        assert!(!decoder.has_open_block(), "{closed:?}");
    }
}

#[test]
fn unwanted_comments_are_neither_handed_out_nor_kept() {
    let mut decoder = Decoder::new().without_comments();
    let comment = [b": ".to_vec(), vec![b'x'; LIMIT], b"\n".to_vec()].concat();
    let used = allocation_counter::measure(|| {
        for chunk in comment.chunks(10).chain([&comment[..]]) {
            decoder.feed(chunk, |decoded| panic!("{decoded:?}"));
        }
    });
    assert_eq!(used.count_total, 0);
}
