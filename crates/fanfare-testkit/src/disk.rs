//! A disk in memory that keeps exactly what a real one has to, and no more: for tests of what
//! survives when an operation fails or the power goes.
//!
//! ```text
//! let disk = SimDisk::new();
//! disk.fail_from(None, 40, Fault::Freeze);         // the moment of the crash
//! ... run until everything fails ...
//! let after = disk.crash(seed);                    // one disk that the crash may leave
//! ```
//!
//! - `fault`: which operation fails, and how;
//! - `contents`: what a file holds, and what of it a crash may leave;
//! - `folder`: the same for names.

mod contents;
mod fault;
mod folder;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_log::storage::{Identity, Storage, StoredFile};

use self::contents::Contents;
pub use self::fault::{Fault, Op};
use self::fault::{Faults, Verdict};
use self::folder::Names;

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By a number of their own, so that who has one open keeps it when its name goes.
    files: HashMap<u64, SimFile>,
    names: Names,
    faults: Faults,
    /// Bytes that all files together may have.
    capacity: Option<u64>,
    /// Files created so far, which is also the disk's idea of time.
    born: u64,
}

#[derive(Clone)]
struct SimFile {
    identity: Identity,
    contents: Contents,
}

impl SimDisk {
    /// An empty disk without end.
    #[must_use]
    pub fn new() -> Self {
        State::default().into_disk()
    }

    /// An empty disk that is full when its files have so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: u64) -> Self {
        let state = State {
            capacity: Some(bytes),
            ..State::default()
        };
        state.into_disk()
    }

    /// Gives a disk of limited size so many bytes more, as if somebody had removed a file.
    pub fn free(&self, bytes: u64) {
        let mut state = self.state();
        state.capacity = state.capacity.map(|capacity| capacity + bytes);
    }

    /// Takes all the room that is left, as if somebody had written a large file.
    pub fn fill(&self) {
        let mut state = self.state();
        state.capacity = Some(state.used());
    }

    /// Lets one operation fail: of a kind, or of any kind but reading. They are counted from 0.
    pub fn fail_at(&self, op: Option<Op>, number: u64, fault: Fault) {
        self.state().faults.plan(op, number..=number, fault);
    }

    /// Lets an operation and all of its kind that come later fail.
    pub fn fail_from(&self, op: Option<Op>, number: u64, fault: Fault) {
        self.state().faults.plan(op, number..=u64::MAX, fault);
    }

    /// Lets nothing fail any more.
    pub fn heal(&self) {
        self.state().faults.heal();
    }

    /// How many operations there were: of a kind, or of every kind but reading.
    #[must_use]
    pub fn ops(&self, op: Option<Op>) -> u64 {
        self.state().faults.count(op)
    }

    /// Whether a planned fault has struck.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state().faults.has_struck
    }

    /// The disk as a power cut may leave it: everything that was synced, and of the rest any part.
    /// Whoever uses this one goes on with it as if nothing had happened.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let state = self.state();
        let names = state.names.crash(&mut rng);
        state.with_names(names, |file| file.crash(&mut rng))
    }

    /// The disk as a killed process leaves it: everything that was written.
    #[must_use]
    pub fn kill(&self) -> Self {
        let state = self.state();
        state.with_names(state.names.clone(), Contents::clone)
    }

    /// The disk with every file copied: the same bytes in other files.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = self.kill();
        let mut state = copy.state();
        let State { files, born, .. } = &mut *state;
        for file in files.values_mut() {
            *born += 1;
            file.identity.born_ns = *born;
        }
        drop(state);
        copy
    }

    /// Damages a file behind everybody's back, from a place on.
    ///
    /// # Panics
    /// When there is no such file, or it ends before the place.
    pub fn corrupt(&self, name: &str, offset: usize, damage: impl FnOnce(&mut [u8])) {
        let mut state = self.state();
        let contents = state.named(name).expect("a file to damage");
        contents.damage(|bytes| damage(&mut bytes[offset..]));
    }

    /// Cuts a file short behind everybody's back.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn truncate(&self, name: &str, len: usize) {
        let mut state = self.state();
        let contents = state.named(name).expect("a file to cut");
        contents.truncate(len);
    }

    /// What a file holds.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let mut state = self.state();
        let contents = state.named(name).ok()?;
        Some(contents.seen().to_vec())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that failed while it held this has said so already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self, key: u64) -> Arc<dyn StoredFile> {
        let disk = self.clone();
        Arc::new(Opened { disk, key })
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("SimDisk")
            .field("files", &state.names.seen().collect::<Vec<_>>())
            .field("used", &state.used())
            .finish_non_exhaustive()
    }
}

impl State {
    fn into_disk(self) -> SimDisk {
        SimDisk {
            state: Arc::new(Mutex::new(self)),
        }
    }

