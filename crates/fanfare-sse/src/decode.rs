//! The incremental decoder: keeps its place between chunks and hands out what each block means.

use std::mem;

use crate::{
    block::{Block, empty, text},
    line::{Field, NAME_BYTES_MAX, line_end, retry_value},
};

/// The default bound on one event: 16 MiB, above the 14 MB events that other suites send.
pub const MAX_EVENT_BYTES_DEFAULT: usize = 16 * 1024 * 1024;

const MARK_BYTES: usize = 3;
const BYTE_ORDER_MARK: [u8; MARK_BYTES] = [0xEF, 0xBB, 0xBF];

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
    max_event_bytes: usize,
    /// Whether comments are handed out; otherwise they are not buffered either.
    has_comments: bool,
    /// Where in a line the last chunk ended.
    place: Place,
    /// The unfinished line's value, unless it is data.
    unfinished: Vec<u8>,
    /// The block that is open.
    block: Block,
    /// Whether `block` is as new.
    is_between_blocks: bool,
    /// The committed id.
    last_event_id: String,
    /// Whether anything was replaced since the last reset.
    is_lossy: bool,
}

/// Where in the stream, and in its line, the decoder stands between two chunks.
///
/// ```text
/// Start --BOM or any byte--> LineStart --> Name --colon--> Space --> Value --break--> LineStart
///                                 \           \--unknown--> Skipped ----------break-----/
/// a break that was CR leads to AfterCr first
/// ```
#[derive(Debug, Clone, Copy)]
enum Place {
    /// At the very start, after so many bytes of a byte order mark.
    Start { mark_bytes: usize },
    /// At the start of a line.
    LineStart,
    /// After a CR, which ended its line; a LF belongs to it.
    AfterCr,
    /// Within what may become a known field name.
    Name {
        bytes: [u8; NAME_BYTES_MAX],
        len: usize,
    },
    /// After the colon; one space does not belong to the value.
    Space(Field),
    /// Within the value.
    Value(Field),
    /// Within a line that means nothing.
    Skipped,
}

