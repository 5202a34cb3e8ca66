//! Where one chunk ends and the next goes on: the byte order mark, CRLF, and lines that are cut.

use crate::decode::{Decoded, Decoder};
use crate::feed::Feed;
use crate::line::{Field, PREFIX_BYTES_MAX, line_end};

/// Where the last chunk ended.
///
/// ```text
/// Mark --the rest of it, or anything else--> Line --unknown name, too long--> Skipped
///   \------------half a mark-------------------------------------------------^  |
/// a break leads to Line again, one that is CR to AfterCr first <----------------/
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the start of the stream, after so many bytes of a byte order mark.
    Mark(usize),
    /// At the start of a line, or in the one whose start is kept.
    Line,
    /// After a CR, which ended its line; a LF belongs to it.
    AfterCr,
    /// Within a line that means nothing.
    Skipped,
}

impl Decoder {
    /// Passes a byte order mark, or the LF of a CRLF that was cut.
    #[inline]
    fn begin<'r>(&mut self, chunk: &'r [u8]) -> &'r [u8] {
        match (self.place, chunk) {
            (Place::Line | Place::Skipped, _) | (_, []) => chunk,
            (Place::Mark(seen), _) => self.pass_mark(seen, chunk),
            (Place::AfterCr, _) => {
                self.place = Place::Line;
                chunk.strip_prefix(b"\n").unwrap_or(chunk)
            }
        }
    }

    /// Passes one byte order mark (rule B2).
    fn pass_mark<'r>(&mut self, seen: usize, chunk: &'r [u8]) -> &'r [u8] {
        let is_mark = chunk.first() == b"\xEF\xBB\xBF".get(seen);
        self.place = match (is_mark, seen) {
            (true, ..2) => Place::Mark(seen + 1),
            (true, _) | (false, 0) => Place::Line,
            // Half a mark begins a field name that nobody knows.
            (false, _) => Place::Skipped,
        };
        self.begin(chunk.split_at(usize::from(is_mark)).1)
    }

    /// Steps over the line break at the start of `tail`.
    #[inline]
    pub(crate) fn after_break<'r>(&mut self, tail: &'r [u8]) -> &'r [u8] {
        match tail {
            // The line ends now; waiting for a LF would delay its event (rule B4).
            [b'\r'] => {
                self.place = Place::AfterCr;
                &[]
            }
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => tail,
        }
    }

    /// Tells whether a line that begins like this may be handed out or kept.
    fn may_mean_something(&self, cut: &[u8], piece: &[u8]) -> bool {
        let mut line = cut.iter().chain(piece);
        match line.next().map(|first| Field::beginning_with(*first)) {
            None => true,
            Some(None) => false,
            Some(Some((Field::Comment, _))) => self.has_comments,
            Some(Some((_, prefix))) => line.zip(&prefix[1..]).all(|(byte, same)| byte == same),
        }
    }
}

impl<S: FnMut(Decoded<'_>)> Feed<'_, '_, S> {
    /// Completes the line that the last chunk cut, if it did, and returns what lies behind it;
    /// `None` if it goes on.
    #[inline]
    pub(crate) fn finish<'r>(&mut self, cut: &mut Vec<u8>, chunk: &'r [u8]) -> Option<&'r [u8]> {
        let rest = self.decoder.begin(chunk);
        let is_skipped = self.decoder.place == Place::Skipped;
        if cut.is_empty() && !is_skipped {
            return Some(rest);
        }
        let end = line_end(rest);
        let (piece, tail) = rest.split_at(end.unwrap_or(rest.len()));
        if !is_skipped {
            self.keep(cut, piece);
        }
        end?;
        self.decoder.place = Place::Line;
        Some(self.decoder.after_break(tail))
    }

    /// Keeps a piece of a cut line, unless the line is unknown or too long: then it is dropped.
    #[inline]
    pub(crate) fn keep(&mut self, cut: &mut Vec<u8>, piece: &[u8]) {
        // What is longer than this has a value above the limit, whatever its name.
        let max_event_bytes = self.decoder.max_event_bytes;
        let cut_bytes_max = max_event_bytes.saturating_add(PREFIX_BYTES_MAX);
        let room = cut_bytes_max.saturating_sub(cut.len());
        if cut.len() < PREFIX_BYTES_MAX && !self.decoder.may_mean_something(cut, piece) {
            self.decoder.place = Place::Skipped;
            cut.clear();
        } else if piece.len() > room {
            self.decoder.place = Place::Skipped;
            cut.extend_from_slice(piece.split_at(room).0);
            Feed::new(self.decoder, self.sink).line(cut);
            *cut = Vec::new();
        } else {
            cut.extend_from_slice(piece);
        }
    }
}
