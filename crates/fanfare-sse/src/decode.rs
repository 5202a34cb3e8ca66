//! The incremental decoder: keeps its place between chunks and hands out what each block means.

use std::{borrow::Cow, str};

use crate::{
    block::{Block, empty, text},
    cut::Place,
    line::{Field, line_end, retry_value},
};

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
    /// It applies at once and needs no event (rule F8): it comes when its line ends, thus before the
    /// [`Decoded::Event`] of the same block, which repeats it as [`Event::retry`].
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
    /// The last event id at dispatch, which an earlier block may have set; empty when there is none.
    pub id: &'a str,
    /// The block's own `retry:` in milliseconds, already seen as [`Decoded::Retry`].
    pub retry: Option<u64>,
    /// Whether bytes of this block's data, event type or id were not UTF-8 and became U+FFFD.
    pub is_lossy: bool,
}

/// Decodes a `text/event-stream` that comes in chunks of any size.
///
/// Time is linear in the bytes fed, whatever the chunks. An event whose block lies in one chunk and
/// has one data line is handed out as it lies there; other events go through buffers that are used
/// again. Memory is bounded: data with event type, the open id, the last event id and an unfinished
/// line take at most `max_event_bytes` each.
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
///     greeted = matches!(decoded, Decoded::Event(e) if e.event == "greeting" && e.data == "hello");
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
    /// Where in a line the last chunk ended.
    pub(crate) place: Place,
    /// The unfinished line's value, unless it is data.
    pub(crate) unfinished: Vec<u8>,
    /// The block that is open.
    pub(crate) block: Block,
    /// Whether `block` is as new.
    pub(crate) is_between_blocks: bool,
    /// The committed id.
    last_event_id: String,
    /// Whether anything was replaced since the last reset.
    is_lossy: bool,
}

