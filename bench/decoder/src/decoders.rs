//! The decoders under test, each behind the same function and each given the cheapest input that
//! its interface takes: plain slices, or `Bytes` over static memory, which cost no reference count.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};

use crate::inputs::Tally;

/// Reads a stream in chunks of so many bytes and returns what it found, or why it cannot.
pub type Decode = fn(&'static [u8], usize) -> Result<Tally, String>;

pub const ALL: [(&str, Decode); 5] = [
    ("fanfare-sse", fanfare_sse),
    ("sse-core", sse_core),
    ("sseer", sseer),
    ("sse-stream", sse_stream),
    ("eventsource-stream", eventsource_stream),
];

fn fanfare_sse(stream: &'static [u8], chunk_bytes: usize) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut decoder = ::fanfare_sse::Decoder::new();
    for chunk in stream.chunks(chunk_bytes) {
        decoder.feed(chunk, |decoded| {
            if let ::fanfare_sse::Decoded::Event(event) = decoded {
                tally.count(event.event, event.data);
            }
        });
    }
    Ok(tally)
}

fn sse_core(stream: &'static [u8], chunk_bytes: usize) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut decoder = ::sse_core::SseDecoder::new();
    for mut chunk in stream.chunks(chunk_bytes) {
        while let Some(decoded) = decoder.next(&mut chunk) {
            if let ::sse_core::SseEvent::Message(event) = decoded.map_err(|e| e.to_string())? {
                tally.count(&event.event, &event.data);
            }
        }
    }
    Ok(tally)
}

fn sseer(stream: &'static [u8], chunk_bytes: usize) -> Result<Tally, String> {
    let chunks = stream
        .chunks(chunk_bytes)
        .map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk)));
    drain(
        ::sseer::EventStream::new(stream::iter(chunks)),
        |event, tally| {
            tally.count(&event.event, &event.data);
        },
    )
}

fn sse_stream(stream: &'static [u8], chunk_bytes: usize) -> Result<Tally, String> {
    let chunks = stream.chunks(chunk_bytes).map(Ok::<_, Infallible>);
    drain(
        ::sse_stream::SseByteStream::new(stream::iter(chunks)),
        |event, tally| {
            // It hands out raw blocks; those without data are no events.
            if let Some(data) = &event.data {
                tally.count(event.event.as_deref().unwrap_or_default(), data);
            }
        },
    )
}

fn eventsource_stream(stream: &'static [u8], chunk_bytes: usize) -> Result<Tally, String> {
    let chunks = stream.chunks(chunk_bytes).map(Ok::<_, Infallible>);
    drain(
        ::eventsource_stream::EventStream::new(stream::iter(chunks)),
        |event, tally| {
            tally.count(&event.event, &event.data);
        },
    )
}

fn drain<T, E: std::fmt::Display>(
    stream: impl Stream<Item = Result<T, E>>,
    mut count: impl FnMut(T, &mut Tally),
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut stream = std::pin::pin!(stream);
    while let Some(Some(event)) = stream.next().now_or_never() {
        count(event.map_err(|error| error.to_string())?, &mut tally);
    }
    Ok(tally)
}
