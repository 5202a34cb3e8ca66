//! Why a log cannot be opened.

use std::io;

use crate::storage::FolderError;

/// Why a log cannot be opened. None of them harms what is on disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A later version of Fanfare has written to it.
    #[error(
        "the log was written by a later version of Fanfare (format {version}, this one reads up to 1): use that version, or another folder"
    )]
    Newer {
        /// The version of the format.
        version: u32,
    },
    /// The disk refused.
    #[error("cannot {doing}: {source}")]
    Storage {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// Says what was being done when the disk refused.
    pub(crate) fn doing(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Storage { doing, source }
    }
}
