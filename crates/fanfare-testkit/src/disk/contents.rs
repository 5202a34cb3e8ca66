//! What a file on a simulated disk holds, and what of it a crash may leave.
//!
//! The process sees its writes at once. The disk takes them over sector by sector, whenever it
//! likes, as they are at that moment: after a crash each sector is as it was after one of the
//! writes to it, no older than its last sync.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;

/// The unit in which a disk writes: old or new, never half.
const SECTOR: usize = 512;

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    /// As the process sees it. Shared with what is durable while both are the same.
    seen: Arc<Vec<u8>>,
    /// As it was when everything in it was durable.
    durable: Arc<Vec<u8>>,
    /// What was written since.
    writes: Vec<Write>,
}

#[derive(Clone, Debug)]
struct Write {
    offset: usize,
    bytes: Vec<u8>,
    state: WriteState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteState {
    /// The next sync makes it durable.
    Waiting,
    /// It is durable.
    Synced,
    /// A sync failed: the system takes it for written, and no later sync writes it.
    Lost,
}

/// The writes to one sector, counted.
#[derive(Clone, Copy, Debug, Default)]
struct Touched {
    writes: usize,
    /// So many of them have to be there after a crash.
    least: usize,
    /// So many of them are.
    left: usize,
    /// So many of them were applied already.
    applied: usize,
}

/// What kind of crash it is; pure chance would hardly ever leave nearly everything or nearly
/// nothing, which are the likely ones.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Nothing,
    Everything,
    /// Each sector for itself, with so many chances out of 8.
    Sectors(u8),
    /// The first so many writes are there, the next one in part, and no later one.
    InOrder(usize),
    /// All sectors but one.
    AllBut(usize),
}

impl Contents {
    /// A new file of zeros, of which nothing is durable.
    pub(super) fn zeros(len: u64) -> Self {
        let mut contents = Self::default();
        contents.write(&vec![0; usize::try_from(len).unwrap_or(0)], 0);
        contents
    }

    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        put(Arc::make_mut(&mut self.seen), bytes, offset);
        self.writes.push(Write {
            offset,
            bytes: bytes.to_vec(),
            state: WriteState::Waiting,
        });
    }

    pub(super) fn sync(&mut self) {
        for write in &mut self.writes {
            if write.state == WriteState::Waiting {
                write.state = WriteState::Synced;
            }
        }
        if self
            .writes
            .iter()
            .all(|write| write.state == WriteState::Synced)
        {
            self.writes.clear();
            self.durable = Arc::clone(&self.seen);
        }
    }

    /// A sync that fails: what waited for it may never reach the disk.
    pub(super) fn lose(&mut self) {
        for write in &mut self.writes {
            if write.state == WriteState::Waiting {
                write.state = WriteState::Lost;
            }
        }
    }

    /// Changes what is there and makes it durable.
    pub(super) fn damage(&mut self, damage: impl FnOnce(&mut [u8])) {
        damage(Arc::make_mut(&mut self.seen).as_mut_slice());
        self.writes.clear();
        self.durable = Arc::clone(&self.seen);
    }

    /// Makes it shorter, and that durable.
    pub(super) fn truncate(&mut self, len: usize) {
        Arc::make_mut(&mut self.seen).truncate(len);
        self.writes.clear();
        self.durable = Arc::clone(&self.seen);
    }

    /// The file after a crash.
    pub(super) fn crash(&self, rng: &mut Rng) -> Self {
        if self.writes.is_empty() {
            return self.clone();
        }
        let mut touched = self.touched();
        self.choose(&mut touched, rng);
        let mut left = self.durable.to_vec();
        for write in &self.writes {
            for (sector, offset, piece) in write.pieces() {
                let Some(touched) = touched.get_mut(&sector) else {
                    continue;
                };
                if touched.applied < touched.left {
                    put(&mut left, piece, offset);
                }
                touched.applied += 1;
            }
        }
        let left = Arc::new(left);
        Self {
            seen: Arc::clone(&left),
            durable: left,
            writes: Vec::new(),
        }
    }

    fn touched(&self) -> BTreeMap<usize, Touched> {
        let mut all: BTreeMap<usize, Touched> = BTreeMap::new();
        for write in &self.writes {
            for (sector, _, _) in write.pieces() {
                let touched = all.entry(sector).or_default();
                touched.writes += 1;
                if write.state == WriteState::Synced {
                    touched.least = touched.writes;
                }
            }
        }
        all
    }

    fn choose(&self, touched: &mut BTreeMap<usize, Touched>, rng: &mut Rng) {
        let luck = match rng.u8(..8) {
            0 => Luck::Nothing,
            1 => Luck::Everything,
            2 | 3 => Luck::InOrder(rng.usize(..self.writes.len())),
            4 => Luck::AllBut(rng.usize(..touched.len())),
            _ => Luck::Sectors(rng.u8(1..8)),
        };
        for (number, sector) in touched.values_mut().enumerate() {
            sector.left = match luck {
                Luck::Nothing | Luck::InOrder(_) => 0,
                Luck::Everything => sector.writes,
                Luck::AllBut(but) if but == number => 0,
                Luck::AllBut(_) => sector.writes,
                Luck::Sectors(chances) if rng.u8(..8) < chances => rng.usize(1..=sector.writes),
                Luck::Sectors(_) => 0,
            };
        }
        if let Luck::InOrder(whole) = luck {
            self.choose_first(whole, touched, rng);
        }
        for sector in touched.values_mut() {
            sector.left = sector.left.max(sector.least);
        }
    }

    /// Leaves the first so many writes, and the next one up to some sector.
    fn choose_first(&self, whole: usize, touched: &mut BTreeMap<usize, Touched>, rng: &mut Rng) {
        for (number, write) in self.writes.iter().take(whole + 1).enumerate() {
            let pieces = write.pieces().count();
            let cut = match number == whole {
                true => rng.usize(..=pieces),
                false => pieces,
            };
            for (sector, _, _) in write.pieces().take(cut) {
                touched.entry(sector).or_default().left += 1;
            }
        }
    }
}

impl Write {
    /// The write cut at the sectors of the disk: number, place, bytes.
    fn pieces(&self) -> impl Iterator<Item = (usize, usize, &[u8])> {
        let first = SECTOR - self.offset % SECTOR;
        let (head, rest) = self.bytes.split_at(first.min(self.bytes.len()));
        let pieces = std::iter::once(head).chain(rest.chunks(SECTOR));
        let mut at = self.offset;
        pieces.map(move |piece| {
            let offset = at;
            at += piece.len();
            (offset / SECTOR, offset, piece)
        })
    }
}

/// Writes some bytes, after zeros where the file ends before.
fn put(file: &mut Vec<u8>, bytes: &[u8], offset: usize) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}