/// What of the open block, and of the last one, lies in the current chunk.
#[derive(Default)]
struct Lying<'c> {
    /// The first data line; further ones are joined in [`Block::data`].
    data: Option<&'c [u8]>,
    /// The last event type.
    event: Option<&'c [u8]>,
    /// The last id, to be committed at the blank line.
    id: Option<&'c [u8]>,
    /// The committed id; copied once for all events of the chunk.
    committed_id: Option<&'c str>,
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

    /// Makes a decoder that gives up a block whose data (with its inner LF) and event type, or whose
    /// id, is longer than so many bytes.
    #[must_use]
    pub fn with_max_event_bytes(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            has_comments: true,
            place: Place::Mark(0),
            unfinished: Vec::new(),
            block: Block::default(),
            is_between_blocks: true,
            last_event_id: String::new(),
            is_lossy: false,
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

    /// Tells whether bytes that are not UTF-8 were replaced by U+FFFD since the last reset.
    ///
    /// Counts what is handed out or kept: data, event type, id and comment, not unknown fields.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.is_lossy
    }

    /// Tells whether the bytes fed so far end within a block or line, which the end of the stream
    /// would throw away.
    #[must_use]
    pub fn has_open_block(&self) -> bool {
        !self.is_between_blocks
            || !matches!(self.place, Place::Mark(0) | Place::Start | Place::AfterCr)
    }

    /// Makes ready for a new stream: forgets all but the committed last event id.
    pub fn reset_keep_id(&mut self) {
        self.place = Place::Mark(0);
        empty(&mut self.unfinished);
        self.block.clear();
        self.is_between_blocks = true;
        self.is_lossy = false;
    }

    /// Takes the next bytes of the stream and calls `sink` for each thing that they complete, in order.
    ///
    /// The same bytes give the same calls however they are cut into chunks.
    pub fn feed(&mut self, chunk: &[u8], mut sink: impl FnMut(Decoded<'_>)) {
        let mut rest = self.finish_line(chunk, &mut sink);
        let mut lying = Lying::default();
        while let [first, tail @ ..] = rest {
            if *first == b'\n' {
                self.dispatch(&mut lying, &mut sink);
                rest = tail;
                continue;
            }
            let Some(end) = line_end(rest) else { break };
            let (line, tail) = rest.split_at(end);
            rest = self.after_break(tail);
            if line.is_empty() {
                self.dispatch(&mut lying, &mut sink);
            } else if let Some((field, value)) = Field::split(line) {
                self.whole_line(field, value, &mut lying, &mut sink);
            }
        }
        self.spill(lying);
        self.begin_line(rest, &mut sink);
    }

    /// Steps over the line break at the start of `tail`.
    #[inline]
    pub(crate) fn after_break<'c>(&mut self, tail: &'c [u8]) -> &'c [u8] {
        match tail {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => {
                // The line ends now; waiting for a LF would delay its event (rule B4).
                self.place = Place::AfterCr;
                &[]
            }
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }

    /// Takes a line that lies in the chunk from its start to its end.
    #[inline]
    fn whole_line<'c>(
        &mut self,
        field: Field,
        value: &'c [u8],
        lying: &mut Lying<'c>,
        sink: &mut impl FnMut(Decoded<'_>),
    ) {
        match field {
            Field::Data if lying.data.is_none() && !self.block.has_data => {
                if self.admit(value.len(), sink) {
                    lying.data = Some(value);
                }
            }
            Field::Data => {
                if self.admit(1 + value.len(), sink) {
                    self.spill_data(lying.data.take());
                    self.spill_data(Some(value));
                }
            }
            Field::Event => {
                if self.admit(value.len(), sink) {
                    lying.event = Some(value);
                }
            }
            Field::Id => {
                if self.admit_id(value.len(), sink) && !value.contains(&0) {
                    lying.id = Some(value);
                }
            }
            Field::Retry => self.retry(value, sink),
            Field::Comment => self.comment(value, sink),
        }
    }

    /// Counts bytes of data or event type against the limit and says whether they fit.
    #[inline]
    pub(crate) fn admit(&mut self, bytes: usize, sink: &mut impl FnMut(Decoded<'_>)) -> bool {
        self.block.bytes = self.block.bytes.saturating_add(bytes);
        let fits = self.block.bytes <= self.max_event_bytes;
        if !fits {
            self.give_up(sink);
        }
        fits
    }

    /// Says whether an id fits; one that does not makes its block too large.
    #[inline]
    pub(crate) fn admit_id(&mut self, bytes: usize, sink: &mut impl FnMut(Decoded<'_>)) -> bool {
        let fits = bytes <= self.max_event_bytes;
        if !fits {
            self.give_up(sink);
        }
        fits
    }

    #[cold]
    fn give_up(&mut self, sink: &mut impl FnMut(Decoded<'_>)) {
        // From here on nothing fits.
        self.block.bytes = usize::MAX;
        if !self.block.is_too_large {
            self.is_between_blocks = false;
            self.block.give_up();
            sink(Decoded::TooLarge {
                max_event_bytes: self.max_event_bytes,
            });
        }
    }

    pub(crate) fn retry(&mut self, value: &[u8], sink: &mut impl FnMut(Decoded<'_>)) {
        if value.len() <= self.max_event_bytes
            && let Some(retry) = retry_value(value)
        {
            self.is_between_blocks = false;
            self.block.retry = Some(retry);
            sink(Decoded::Retry(retry));
        }
    }

    pub(crate) fn comment(&mut self, value: &[u8], sink: &mut impl FnMut(Decoded<'_>)) {
        if self.has_comments && value.len() <= self.max_event_bytes {
            let (comment, is_lossy) = text(value);
            self.is_lossy |= is_lossy;
            sink(Decoded::Comment(&comment));
        }
    }

    /// Ends the block: commits its id, hands out its event if it has data, and begins a new one.
    #[inline]
    fn dispatch<'c>(&mut self, lying: &mut Lying<'c>, sink: &mut impl FnMut(Decoded<'_>)) {
        let mut is_lossy = self.commit_id(lying);
        let event = lying.event.take().unwrap_or(&self.block.event);
        let data = match lying.data.take() {
            None if self.block.has_data => Some(self.block.data.as_slice()),
            data => data,
        };
        if let Some(data) = data
            && !self.block.is_too_large
        {
            let (data, data_is_lossy) = text(data);
            let (event, event_is_lossy) = match event {
                [] => (Cow::Borrowed("message"), false),
                named => text(named),
            };
            is_lossy |= data_is_lossy | event_is_lossy;
            sink(Decoded::Event(Event {
                event: &event,
                data: &data,
                id: lying.committed_id.unwrap_or(&self.last_event_id),
                retry: self.block.retry,
                is_lossy,
            }));
        }
        self.is_lossy |= is_lossy;
        if self.is_between_blocks {
            self.block.bytes = 0;
        } else {
            self.block.clear();
            self.is_between_blocks = true;
        }
    }

    /// Commits the id of the block, if it has one; says whether bytes of it had to be replaced.
    #[inline]
    fn commit_id(&mut self, lying: &mut Lying<'_>) -> bool {
        let id = match lying.id.take() {
            None if self.block.has_id => self.block.id.as_slice(),
            None => return false,
            Some(id) => match str::from_utf8(id) {
                Ok(id) => {
                    lying.committed_id = Some(id);
                    return false;
                }
                Err(_) => id,
            },
        };
        lying.committed_id = None;
        let (id, is_lossy) = text(id);
        replace(&mut self.last_event_id, &id);
        is_lossy
    }

    /// Copies what lies in a chunk that is about to go away.
    #[inline]
    fn spill(&mut self, lying: Lying<'_>) {
        self.spill_data(lying.data);
        if let Some(event) = lying.event {
            self.block.set_event(event);
            self.is_between_blocks = false;
        }
        if let Some(id) = lying.id {
            self.block.set_id(id);
            self.is_between_blocks = false;
        }
        if let Some(id) = lying.committed_id {
            replace(&mut self.last_event_id, id);
        }
    }

    #[inline]
    fn spill_data(&mut self, data: Option<&[u8]>) {
        if let Some(data) = data
            // What came before the limit was exceeded is not wanted any more.
            && !self.block.is_too_large
        {
            self.is_between_blocks = false;
            self.block.begin_data_line();
            self.block.data.extend_from_slice(data);
        }
    }
}

fn replace(text: &mut String, with: &str) {
    text.clear();
    text.push_str(with);
}
