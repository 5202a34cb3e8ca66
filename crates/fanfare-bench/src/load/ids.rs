//! The ids of events, for subscribers that come back. Servers make them, so that they have to be
//! read out of the streams; one subscriber's stream tells them for all.

use memchr::{memchr_iter, memmem, memrchr};

use crate::ledger::Ledger;
use crate::mark::{Mark, SIGN};

/// The ids of one topic's events.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// By place. Empty where it is not known.
    by_place: Vec<String>,
    known: usize,
}

impl Ids {
    /// Finds the ids of events in what was read, unless all are known.
    pub(super) fn note(&mut self, bytes: &[u8], ledger: &Ledger) {
        let tail = ledger.tail() as usize;
        if self.known == tail {
            return;
        }
        self.by_place.resize(tail, String::new());
        for at in memchr_iter(SIGN, bytes) {
            let place = Mark::at(bytes, at).and_then(|mark| ledger.place(mark));
            let Some(known) = place.and_then(|place| self.by_place.get_mut(place as usize)) else {
                continue;
            };
            let id = id_around(bytes, at);
            if known.is_empty()
                && let Some(id) = id
            {
                *known = id;
                self.known += 1;
            }
        }
    }

    /// The last place before `next` with a known id, and that.
    pub(super) fn before(&self, next: u32) -> Option<(u32, &str)> {
        let places = self.by_place.iter().take(next as usize).enumerate();
        let (place, id) = places.rev().find(|(_, id)| !id.is_empty())?;
        Some((place as u32, id))
    }
}

/// The id of the block whose mark stands at `at`.
fn id_around(bytes: &[u8], at: usize) -> Option<String> {
    let start = memmem::rfind(&bytes[..at], b"\n\n").map_or(0, |end| end + 2);
    let end = memmem::find(&bytes[at..], b"\n\n")? + at;
    let block = &bytes[start..end];
    let id = memmem::find_iter(block, b"id:").find(|id| *id == 0 || block[id - 1] == b'\n')?;
    let rest = &block[id + 3..];
    let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
    // A frame of the transport may lie within the block; its line breaks are no line of the id.
    (memrchr(b'\r', line).is_none()).then(|| String::from_utf8_lossy(line).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_from_its_block_alone() {
        let text =
            b"id: a-1\ndata: ~00000000\n\ndata: ~00000001\nid:a-2\n\ndata: ~00000002\n\nid: a-4";
        let ids: Vec<_> = memchr_iter(SIGN, text)
            .map(|at| id_around(text, at))
            .collect();
        assert_eq!(ids, [Some("a-1".to_owned()), Some("a-2".to_owned()), None]);
    }
}
