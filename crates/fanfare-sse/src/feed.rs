//! Reads whole lines and dispatches blocks; data stays where it lies as long as it can.

use std::{borrow::Cow, str};

use crate::decode::{Decoded, Decoder, Event};
use crate::line::{Field, line_end, retry_value};

/// The reading of one chunk.
pub(crate) struct Feed<'d, 'c, S> {
    pub(crate) decoder: &'d mut Decoder,
    pub(crate) sink: &'d mut S,
    /// The only data line of the open block, if it lies in the chunk.
    data: Option<&'c [u8]>,
}

impl<'d, 'c, S: FnMut(Decoded<'_>)> Feed<'d, 'c, S> {
    #[inline]
    pub(crate) fn new(decoder: &'d mut Decoder, sink: &'d mut S) -> Self {
        let data = None;
        Self {
            decoder,
            sink,
            data,
        }
    }

    /// Takes all whole lines, to the end of the chunk; returns how many bytes there are the start
    /// of a line that is cut.
    #[inline]
    pub(crate) fn lines(&mut self, mut rest: &'c [u8]) -> usize {
        while let Some(end) = line_end(rest) {
            let (line, tail) = rest.split_at(end);
            rest = self.decoder.after_break(tail);
            if line.is_empty() {
                self.dispatch();
            } else {
                self.line(line);
            }
        }
        self.spill();
        rest.len()
    }

    /// Takes a line that does not end the block; an empty one is none.
    #[inline]
    pub(crate) fn line(&mut self, line: &'c [u8]) {
        let Some((field, value)) = Field::split(line) else {
            return;
        };
        let is_too_long = value.len() > self.decoder.max_event_bytes;
        match field {
            Field::Data => self.data_line(value),
            Field::Event if self.fits(value.len()) => self.decoder.block.set_event(value),
            // Nothing fits beside an id that is too long.
            Field::Id if is_too_long => _ = self.fits(usize::MAX),
            Field::Id if !value.contains(&0) => self.decoder.block.set_id(value),
            Field::Retry if !is_too_long => {
                if let Some(retry) = retry_value(value) {
                    self.decoder.block.retry = Some(retry);
                    self.decoder.block.is_begun = true;
                    (self.sink)(Decoded::Retry(retry));
                }
            }
            Field::Comment if !is_too_long && self.decoder.has_comments => {
                (self.sink)(Decoded::Comment(&text(value).0));
            }
            _ => {}
        }
    }

    #[inline]
    fn data_line(&mut self, value: &'c [u8]) {
        let is_first = self.data.is_none() && !self.decoder.block.has_data;
        if !self.fits(value.len() + usize::from(!is_first)) {
            self.data = None;
        } else if is_first {
            self.data = Some(value);
        } else {
            self.spill();
            self.decoder.block.push_data(value);
        }
    }

    /// Counts bytes of data or event type against the limit and says whether they fit.
    #[inline]
    fn fits(&mut self, bytes: usize) -> bool {
        let max_event_bytes = self.decoder.max_event_bytes;
        let block = &mut self.decoder.block;
        let did_fit = block.bytes <= max_event_bytes;
        block.bytes = block.bytes.saturating_add(bytes);
        let fits = block.bytes <= max_event_bytes;
        if did_fit && !fits {
            block.data = Vec::new();
            block.is_begun = true;
            (self.sink)(Decoded::TooLarge { max_event_bytes });
        }
        fits
    }

    /// Ends the block: commits its id, hands out its event if it has data, and begins a new one.
    #[inline]
    fn dispatch(&mut self) {
        let decoder = &mut *self.decoder;
        let block = &mut decoder.block;
        let mut is_lossy = false;
        if block.has_id {
            let (id, id_is_lossy) = text(&block.id);
            (*id).clone_into(&mut decoder.last_event_id);
            is_lossy = id_is_lossy;
        }
        let spilled = block.has_data.then_some(block.data.as_slice());
        let data = self.data.take().or(spilled);
        if let Some(data) = data.filter(|_| block.bytes <= decoder.max_event_bytes) {
            let (data, data_is_lossy) = text(data);
            let (event, event_is_lossy) = text(&block.event);
            (self.sink)(Decoded::Event(Event {
                event: if event.is_empty() { "message" } else { &event },
                data: &data,
                id: &decoder.last_event_id,
                retry: block.retry,
                is_lossy: is_lossy | data_is_lossy | event_is_lossy,
            }));
        }
        block.clear();
    }

    /// Copies the data of the open block out of a chunk that is about to go away.
    #[inline]
    fn spill(&mut self) {
        if let Some(data) = self.data.take() {
            self.decoder.block.push_data(data);
        }
    }
}

/// Reads bytes as UTF-8 and says whether bytes had to be replaced by U+FFFD.
#[inline]
fn text(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let text = match bytes.len() < SIMD_BYTES_MIN {
        true => str::from_utf8(bytes).ok(),
        false => simdutf8::basic::from_utf8(bytes).ok(),
    };
    match text {
        Some(text) => (Cow::Borrowed(text), false),
        None => (String::from_utf8_lossy(bytes), true),
    }
}

/// From this length on, vector instructions save more than choosing them costs.
const SIMD_BYTES_MIN: usize = 128;
