//! Lines that are cut by the end of a chunk: where in the line the decoder stands, and how it goes on.

use std::mem;

use crate::{
    block::empty,
    decode::{Decoded, Decoder},
    line::{Field, line_end},
};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Where in the stream, and in its line, the decoder stands between two chunks.
///
/// ```text
/// Mark --anything else--> Start --> Name --colon--> Space --> Value --break--> Start
///   \--half a mark-------> Skipped <--unknown--/                                 ^
///                             \-----------------break---------------------------/
/// a break that is CR leads to AfterCr first, which swallows one LF
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// At the start of the stream, after so many bytes of a byte order mark.
    Mark(u8),
    /// At the start of a line.
    Start,
    /// After a CR, which ended its line; a LF belongs to it (rule B4).
    AfterCr,
    /// After so many bytes of what may become this field's name and colon.
    Name(Field, u8),
    /// After the colon; one space does not belong to the value (rule F2).
    Space(Field),
    /// Within the value.
    Value(Field),
    /// Within a line that means nothing.
    Skipped,
}

impl Decoder {
    /// Takes the start of a line whose end is not in the chunk; nothing is no line.
    #[inline]
    pub(crate) fn begin_line(&mut self, part: &[u8], sink: &mut impl FnMut(Decoded<'_>)) {
        let Some(first) = part.first() else { return };
        self.place = match Field::beginning_with(*first) {
            Some(field) => Place::Name(field, 0),
            None => Place::Skipped,
        };
        self.finish_line(part, sink);
    }

    /// Goes on with the line in which the last chunk ended; returns what lies behind it.
    #[inline]
    pub(crate) fn finish_line<'c>(
        &mut self,
        mut rest: &'c [u8],
        sink: &mut impl FnMut(Decoded<'_>),
    ) -> &'c [u8] {
        while let [first, tail @ ..] = rest {
            match self.place {
                Place::Start => break,
                Place::AfterCr => {
                    self.place = Place::Start;
                    return if *first == b'\n' { tail } else { rest };
                }
                Place::Mark(seen) => rest = self.mark(seen, rest),
                Place::Name(field, seen) => rest = self.name(field, seen, rest, sink),
                Place::Space(field) => {
                    self.place = Place::Value(field);
                    rest = if *first == b' ' { tail } else { rest };
                }
                Place::Value(field) => rest = self.value(field, rest, sink),
                Place::Skipped => {
                    let end = line_end(rest).unwrap_or(rest.len());
                    rest = self.end_line(rest.split_at(end).1);
                }
            }
        }
        rest
    }

    /// Strips a byte order mark, which may come in pieces (rule B2).
    fn mark<'c>(&mut self, seen: u8, rest: &'c [u8]) -> &'c [u8] {
        let (expected, mark_rest) = BYTE_ORDER_MARK.split_at(usize::from(seen));
        debug_assert_eq!(expected.len(), usize::from(seen));
        match (rest, mark_rest) {
            ([first, tail @ ..], [byte, mark_rest @ ..]) if first == byte => {
                self.place = if mark_rest.is_empty() {
                    Place::Start
                } else {
                    Place::Mark(seen + 1)
                };
                tail
            }
            _ => {
                // Half a mark is the beginning of a field name that nobody knows.
                self.place = if seen == 0 {
                    Place::Start
                } else {
                    Place::Skipped
                };
                rest
            }
        }
    }

    /// Goes on with what may become the name of `field`.
    fn name<'c>(
        &mut self,
        field: Field,
        seen: u8,
        rest: &'c [u8],
        sink: &mut impl FnMut(Decoded<'_>),
    ) -> &'c [u8] {
        let (_, wanted) = field.prefix().split_at(usize::from(seen));
        let same = wanted
            .iter()
            .zip(rest)
            .take_while(|(wanted, byte)| wanted == byte)
            .count();
        let (_, tail) = rest.split_at(same);
        if same == wanted.len() {
            self.begin_value(field, sink);
            return tail;
        }
        match tail {
            [] => self.place = Place::Name(field, seen + same as u8),
            // A name without a colon has an empty value (rule F3).
            [b'\r' | b'\n', ..] if same + 1 == wanted.len() => {
                self.begin_value(field, sink);
                self.finish_value(field, sink);
                return self.end_line(tail);
            }
            _ => self.place = Place::Skipped,
        }
        tail
    }

    fn begin_value(&mut self, field: Field, sink: &mut impl FnMut(Decoded<'_>)) {
        self.place = Place::Space(field);
        match field {
            Field::Data if self.admit(usize::from(self.block.has_data), sink) => {
                self.is_between_blocks = false;
                self.block.begin_data_line();
            }
            Field::Comment if !self.has_comments => self.place = Place::Skipped,
            _ => {}
        }
    }

    /// Takes as much of the value as there is.
    #[inline]
    fn value<'c>(
        &mut self,
        field: Field,
        rest: &'c [u8],
        sink: &mut impl FnMut(Decoded<'_>),
    ) -> &'c [u8] {
        let end = line_end(rest);
        let (piece, tail) = rest.split_at(end.unwrap_or(rest.len()));
        if !self.piece(field, piece, sink) {
            self.place = Place::Skipped;
        } else if end.is_some() {
            self.finish_value(field, sink);
            return self.end_line(tail);
        }
        tail
    }

    /// Takes a piece of an unfinished value; says whether the rest of the value is wanted.
    #[inline]
    fn piece(&mut self, field: Field, piece: &[u8], sink: &mut impl FnMut(Decoded<'_>)) -> bool {
        let held = self.unfinished.len() + piece.len();
        let (fits, buffer) = match field {
            Field::Data => (self.admit(piece.len(), sink), &mut self.block.data),
            Field::Event => (self.admit(piece.len(), sink), &mut self.unfinished),
            Field::Id => (self.admit_id(held, sink), &mut self.unfinished),
            Field::Retry | Field::Comment => (held <= self.max_event_bytes, &mut self.unfinished),
        };
        if fits {
            buffer.extend_from_slice(piece);
        } else {
            empty(&mut self.unfinished);
        }
        fits
    }

    /// Takes the value in `unfinished`, which is whole now.
    fn finish_value(&mut self, field: Field, sink: &mut impl FnMut(Decoded<'_>)) {
        let value = mem::take(&mut self.unfinished);
        match field {
            Field::Data => {}
            Field::Event => {
                self.is_between_blocks = false;
                self.block.set_event(&value);
            }
            Field::Id if value.contains(&0) => {}
            Field::Id => {
                self.is_between_blocks = false;
                self.block.set_id(&value);
            }
            Field::Retry => self.retry(&value, sink),
            Field::Comment => self.comment(&value, sink),
        }
        self.unfinished = value;
        empty(&mut self.unfinished);
    }

    /// Ends the line if `tail` begins with a line break; at the end of the chunk the line goes on.
    #[inline]
    fn end_line<'c>(&mut self, tail: &'c [u8]) -> &'c [u8] {
        if !tail.is_empty() {
            self.place = Place::Start;
        }
        self.after_break(tail)
    }
}
