//! Going on to the next segment when the present one is full, and finding room on a disk that has
//! little.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use fanfare_hub::log::Batch;
use fanfare_hub::{AppendError, Epoch, Seq, TopicName};

use super::Writer;
use super::commit::EVENT_ROOM;
use crate::header::{HEADER_BYTES, Header, file_name};
use crate::index::{ENTRY_BYTES, KEY_BYTES, TOPIC_BYTES, TRAILER_BYTES};
use crate::keeper::Chore;
use crate::options::{FULL_RETRY, SEGMENT_BYTES_MIN};
use crate::record::{HEADER, pad4};
use crate::segment::Segment;
use crate::shared::{Spare, Trouble};
use crate::storage::Storage;

/// The names of files that wait to become segments. With one, a file that retention empties would
/// find the name taken by a new one, made when the last was used up: none would be used again.
pub(crate) const SPARE_NAMES: [&str; 2] = ["spare", "spare-2"];
/// Places that are multiples of this belong to different pages.
const PAGE: u64 = 4096;

impl Writer {
    /// Makes sure that a batch of so many bytes fits into the segment, with its index.
    pub(super) fn make_room(&mut self, bytes: u64, batch: &Batch) -> Result<(), AppendError> {
        let events = batch.events.len() as u64;
        let index = events * ENTRY_BYTES + KEY_BYTES + topic_bytes(&batch.topic);
        self.make_room_for(bytes, index)
    }

    pub(super) fn make_room_for_forget(&mut self, topic: &TopicName) -> Result<(), AppendError> {
        let bytes = HEADER + pad4(topic.as_str().len()) + EVENT_ROOM;
        self.make_room_for(bytes as u64, topic_bytes(topic))
    }

    fn make_room_for(&mut self, bytes: u64, index: u64) -> Result<(), AppendError> {
        if self.shared.has_trouble() {
            self.ready()?;
        }
        let records = self.at + self.group.buf.len() as u64 + bytes + HEADER as u64;
        let fits = |indexed: u64| {
            let indexed = indexed.saturating_add(index + TRAILER_BYTES);
            records.next_multiple_of(PAGE).saturating_add(indexed) <= self.segment.capacity
        };
        if !fits(self.indexed) {
            // Most events of a topic take less than the first one, which was counted for each.
            let staged = self.group.marks.index_room + self.behind.index_room;
            self.indexed = self.segment.index().encoded_len() as u64 + staged;
        }
        if fits(self.indexed) {
            self.indexed += index;
            self.group.marks.index_room += index;
            return Ok(());
        }
        self.commit();
        if let Some(Trouble::Poisoned(reason)) = self.shared.trouble() {
            return Err(AppendError::Unavailable(reason));
        }
        let least =
            HEADER_BYTES as u64 + bytes + HEADER as u64 + 2 * PAGE + 2 * index + TRAILER_BYTES;
        let rolled = self.roll(least.next_multiple_of(PAGE));
        rolled.map_err(|trouble| AppendError::Unavailable(trouble.reason().to_owned()))?;
        self.group.marks.index_room += index;
        Ok(())
    }

    /// Goes on to a new segment that has room for so many bytes.
    pub(super) fn roll(&mut self, least: u64) -> Result<(), Trouble> {
        self.drain();
        let waited = self.refused.map(|refused| refused.elapsed());
        if waited.is_some_and(|waited| waited < FULL_RETRY) {
            let trouble = self.shared.trouble();
            return trouble.map_or(Ok(()), Err);
        }
        let site = Site {
            storage: &*self.shared.storage,
            epoch: self.shared.epoch,
            segment_bytes: self.shared.segment_bytes,
        };
        let made = {
            // Locked until the file has its own name: meanwhile the keeper must not put another one
            // in its place under the name of the spare.
            let mut spares = self.shared.spares();
            let spare = spares.pop();
            site.new_segment(spare, (self.next, least))
        };
        match made {
            Ok(segment) => {
                self.refused = None;
                self.shared.set_trouble(None);
                self.begin(Arc::new(segment));
                Ok(())
            }
            Err(error) => {
                self.refused = Some(Instant::now());
                let trouble = Trouble::Full(format!(
                    "no room for a new segment ({error}): free space, or keep less history"
                ));
                self.shared.set_trouble(Some(trouble.clone()));
                Err(trouble)
            }
        }
    }

    fn begin(&mut self, segment: Arc<Segment>) {
        let sealed = std::mem::replace(&mut self.segment, Arc::clone(&segment));
        let records_end = self.at;
        self.shared.view_mut().add_segment(segment);
        self.at = HEADER_BYTES as u64;
        self.indexed = u64::MAX;
        self.shared.ask(Chore::Seal(sealed, records_end));
        self.shared.suggest(Chore::Prepare);
    }
}

fn topic_bytes(topic: &TopicName) -> u64 {
    TOPIC_BYTES + topic.as_str().len() as u64
}

/// Where segments are made.
pub(crate) struct Site<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) epoch: Epoch,
    pub(crate) segment_bytes: u64,
}

impl Site<'_> {
    /// Makes the segment that starts with a seq and has room for so many bytes, durably so. Smaller
    /// than others where the disk has no room.
    pub(crate) fn new_segment(
        &self,
        spare: Option<Spare>,
        (base, least): (Seq, u64),
    ) -> io::Result<Segment> {
        let spare = match spare {
            Some(spare) if spare.capacity >= least => spare,
            spare => {
                let name = spare.map_or(SPARE_NAMES[0], |spare| spare.name);
                create(self.storage, name, (self.segment_bytes, least))?
            }
        };
        let header = Header {
            base,
            epoch: self.epoch,
            identity: spare.file.identity()?,
            compacted_through: Seq::ZERO,
        };
        let mut page = header.encode();
        // A spare may hold records of its earlier life right behind the header.
        page.resize(HEADER_BYTES + HEADER, 0);
        spare.file.write_at(&page, 0)?;
        spare.file.sync()?;
        self.storage.rename(spare.name, &file_name(base))?;
        self.storage.sync_names()?;
        Ok(Segment::active(&header, spare.file, spare.capacity))
    }
}

/// Creates a file of zeros that can become a segment.
pub(crate) fn create(
    storage: &dyn Storage,
    name: &'static str,
    (wanted, least): (u64, u64),
) -> io::Result<Spare> {
    let mut capacity = wanted.max(least);
    loop {
        match storage.create(name, capacity) {
            Ok(file) => {
                return Ok(Spare {
                    name,
                    file,
                    capacity,
                });
            }
            Err(error) => {
                let smaller = capacity / 4;
                if smaller < SEGMENT_BYTES_MIN.min(wanted) || smaller < least {
                    return Err(error);
                }
                capacity = smaller;
            }
        }
    }
}
