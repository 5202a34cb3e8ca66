//! The fields of the block that is being read, as far as they had to leave the chunk they came in.

use std::{borrow::Cow, str};

/// Capacity that a buffer keeps for the next event; what a rare larger event needed is given back.
const KEPT_BYTES: usize = 256 * 1024;

/// What is known of the open block, in buffers of our own.
#[derive(Debug, Default, Clone)]
pub(crate) struct Block {
    /// The data lines so far, joined by LF, not yet checked to be UTF-8.
    pub(crate) data: Vec<u8>,
    /// Whether a data line was seen; an empty one makes an event too.
    pub(crate) has_data: bool,
    /// The event type; empty is the default type.
    pub(crate) event: Vec<u8>,
    /// The id, to be committed at the blank line.
    pub(crate) id: Vec<u8>,
    /// Whether an id was seen; an empty one counts.
    pub(crate) has_id: bool,
    /// The reconnection time that the block itself carries, in milliseconds.
    pub(crate) retry: Option<u64>,
    /// Bytes of data and event type seen, the measure of the size limit.
    pub(crate) bytes: usize,
    /// Whether the limit is exceeded, so that data and event type are dropped up to the blank line.
    pub(crate) is_too_large: bool,
}

impl Block {
    /// Begins a data line; its value follows, whole or in pieces.
    pub(crate) fn begin_data_line(&mut self) {
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
    }

    pub(crate) fn set_event(&mut self, value: &[u8]) {
        refill(&mut self.event, value);
    }

    pub(crate) fn set_id(&mut self, value: &[u8]) {
        refill(&mut self.id, value);
        self.has_id = true;
    }

    /// Drops data and event type and remembers that the block is too large.
    pub(crate) fn give_up(&mut self) {
        self.is_too_large = true;
        self.data = Vec::new();
        self.event = Vec::new();
    }

    /// Empties the block for the next one.
    pub(crate) fn clear(&mut self) {
        empty(&mut self.data);
        empty(&mut self.event);
        empty(&mut self.id);
        self.has_data = false;
        self.has_id = false;
        self.retry = None;
        self.bytes = 0;
        self.is_too_large = false;
    }
}

/// Empties a buffer and keeps its memory unless that is a lot.
#[inline]
pub(crate) fn empty(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES {
        *buffer = Vec::new();
    }
    buffer.clear();
}

fn refill(buffer: &mut Vec<u8>, value: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(value);
}

/// Reads bytes as UTF-8 and says whether bytes had to be replaced by U+FFFD.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    match str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (String::from_utf8_lossy(bytes), true),
    }
}
