//! The public decoder: what it hands out, and what it remembers between two chunks.

use std::mem;

use crate::block::{Block, empty};
use crate::cut::Place;
use crate::feed::Feed;

/// The default bound on one event: 16 MiB, above the 14 MB events that other suites send.
pub const MAX_EVENT_BYTES_DEFAULT: usize = 16 * 1024 * 1024;

/// What the decoder hands to the sink, borrowed for the length of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decoded<'a> {
    /// A block with data ended.
    Event(Event<'a>),
    /// A reconnection time in milliseconds, at most [`RETRY_MS_MAX`](crate::RETRY_MS_MAX).
    ///
    /// It applies at once and needs no event (rule F8): it comes when its line ends, thus before
    /// the [`Decoded::Event`] of the same block, which repeats it as [`Event::retry`].
    Retry(u64),
    /// A comment, without the colon and one space after it: a sign of life.
    Comment(&'a str),
    /// A block outgrew the limit: its data and event type are dropped and it fires no event.
    ///
    /// Reading goes on at the next block. The id and retry of the block still count, since a client
    /// that came back with the id before would be sent the same block again, for ever.
    #[non_exhaustive]
    TooLarge {
        /// The limit that was exceeded.
        max_event_bytes: usize,
    },
}

/// One dispatched event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The event type, `message` when the block names none.
    pub event: &'a str,
    /// The data, its lines joined by LF.
    pub data: &'a str,
    /// The last event id at dispatch, which an earlier block may have set; empty when there is
    /// none.
    pub id: &'a str,
    /// The block's own `retry:` in milliseconds, already seen as [`Decoded::Retry`].
    pub retry: Option<u64>,
    /// Whether bytes of this block's data, event type or id were not UTF-8 and became U+FFFD.
    pub is_lossy: bool,
}

/// Decodes a `text/event-stream` that comes in chunks of any size.
///
/// Time is linear in the bytes fed, whatever the chunks. Data that is one line of one chunk is
/// handed out as it lies there; data of several lines, cut lines, event types and ids go through
/// buffers that are used again. Memory is bounded: data with event type, the open id, the last
/// event id and a cut line take at most `max_event_bytes` each, and a few bytes.
///
/// At the end of the stream, drop the decoder or call [`reset_keep_id`](Self::reset_keep_id): an
/// unfinished block is no event (rule B5).
///
/// # Examples
///
/// ```
/// use fanfare_sse::{Decoded, Decoder};
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"event: greeting\nid: 1\ndata: hel", |_| unreachable!("no blank line yet"));
/// let mut greeted = false;
/// decoder.feed(b"lo\n\n", |decoded| {
///     greeted = matches!(decoded, Decoded::Event(event) if event.data == "hello");
/// });
/// assert!(greeted);
/// assert_eq!(decoder.last_event_id(), "1");
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    /// The bound on data and event type of one block, on an id, and on a comment.
    pub(crate) max_event_bytes: usize,
    /// Whether comments are handed out; otherwise they are not buffered either.
    pub(crate) has_comments: bool,
    /// Where the last chunk ended.
    pub(crate) place: Place,
    /// The start of the line that the last chunk cut.
    cut: Vec<u8>,
    /// What of the open block came in earlier chunks.
    pub(crate) block: Block,
    /// The committed id.
    pub(crate) last_event_id: String,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Makes a decoder with [`MAX_EVENT_BYTES_DEFAULT`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_max_event_bytes(MAX_EVENT_BYTES_DEFAULT)
    }

    /// Makes a decoder that gives up a block whose data (with its inner LF) and event type, or
    /// whose id, is longer than so many bytes.
    #[must_use]
    pub fn with_max_event_bytes(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            has_comments: true,
            place: Place::Mark(0),
            cut: Vec::new(),
            block: Block::default(),
            last_event_id: String::new(),
        }
    }

    /// Stops handing out comments, which then are not buffered either.
    #[must_use]
    pub fn without_comments(mut self) -> Self {
        self.has_comments = false;
        self
    }

    /// Returns the last event id that a blank line committed; empty when there is none.
    ///
    /// This is what a client sends as `Last-Event-ID`, unless it is empty.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Tells whether the end of the stream, if it came now, would throw a block or line away.
    #[must_use]
    pub fn has_open_block(&self) -> bool {
        let is_between_lines = self.cut.is_empty() && !matches!(self.place, Place::Skipped);
        self.block.is_begun || !is_between_lines
    }

    /// Makes ready for a new stream: forgets all but the committed last event id.
    pub fn reset_keep_id(&mut self) {
        self.place = Place::Mark(0);
        self.block.clear();
        empty(&mut self.cut);
    }

    /// Takes the next bytes of the stream and calls `sink` for each thing that they complete, in
    /// order.
    ///
    /// The same bytes give the same calls however they are cut into chunks.
    pub fn feed(&mut self, chunk: &[u8], mut sink: impl FnMut(Decoded<'_>)) {
        // Taken out, so that data may lie in the cut line just as it may in the chunk.
        let mut cut = mem::take(&mut self.cut);
        if let Some(rest) = Feed::new(self, &mut sink).finish(&mut cut, chunk) {
            let mut feed = Feed::new(self, &mut sink);
            feed.line(&cut);
            let cut_bytes = feed.lines(rest);
            empty(&mut cut);
            let (_, piece) = rest.split_at(rest.len() - cut_bytes);
            Feed::new(self, &mut sink).keep(&mut cut, piece);
        }
        self.cut = cut;
    }
}
