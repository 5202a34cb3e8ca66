//! The log's folder on a real disk, which one process has to itself.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::{Identity, Storage, StoredFile};

/// The file that a process holds locked while the folder is its own. It is no file of the log.
const LOCK: &str = "LOCK";
/// Bytes of zeros written at a time: large enough that the calls cost nothing beside the disk, and
/// small enough to keep around for a moment.
const PIECE: usize = 1 << 20;
/// A folder that only its owner may enter: what was published is nobody else's business.
const FOLDER_MODE: u32 = 0o700;
/// A file that only its owner may read, for a folder that was opened wider.
const FILE_MODE: u32 = 0o600;

/// A folder on disk, locked until this is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folder itself, to sync its names.
    names: File,
    /// Held for its lock, which the system releases however the process ends.
    _lock: File,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It does not exist and cannot be created.
    #[error("the folder {path} cannot be created: {source}")]
    Create {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It exists and cannot be used.
    #[error("the folder {path} cannot be used: {source}")]
    Use {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the folder {path} is in use by {}: stop it, or choose another folder", holder(*pid))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process that has it, where that is known.
        pid: Option<u32>,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another hub".to_owned(),
        |pid| format!("another hub (process {pid})"),
    )
}

impl Folder {
    /// Opens the folder, which is created when there is none, and keeps other processes out of it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FolderError> {
        let path = path.as_ref();
        // A relative path would mean another folder once the process changes its own.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        create_folder(&path).map_err(|source| FolderError::Create {
            path: path.clone(),
            source,
        })?;
        match Self::lock(&path) {
            Ok((names, Ok(lock))) => Ok(Self {
                path,
                names,
                _lock: lock,
            }),
            Ok((_, Err(Held { pid }))) => Err(FolderError::Locked { path, pid }),
            Err(source) => Err(FolderError::Use { path, source }),
        }
    }

    fn lock(path: &Path) -> io::Result<(File, Result<File, Held>)> {
        let names = File::open(path)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {
                // The number is a courtesy, and a full disk must not keep the hub from starting.
                drop(lock.set_len(0));
                drop(writeln!(lock, "{}", std::process::id()));
                Ok((names, Ok(lock)))
            }
            Err(TryLockError::WouldBlock) => {
                // Longer than any number of a process, in case it is another file.
                let mut text = String::new();
                let read = lock.take(32).read_to_string(&mut text);
                let pid = read.ok().and_then(|_| text.trim().parse().ok());
                Ok((names, Err(Held { pid })))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the disk that this process may still fill.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let room = rustix::fs::fstatvfs(&self.names)?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    fn file(&self, name: &str) -> PathBuf {
        debug_assert!(
            name != LOCK && !name.contains('/'),
            "`{name}` is no name of a file of the log"
        );
        self.path.join(name)
    }
}

/// Somebody else holds the lock.
struct Held {
    pid: Option<u32>,
}

/// Creates a folder and makes its own name durable.
fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let missing = path.ancestors().take_while(|folder| !folder.exists());
    let missing: Vec<&Path> = missing.collect();
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

impl Storage for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // The log has no folders and only plain names: others are not its own.
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(self.file(name))?;
        Ok(Arc::new(FolderFile(file)))
    }

    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn StoredFile>> {
        let path = self.file(name);
        remove_if_there(&path)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&path)?;
        match fill(&file, len) {
            Ok(()) => Ok(Arc::new(FolderFile(file))),
            Err(error) => {
                // Half a file would make a full disk fuller; the first error is the one to tell.
                drop(fs::remove_file(&path));
                Err(error)
            }
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file(from), self.file(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.file(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.names.sync_all()
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes zeros. The room is reserved first where the file system can do that, so that a full disk
/// says so before anything is written; the zeros are written all the same, because turning reserved
/// blocks into written ones costs every later sync a change of the file's own records.
fn fill(file: &File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len) {
        Err(error) if error == rustix::io::Errno::NOSPC => return Err(error.into()),
        // Whatever else it says, the writes below have the last word.
        _ => {}
    }
    let zeros = vec![0; PIECE.min(usize::try_from(len).unwrap_or(PIECE))];
    let mut at = 0;
    while at < len {
        let rest = usize::try_from(len - at).unwrap_or(PIECE);
        let piece = &zeros[..zeros.len().min(rest)];
        file.write_all_at(piece, at)?;
        // Piece by piece: all of it at once would have a sync of the log wait for a tenth of a
        // second.
        file.sync_data()?;
        at += piece.len() as u64;
    }
    Ok(())
}

struct FolderFile(File);

impl StoredFile for FolderFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn identity(&self) -> io::Result<Identity> {
        let metadata = self.0.metadata()?;
        let born = metadata.created().ok();
        let since_1970 = born.and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        Ok(Identity {
            inode: metadata.ino(),
            // Enough for five hundred years.
            born_ns: since_1970.map_or(0, |span| u64::try_from(span.as_nanos()).unwrap_or(0)),
        })
    }
}
