//! A folder of files, as the log needs it, and nothing of what the log writes into them.
//!
//! - [`Storage`], [`StoredFile`]: what the log asks of a disk, so that tests can put one below it
//!   that fails, fills up or loses its power;
//! - [`Folder`]: the real thing.
//!
//! What the log may rely on, and no more: a write is seen by later reads; it survives a crash once
//! `sync` has answered, and until then any part of it may survive, in units of 512 bytes; a
//! created, renamed or removed name survives once `sync_names` has answered; a rename happens whole
//! or not.

mod folder;

use std::io;
use std::sync::Arc;

pub use folder::{Folder, FolderError};

/// A folder of files, as the log needs it. Everything that can go wrong with a disk goes wrong
/// here.
pub trait Storage: Send + Sync + 'static {
    /// Names of all files, in no particular order.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file that exists, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>>;

    /// Creates a file of `len` zero bytes, written and not sparse, so that no later write within
    /// them finds the disk full. Replaces an old file of that name; who has that one open keeps it.
    /// After an error there is no file of that name. Durable only after its `sync` and
    /// `sync_names`.
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn StoredFile>>;

    /// Renames a file, replacing the target. Durable only after `sync_names`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; who has it open keeps it. Durable only after `sync_names`.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals durable.
    fn sync_names(&self) -> io::Result<()>;
}

/// An open file. It stays the same file however it is renamed meanwhile.
#[expect(
    clippy::len_without_is_empty,
    reason = "files of the log have their size from the start, and are never empty"
)]
pub trait StoredFile: Send + Sync {
    /// Its size in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Fills the whole buffer; `UnexpectedEof` when the file is too short.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of the buffer. After an error any part of it may be there.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Makes what was written durable. After an error the disk may have lost what was written since
    /// the last one, and a second `sync` that succeeds does not bring it back.
    fn sync(&self) -> io::Result<()>;

    /// Which file it is.
    fn identity(&self) -> io::Result<Identity>;
}

/// What tells a file from a copy of it: a copied or restored one has another inode, and where that
/// number was reused, another time of birth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The number of its inode.
    pub inode: u64,
    /// When it was created, in nanoseconds since 1970; 0 where the file system does not say.
    pub born_ns: u64,
}
