//! A folder for one hub's events.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A path that no other test uses. What is there is removed when this is dropped.
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fanfare-data-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // A program that only published or subscribed made none.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