    /// Another disk with these names, whose files hold what `left` says.
    fn with_names(&self, names: Names, mut left: impl FnMut(&Contents) -> Contents) -> SimDisk {
        // In the order of their names, so that a seed means the same each time.
        let files = names.seen().filter_map(|(_, key)| {
            let file = self.files.get(&key)?;
            let contents = left(&file.contents);
            let identity = file.identity;
            Some((key, SimFile { identity, contents }))
        });
        let state = Self {
            files: files.collect(),
            capacity: self.capacity,
            born: self.born,
            faults: Faults::default(),
            names,
        };
        state.into_disk()
    }

    /// Bytes of all files that have a name.
    fn used(&self) -> u64 {
        let files = self
            .names
            .seen()
            .filter_map(|(_, key)| self.files.get(&key));
        files.map(|file| file.contents.seen().len() as u64).sum()
    }

    fn has_room(&self, more: u64) -> bool {
        self.capacity
            .is_none_or(|capacity| self.used() + more <= capacity)
    }

    fn named(&mut self, name: &str) -> io::Result<&mut Contents> {
        let key = self.names.key(name).ok_or(ErrorKind::NotFound)?;
        self.file(key)
    }

    fn file(&mut self, key: u64) -> io::Result<&mut Contents> {
        let file = self.files.get_mut(&key).ok_or(ErrorKind::NotFound)?;
        Ok(&mut file.contents)
    }

    /// The smallest number of an inode that no file with a name has, as real ones are given out.
    fn free_inode(&self) -> u64 {
        let mut used: Vec<u64> = self
            .names
            .seen()
            .filter_map(|(_, key)| Some(self.files.get(&key)?.identity.inode))
            .collect();
        used.sort_unstable();
        let taken = (1..)
            .zip(&used)
            .take_while(|(number, inode)| number == *inode);
        taken.count() as u64 + 1
    }
}

impl Storage for SimDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.faults.meet_whole(Op::Read)?;
        Ok(state
            .names
            .seen()
            .map(|(name, _)| name.to_owned())
            .collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let mut state = self.state();
        state.faults.meet_whole(Op::Read)?;
        let key = state.names.key(name).ok_or(ErrorKind::NotFound)?;
        Ok(self.opened(key))
    }

    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn StoredFile>> {
        let mut state = self.state();
        let met = state.faults.meet_whole(Op::Create);
        if state.faults.is_frozen() {
            return Err(io::Error::other("the power is out"));
        }
        // The old file goes first, so that its room is free for the new one.
        state.names.remove(name);
        met?;
        if !state.has_room(len) {
            return Err(ErrorKind::StorageFull.into());
        }
        state.born += 1;
        let key = state.born;
        let identity = Identity {
            inode: state.free_inode(),
            born_ns: key,
        };
        let contents = Contents::zeros(len);
        state.files.insert(key, SimFile { identity, contents });
        state.names.create(name, key);
        Ok(self.opened(key))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.faults.meet_whole(Op::Rename)?;
        let key = state.names.key(from).ok_or(ErrorKind::NotFound)?;
        state.names.rename(key, to);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.faults.meet_whole(Op::Remove)?;
        state.names.key(name).ok_or(ErrorKind::NotFound)?;
        state.names.remove(name);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        state.faults.meet_whole(Op::SyncNames)?;
        state.names.sync();
        Ok(())
    }
}

/// A file that somebody has open.
struct Opened {
    disk: SimDisk,
    key: u64,
}

impl StoredFile for Opened {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().file(self.key)?.seen().len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.faults.meet_whole(Op::Read)?;
        let seen = state.file(self.key)?.seen();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let from = seen.get(start..).unwrap_or_default();
        let part = from.get(..buf.len()).ok_or(ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(part);
        Ok(())
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let verdict = state.faults.meet(Op::Write);
        let len = state.file(self.key)?.seen().len() as u64;
        let more = (offset + buf.len() as u64).saturating_sub(len);
        if more > 0 && verdict == Verdict::Works && !state.has_room(more) {
            return Err(ErrorKind::StorageFull.into());
        }
        let file = state.file(self.key)?;
        match verdict {
            Verdict::Works => file.write(buf, offset),
            Verdict::Fails(error) => return Err(error.into()),
            Verdict::Half => {
                file.write(&buf[..buf.len() / 2], offset);
                return Err(ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let met = state.faults.meet_whole(Op::Sync);
        let is_frozen = state.faults.is_frozen();
        let file = state.file(self.key)?;
        match met {
            Ok(()) => file.sync(),
            // Without power nothing changes any more, not even what is lost.
            Err(_) if is_frozen => {}
            Err(_) => file.lose(),
        }
        met
    }

    fn identity(&self) -> io::Result<Identity> {
        let state = self.disk.state();
        let file = state.files.get(&self.key).ok_or(ErrorKind::NotFound)?;
        Ok(file.identity)
    }
}

#[cfg(test)]
mod tests;
