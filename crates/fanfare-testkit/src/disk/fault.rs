//! Which operation of a simulated disk fails, and how.

use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writing to a file.
    Write,
    /// Making a file durable.
    Sync,
    /// Creating a file with its zeros.
    Create,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Making names durable.
    SyncNames,
    /// Opening or reading a file, or listing their names. Many threads read at once, so that these
    /// are not counted among all operations, whose order a test repeats.
    Read,
}

impl Op {
    /// All that change something.
    pub const CHANGES: [Self; 6] = [
        Self::Write,
        Self::Sync,
        Self::Create,
        Self::Rename,
        Self::Remove,
        Self::SyncNames,
    ];
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is broken there (`EIO`). A sync that fails so may have lost what was written.
    Broken,
    /// The disk has no room (`ENOSPC`).
    Full,
    /// A write stops half-way, and then says that there is no room.
    Short,
    /// The power is out: this and everything later fails, and nothing changes any more.
    Freeze,
}

/// What comes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is done.
    Works,
    /// Nothing is done.
    Fails(ErrorKind),
    /// A part is done.
    Half,
}

#[derive(Debug)]
struct Plan {
    op: Option<Op>,
    numbers: RangeInclusive<u64>,
    fault: Fault,
}

/// The operations so far, and what is planned.
#[derive(Debug, Default)]
pub(super) struct Faults {
    plans: Vec<Plan>,
    counts: [u64; Op::CHANGES.len() + 1],
    is_frozen: bool,
    pub(super) has_struck: bool,
}

impl Faults {
    pub(super) fn plan(&mut self, op: Option<Op>, numbers: RangeInclusive<u64>, fault: Fault) {
        self.plans.push(Plan { op, numbers, fault });
    }

    pub(super) fn heal(&mut self) {
        self.plans.clear();
        self.is_frozen = false;
    }

    pub(super) fn count(&self, op: Option<Op>) -> u64 {
        let changes = &self.counts[..Op::CHANGES.len()];
        op.map_or_else(|| changes.iter().sum(), |op| self.counts[op as usize])
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    /// Counts an operation and says what comes of it.
    pub(super) fn meet(&mut self, op: Op) -> Verdict {
        let (own, all) = (self.count(Some(op)), self.count(None));
        self.counts[op as usize] += 1;
        if self.is_frozen {
            return Verdict::Fails(ErrorKind::Other);
        }
        let struck = self.plans.iter().find(|plan| match plan.op {
            Some(planned) => planned == op && plan.numbers.contains(&own),
            None => op != Op::Read && plan.numbers.contains(&all),
        });
        let Some(plan) = struck else {
            return Verdict::Works;
        };
        self.has_struck = true;
        match plan.fault {
            Fault::Freeze => {
                self.is_frozen = true;
                Verdict::Fails(ErrorKind::Other)
            }
            // What the standard library makes of EIO.
            Fault::Broken => Verdict::Fails(ErrorKind::Other),
            Fault::Short if op == Op::Write => Verdict::Half,
            Fault::Full | Fault::Short => Verdict::Fails(ErrorKind::StorageFull),
        }
    }

    /// The same for an operation that is done whole or not at all.
    pub(super) fn meet_whole(&mut self, op: Op) -> io::Result<()> {
        match self.meet(op) {
            Verdict::Works => Ok(()),
            Verdict::Fails(error) => Err(error.into()),
            Verdict::Half => Err(ErrorKind::StorageFull.into()),
        }
    }
}
