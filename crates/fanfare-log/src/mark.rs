//! The mark: how far the log was durable when somebody last had time to write it down, and which
//! start of the hub wrote it.
//!
//! It is written when the log falls idle, once a second under load, and at a clean end; never on
//! the way to an acknowledgement. At a start it tells an acknowledged tail that was damaged (the
//! log ends before the mark) from a write that was cut short (it ends after). Two slots are written
//! in turn, so that a write which is cut short leaves the other one.

use std::io;

use fanfare_hub::{Durability, Epoch, Seq};

use crate::bytes::Reader;
use crate::storage::{Storage, StoredFile};

/// The file of the mark.
pub(crate) const NAME: &str = "mark";
/// A slot takes a page of its own, so that writing one cannot tear the other.
const SLOT_BYTES: u64 = 4096;
/// Bytes of a slot before its checksum.
const FIELDS: usize = 8 + 8 + 8 + 8 + 16 + 6 + 2;

/// What is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Rises with each write, so that the younger slot is known.
    pub(crate) count: u64,
    /// Everything up to here was durable.
    pub(crate) durable: Seq,
    /// Everything up to here was dropped by the rule of the hub.
    pub(crate) floor: Seq,
    /// Drawn anew at each start; the same number stands in the name of the start's own file.
    pub(crate) start: u64,
    /// The boot of the machine that it was written in; zeros where that is not known.
    pub(crate) boot: [u8; 16],
    /// The epoch.
    pub(crate) epoch: Epoch,
    /// The level of durability.
    pub(crate) durability: Durability,
    /// Whether the log was closed in good order.
    pub(crate) is_closed: bool,
}

impl Mark {
    /// Writes the mark into the slot whose turn it is, and waits until it is durable.
    pub(crate) fn write(&self, file: &dyn StoredFile) -> io::Result<()> {
        let mut slot = Vec::with_capacity(FIELDS + 4);
        slot.extend_from_slice(&self.count.to_le_bytes());
        slot.extend_from_slice(&self.durable.0.to_le_bytes());
        slot.extend_from_slice(&self.floor.0.to_le_bytes());
        slot.extend_from_slice(&self.start.to_le_bytes());
        slot.extend_from_slice(&self.boot);
        slot.extend_from_slice(self.epoch.as_str().as_bytes());
        slot.push(u8::from(self.durability == Durability::Disk));
        slot.push(u8::from(self.is_closed));
        let crc = crc32c::crc32c(&slot);
        slot.extend_from_slice(&crc.to_le_bytes());
        file.write_at(&slot, SLOT_BYTES * (self.count % 2))?;
        file.sync()
    }

    fn parse(slot: &[u8]) -> Option<Self> {
        let (fields, crc) = slot.split_at_checked(FIELDS)?;
        if crc32c::crc32c(fields) != Reader(crc).u32()? {
            return None;
        }
        let mut fields = Reader(fields);
        Some(Self {
            count: fields.u64()?,
            durable: fields.seq()?,
            floor: fields.seq()?,
            start: fields.u64()?,
            boot: fields.array()?,
            epoch: Epoch::parse(std::str::from_utf8(&fields.array::<6>()?).ok()?)?,
            durability: match fields.u8()? {
                1 => Durability::Disk,
                _ => Durability::Written,
            },
            is_closed: fields.u8()? == 1,
        })
    }

    /// Reads the younger of the slots that can be read.
    pub(crate) fn read(file: &dyn StoredFile) -> Option<Self> {
        let slot = |number: u64| {
            let mut slot = [0; FIELDS + 4];
            file.read_at(&mut slot, SLOT_BYTES * number).ok()?;
            Self::parse(&slot)
        };
        let slots = [slot(0), slot(1)].into_iter().flatten();
        slots.max_by_key(|mark| mark.count)
    }

    /// Creates the file; it is durable once the names of the folder are.
    pub(crate) fn create(storage: &dyn Storage) -> io::Result<std::sync::Arc<dyn StoredFile>> {
        storage.create(NAME, 2 * SLOT_BYTES)
    }
}

/// The name of the file that a start of the hub leaves in the folder. Copying an older folder over
/// a younger one leaves both files, which gives it away.
pub(crate) fn start_name(start: u64) -> String {
    format!("start-{start:016x}")
}

/// Whether the file was left by a start.
pub(crate) fn is_start_name(name: &str) -> bool {
    name.starts_with("start-")
}
