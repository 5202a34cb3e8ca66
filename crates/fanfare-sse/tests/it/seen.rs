//! Feeds a decoder in chunks and keeps what it hands out.

use fanfare_sse::{Decoded, Decoder};

use crate::oracle::Seen;

/// Feeds each chunk in turn and returns what came out of all of them.
pub(crate) fn feed<'c>(
    decoder: &mut Decoder,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk, |decoded| seen.push(owned(decoded)));
    }
    seen
}

fn owned(decoded: Decoded<'_>) -> Seen {
    match decoded {
        Decoded::Event(event) => Seen::Event {
            event: event.event.to_owned(),
            data: event.data.to_owned(),
            id: event.id.to_owned(),
            retry: event.retry,
        },
        Decoded::Retry(retry) => Seen::Retry(retry),
        Decoded::Comment(comment) => Seen::Comment(comment.to_owned()),
        Decoded::TooLarge { .. } => Seen::TooLarge,
        other => panic!("the decoder hands out something new: {other:?}"),
    }
}

/// Lists ways to cut `bytes`: whole, into single bytes, into tens, and in two at every place.
pub(crate) fn cuts(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let in_two = (1..bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]);
    let even = [1, 2, 3, 7, 10].map(|size| bytes.chunks(size).collect());
    [vec![bytes]]
        .into_iter()
        .chain(even)
        .chain(in_two)
        .collect()
}
