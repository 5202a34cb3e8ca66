//! What of the open block does not lie in the chunk any more, or never did.

/// Capacity that a buffer keeps for the next event; what a rare larger event needed is given back.
const KEPT_BYTES: usize = 256 * 1024;

/// The open block, in buffers of our own.
#[derive(Debug, Default, Clone)]
pub(crate) struct Block {
    /// Whether anything here is not as new.
    pub(crate) is_begun: bool,
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
    /// Bytes of data and event type seen; above the limit, the block fires no event.
    pub(crate) bytes: usize,
}

impl Block {
    /// Appends one data line.
    pub(crate) fn push_data(&mut self, line: &[u8]) {
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(line);
        self.has_data = true;
        self.is_begun = true;
    }

    /// Sets the event type.
    pub(crate) fn set_event(&mut self, event: &[u8]) {
        event.clone_into(&mut self.event);
        self.is_begun = true;
    }

    /// Sets the id.
    pub(crate) fn set_id(&mut self, id: &[u8]) {
        id.clone_into(&mut self.id);
        self.has_id = true;
        self.is_begun = true;
    }

    /// Empties the block for the next one.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.bytes = 0;
        if self.is_begun {
            self.is_begun = false;
            self.has_data = false;
            self.has_id = false;
            self.retry = None;
            empty(&mut self.data);
            empty(&mut self.event);
            empty(&mut self.id);
        }
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