/// Fields of the open block that lie in the current chunk.
#[derive(Default)]
struct Lying<'c> {
    data: Option<&'c [u8]>,
    event: Option<&'c [u8]>,
    id: Option<&'c [u8]>,
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
            place: Place::Start { mark_bytes: 0 },
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
            || !matches!(
                self.place,
                Place::Start { mark_bytes: 0 } | Place::LineStart | Place::AfterCr
            )
    }

    /// Makes ready for a new stream: forgets all but the committed last event id.
    pub fn reset_keep_id(&mut self) {
        self.place = Place::Start { mark_bytes: 0 };
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
        while !rest.is_empty() {
            let Some(end) = line_end(rest) else {
                self.spill(&mut lying);
                self.begin_line(rest, &mut sink);
                break;
            };
            let (line, tail) = rest.split_at(end);
            rest = self.after_break(tail);
            if line.is_empty() {
                self.dispatch(&mut lying, &mut sink);
            } else {
                self.whole_line(line, &mut lying, &mut sink);
            }
        }
        self.spill(&mut lying);
    }

    /// Steps over the line break at the start of `tail`.
    fn after_break<'c>(&mut self, tail: &'c [u8]) -> &'c [u8] {
        match tail {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => {
                self.place = Place::AfterCr;
                &[]
            }
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }

    /// Takes a line that lies in the chunk from its start to its end.
    fn whole_line<'c>(
        &mut self,
        line: &'c [u8],
        lying: &mut Lying<'c>,
        sink: &mut impl FnMut(Decoded<'_>),
    ) {
        let known = Field::split(line).or_else(|| Some((Field::named(line)?, &[][..])));
        let Some((field, value)) = known else { return };
        match field {
            Field::Data => {
                let separator = usize::from(self.block.has_data || lying.data.is_some());
                if !self.admit(separator + value.len(), sink) {
                } else if separator == 0 {
                    lying.data = Some(value);
                } else {
                    self.spill_data(lying);
                    self.block.push_data_line(value);
                }
            }
            Field::Event if self.admit(value.len(), sink) => lying.event = Some(value),
            Field::Id if self.admit_id(value.len(), sink) && !value.contains(&0) => {
                lying.id = Some(value);
            }
            Field::Retry if value.len() <= self.max_event_bytes => self.retry(value, sink),
            Field::Comment if value.len() <= self.max_event_bytes => self.comment(value, sink),
            _ => {}
        }
    }

    /// Counts bytes of data or event type against the limit and says whether they fit.
    fn admit(&mut self, bytes: usize, sink: &mut impl FnMut(Decoded<'_>)) -> bool {
        if self.block.is_too_large {
            return false;
        }
        self.block.bytes += bytes;
        let fits = self.block.bytes <= self.max_event_bytes;
        if !fits {
            self.give_up(sink);
        }
        fits
    }

    /// Says whether an id fits; one that does not makes its block too large.
    fn admit_id(&mut self, bytes: usize, sink: &mut impl FnMut(Decoded<'_>)) -> bool {
        let fits = bytes <= self.max_event_bytes;
        if !fits && !self.block.is_too_large {
            self.give_up(sink);
        }
        fits
    }

    #[cold]
    fn give_up(&mut self, sink: &mut impl FnMut(Decoded<'_>)) {
        self.is_between_blocks = false;
        self.block.give_up();
        sink(Decoded::TooLarge {
            max_event_bytes: self.max_event_bytes,
        });
    }

    fn retry(&mut self, value: &[u8], sink: &mut impl FnMut(Decoded<'_>)) {
        if let Some(retry) = retry_value(value) {
            self.is_between_blocks = false;
            self.block.retry = Some(retry);
            sink(Decoded::Retry(retry));
        }
    }

    fn comment(&mut self, value: &[u8], sink: &mut impl FnMut(Decoded<'_>)) {
        if self.has_comments {
            let (comment, is_lossy) = text(value);
            self.is_lossy |= is_lossy;
            sink(Decoded::Comment(&comment));
        }
    }

    /// Ends the block: commits its id, hands out its event if it has data, and begins a new one.
    fn dispatch<'c>(&mut self, lying: &mut Lying<'c>, sink: &mut impl FnMut(Decoded<'_>)) {
        let mut is_lossy = false;
        if let Some(id) = lying.id.take() {
            let (id, lossy) = text(id);
            is_lossy |= lossy;
            self.last_event_id.clear();
            self.last_event_id.push_str(&id);
        } else if self.block.has_id {
            let (id, lossy) = text(&self.block.id);
            is_lossy |= lossy;
            self.last_event_id.clear();
            self.last_event_id.push_str(&id);
        }
        let event = lying.event.take();
        let data = match lying.data.take() {
            None if self.block.has_data => Some(self.block.data.as_slice()),
            lying => lying,
        };
        if let Some(data) = data
            && !self.block.is_too_large
        {
            let (event, event_lossy) = text(event.unwrap_or(&self.block.event));
            let (data, data_lossy) = text(data);
            is_lossy |= event_lossy | data_lossy;
            sink(Decoded::Event(Event {
                event: if event.is_empty() { "message" } else { &event },
                data: &data,
                id: &self.last_event_id,
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

    /// Copies what lies in a chunk that is about to go away.
    fn spill(&mut self, lying: &mut Lying<'_>) {
        self.spill_data(lying);
        if let Some(event) = lying.event.take() {
            self.block.set_event(event);
            self.is_between_blocks = false;
        }
        if let Some(id) = lying.id.take() {
            self.block.set_id(id);
            self.is_between_blocks = false;
        }
    }

    fn spill_data(&mut self, lying: &mut Lying<'_>) {
        if let Some(data) = lying.data.take() {
            self.is_between_blocks = false;
            // What came before the limit was exceeded is not wanted any more.
            if !self.block.is_too_large {
                self.block.push_data_line(data);
            }
        }
    }

    /// Takes the start of a line whose end is not in the chunk.
    fn begin_line(&mut self, part: &[u8], sink: &mut impl FnMut(Decoded<'_>)) {
        self.place = Place::Name {
            bytes: [0; NAME_BYTES_MAX],
            len: 0,
        };
        self.finish_line(part, sink);
    }

    /// Goes on with the line in which the last chunk ended; returns what lies behind its end.
    fn finish_line<'c>(&mut self, chunk: &'c [u8], sink: &mut impl FnMut(Decoded<'_>)) -> &'c [u8] {
        let mut rest = chunk;
        loop {
            let Some((&first, tail)) = rest.split_first() else {
                return rest;
            };
            match self.place {
                Place::LineStart => return rest,
                Place::AfterCr => {
                    self.place = Place::LineStart;
                    return if first == b'\n' { tail } else { rest };
                }
                Place::Start { mark_bytes } => match BYTE_ORDER_MARK.get(mark_bytes) {
                    Some(expected) if *expected == first => {
                        rest = tail;
                        self.place = match mark_bytes + 1 {
                            MARK_BYTES => Place::LineStart,
                            mark_bytes => Place::Start { mark_bytes },
                        };
                    }
                    // Half a mark is the beginning of a field name that nobody knows.
                    Some(_) if mark_bytes > 0 => self.place = Place::Skipped,
                    _ => self.place = Place::LineStart,
                },
                Place::Name { bytes, len } => {
                    let name = bytes.get(..len).unwrap_or_default();
                    if matches!(first, b'\r' | b'\n') {
                        if let Some(field) = Field::named(name) {
                            self.begin_value(field, sink);
                            self.finish_value(field, sink);
                        }
                        self.place = Place::LineStart;
                        return self.after_break(rest);
                    }
                    self.place = self.after_name_byte(bytes, len, first, sink);
                    rest = tail;
                }
                Place::Space(field) => {
                    self.place = Place::Value(field);
                    rest = rest.strip_prefix(b" ").unwrap_or(rest);
                }
                Place::Value(field) => {
                    let end = line_end(rest);
                    let (piece, tail) = rest.split_at(end.unwrap_or(rest.len()));
                    if !self.value_piece(field, piece, sink) {
                        self.place = Place::Skipped;
                        rest = tail;
                        continue;
                    }
                    if end.is_none() {
                        return &[];
                    }
                    self.finish_value(field, sink);
                    self.place = Place::LineStart;
                    return self.after_break(tail);
                }
                Place::Skipped => {
                    let Some(end) = line_end(rest) else {
                        return &[];
                    };
                    self.place = Place::LineStart;
                    return self.after_break(rest.split_at(end).1);
                }
            }
        }
    }

    fn after_name_byte(
        &mut self,
        mut bytes: [u8; NAME_BYTES_MAX],
        len: usize,
        byte: u8,
        sink: &mut impl FnMut(Decoded<'_>),
    ) -> Place {
        if byte == b':' {
            let field = Field::named(bytes.get(..len).unwrap_or_default());
            return match field {
                Some(Field::Comment) if !self.has_comments => Place::Skipped,
                Some(field) => {
                    self.begin_value(field, sink);
                    Place::Space(field)
                }
                None => Place::Skipped,
            };
        }
        let Some(next) = bytes.get_mut(len) else {
            return Place::Skipped;
        };
        *next = byte;
        if Field::may_begin_with(bytes.get(..=len).unwrap_or_default()) {
            Place::Name {
                bytes,
                len: len + 1,
            }
        } else {
            Place::Skipped
        }
    }

    fn begin_value(&mut self, field: Field, sink: &mut impl FnMut(Decoded<'_>)) {
        self.unfinished.clear();
        if field == Field::Data && self.admit(usize::from(self.block.has_data), sink) {
            self.is_between_blocks = false;
            self.block.begin_data_line();
        }
    }

    /// Takes a piece of an unfinished value; says whether the rest of the value is wanted.
    fn value_piece(
        &mut self,
        field: Field,
        piece: &[u8],
        sink: &mut impl FnMut(Decoded<'_>),
    ) -> bool {
        let held = self.unfinished.len() + piece.len();
        let fits = match field {
            Field::Data => {
                let fits = self.admit(piece.len(), sink);
                if fits {
                    self.block.data.extend_from_slice(piece);
                }
                return fits;
            }
            Field::Event => self.admit(piece.len(), sink),
            Field::Id => self.admit_id(held, sink),
            Field::Retry | Field::Comment => held <= self.max_event_bytes,
        };
        if fits {
            self.unfinished.extend_from_slice(piece);
        }
        fits
    }

    /// Takes the value in `unfinished`, which is whole now.
    fn finish_value(&mut self, field: Field, sink: &mut impl FnMut(Decoded<'_>)) {
        let value = mem::take(&mut self.unfinished);
        match field {
            Field::Data => {}
            Field::Event => {
                if self.admit(0, sink) {
                    self.block.set_event(&value);
                    self.is_between_blocks = false;
                }
            }
            Field::Id if !value.contains(&0) => {
                self.block.set_id(&value);
                self.is_between_blocks = false;
            }
            Field::Id => {}
            Field::Retry => self.retry(&value, sink),
            Field::Comment => self.comment(&value, sink),
        }
        self.unfinished = value;
        empty(&mut self.unfinished);
    }
}
