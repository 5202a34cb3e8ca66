//! Giving a group to the disk, in order.

use std::io;
use std::mem;
use std::sync::Arc;

use fanfare_hub::Durability;

use super::Writer;
use super::stage::Group;
use crate::record::{EVENT_HEADER, HEADER};
use crate::segment::Segment;
use crate::shared::{Shared, Trouble};

/// How a group ended that could not be made durable.
pub(super) enum Failed {
    /// Nothing of it is on disk, and nothing of it ever will be.
    NotStored(String),
    /// It may be on disk or not.
    Uncertain(String),
}

impl Writer {
    /// Makes what was staged durable and visible, and answers, before anything else is staged.
    pub(super) fn commit(&mut self) {
        self.drain();
        let mut group = self.submit();
        // It stays with us until the end of the turn.
        self.has_disk = mem::take(&mut group.has_disk);
        self.group = self.lane.store(group);
        self.drain();
    }

    /// Waits until everything that was given to the disk is visible.
    pub(super) fn drain(&mut self) {
        if !self.has_disk {
            self.shared.queue.claim_disk();
            self.has_disk = true;
        }
        drop(self.lane.shower());
        self.behind.clear();
        if self.lane.has_failed() {
            self.start_anew();
        }
    }

    /// Gives away what was staged, with the disk.
    pub(super) fn submit(&mut self) -> Group {
        if self.has_disk && self.lane.has_failed() {
            self.start_anew();
        }
        let mut group = mem::replace(&mut self.group, self.lane.take_empty());
        group.has_disk = mem::take(&mut self.has_disk);
        if !group.buf.is_empty() {
            group.segment = Some(Arc::clone(&self.segment));
            group.start = self.at;
            group.last = self.next.previous();
            self.at += group.buf.len() as u64;
        }
        self.behind = mem::take(&mut group.marks);
        group
    }

    /// Goes on behind what is durable, after a group could not be stored. What was staged behind it
    /// is taken back: its seqs are those of a log that has the group.
    pub(super) fn start_anew(&mut self) {
        let mut shower = self.lane.shower();
        self.lane.set_failed(false);
        if let Some(at) = shower.take_back(&mut self.group) {
            self.at = at;
        }
        drop(shower);
        self.group.clear();
        self.behind.clear();
        self.next = self.shared.durable().next();
        self.last_time = self.shared.view().last_time();
    }
}

/// Writes a group, and behind it a header of zeros, so that what a recycled file still holds does
/// not look like its continuation.
pub(super) fn store(shared: &Shared, segment: &Segment, group: &mut Group) -> Result<(), Failed> {
    let records = group.buf.len();
    group.buf.resize(records + HEADER, 0);
    let written = segment.file.write_at(&group.buf, group.start);
    group.buf.truncate(records);
    if let Err(error) = written {
        return Err(erase(shared, segment, group, &error));
    }
    if shared.durability == Durability::Disk
        && let Err(error) = segment.file.sync()
    {
        // The kernel may have dropped the pages and call them clean, so that a second sync would
        // succeed and mean nothing: it is never retried.
        let reason = format!("a sync failed ({error}): restart the hub once the disk is sound");
        shared.set_trouble(Some(Trouble::Poisoned(reason.clone())));
        return Err(Failed::Uncertain(reason));
    }
    Ok(())
}

/// A write failed half-way: before its publishers may hear that nothing was stored, what is there
/// of it has to be gone for good. All of it: a later record that stayed would look like the
/// continuation of what is written before it next.
fn erase(shared: &Shared, segment: &Segment, group: &Group, error: &io::Error) -> Failed {
    let file = &segment.file;
    let zeros = vec![0; group.buf.len() + HEADER];
    let erased = file
        .write_at(&zeros, group.start)
        .and_then(|()| file.sync());
    match erased {
        Ok(()) => Failed::NotStored(format!("a write failed ({error})")),
        Err(second) => {
            let reason = format!(
                "a write failed ({error}), and so did undoing it ({second}): restart the hub once the disk is sound"
            );
            shared.set_trouble(Some(Trouble::Poisoned(reason.clone())));
            Failed::Uncertain(reason)
        }
    }
}

/// Bytes of an event on disk besides its frame; stated here so that the room it takes is counted
/// with the same number that writes it.
pub(super) const EVENT_ROOM: usize = EVENT_HEADER + 4;
