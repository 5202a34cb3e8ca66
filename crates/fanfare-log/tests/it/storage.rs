//! What every storage promises the log, asked of each of them.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use fanfare_log::storage::{Folder, FolderError, Storage};

/// A folder for one test, removed when it is over.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fanfare-log-{}-{number}", process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn names(storage: &dyn Storage) -> Vec<String> {
    let mut names = storage.names().unwrap();
    names.sort();
    names
}

fn keeps_what_is_written(storage: &dyn Storage) {
    let file = storage.create("a", 10_000).unwrap();
    let mut all = vec![1; 10_000];
    file.read_at(&mut all, 0).unwrap();
    assert!(all.iter().all(|byte| *byte == 0), "a new file is all zeros");
    file.write_at(b"fanfare", 4_093).unwrap();
    let again = storage.open("a").unwrap();
    let mut part = [0; 9];
    again.read_at(&mut part, 4_092).unwrap();
    assert_eq!(&part, b"\0fanfare\0");
    again.sync().unwrap();
    storage.sync_names().unwrap();
    assert_eq!(again.len().unwrap(), 10_000);
    assert_eq!(names(storage), ["a"]);
    storage.remove("a").unwrap();
}

fn does_not_read_past_the_end(storage: &dyn Storage) {
    let file = storage.create("a", 100).unwrap();
    for (len, offset) in [(101, 0), (1, 100), (10, 95), (1, u64::MAX >> 2)] {
        let error = file.read_at(&mut vec![0; len], offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{len} at {offset}");
    }
    file.read_at(&mut [], 100).unwrap();
    storage.remove("a").unwrap();
}

fn grows_when_written_past_the_end(storage: &dyn Storage) {
    let file = storage.create("a", 0).unwrap();
    file.write_at(b"xyz", 5).unwrap();
    assert_eq!(file.len().unwrap(), 8);
    let mut all = [1; 8];
    file.read_at(&mut all, 0).unwrap();
    assert_eq!(&all, b"\0\0\0\0\0xyz");
    storage.remove("a").unwrap();
}

fn leaves_an_open_file_to_who_has_it(storage: &dyn Storage) {
    let first = storage.create("a", 4).unwrap();
    first.write_at(b"1111", 0).unwrap();
    let second = storage.create("a", 4).unwrap();
    assert_ne!(first.identity().unwrap(), second.identity().unwrap());
    let read = |file: &dyn fanfare_log::storage::StoredFile| {
        let mut four = [9; 4];
        file.read_at(&mut four, 0).unwrap();
        four
    };
    assert_eq!((&read(&*first), &read(&*second)), (b"1111", &[0; 4]));
    storage.remove("a").unwrap();
    second.write_at(b"2222", 0).unwrap();
    assert_eq!(&read(&*second), b"2222");
    assert!(names(storage).is_empty());
}

fn renames_and_replaces(storage: &dyn Storage) {
    let file = storage.create("a", 4).unwrap();
    let identity = file.identity().unwrap();
    storage.create("b", 8).unwrap();
    storage.rename("a", "b").unwrap();
    file.write_at(b"moved", 0).unwrap();
    assert_eq!(names(storage), ["b"]);
    let moved = storage.open("b").unwrap();
    assert_eq!(moved.identity().unwrap(), identity);
    let mut five = [0; 5];
    moved.read_at(&mut five, 0).unwrap();
    assert_eq!(&five, b"moved");
    storage.remove("b").unwrap();
}

fn says_what_is_not_there(storage: &dyn Storage) {
    assert_eq!(
        storage.open("none").err().unwrap().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        storage.remove("none").unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let renamed = storage.rename("none", "other");
    assert_eq!(renamed.unwrap_err().kind(), ErrorKind::NotFound);
}

/// All of them, on an empty storage that stays empty.
fn keeps_the_promises(storage: &dyn Storage) {
    let checks = [
        keeps_what_is_written,
        does_not_read_past_the_end,
        grows_when_written_past_the_end,
        leaves_an_open_file_to_who_has_it,
        renames_and_replaces,
        says_what_is_not_there,
    ];
    for check in checks {
        check(storage);
        assert!(names(storage).is_empty());
    }
}

#[test]
fn a_folder_keeps_the_promises() {
    let scratch = Scratch::new();
    keeps_the_promises(&Folder::open(scratch.path()).unwrap());
}

#[test]
fn a_folder_is_created_with_all_above_it_for_its_owner_alone() {
    let scratch = Scratch::new();
    let path = scratch.path().join("deep/down");
    let folder = Folder::open(&path).unwrap();
    folder.create("a", 1).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("a"))), (0o700, 0o600));
    assert!(folder.free_bytes().unwrap() > 0);
}

#[test]
fn a_second_user_of_a_folder_is_told_who_has_it() {
    let scratch = Scratch::new();
    let first = Folder::open(scratch.path()).unwrap();
    let error = Folder::open(scratch.path()).unwrap_err();
    let ours = process::id();
    assert!(
        matches!(&error, FolderError::Locked { pid: Some(pid), .. } if *pid == ours),
        "{error:?}"
    );
    assert!(
        error.to_string().contains(&format!("process {ours}")),
        "{error}"
    );
    drop(first);
    Folder::open(scratch.path()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_one_is_named() {
    let scratch = Scratch::new();
    fs::write(scratch.path(), "a file").unwrap();
    let error = Folder::open(scratch.path().join("below")).unwrap_err();
    assert!(matches!(error, FolderError::Create { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(scratch.path().to_str().unwrap()), "{text}");
    fs::remove_file(scratch.path()).unwrap();
}

#[test]
fn names_that_are_not_the_logs_are_not_told() {
    let scratch = Scratch::new();
    let folder = Folder::open(scratch.path()).unwrap();
    fs::create_dir(scratch.path().join("folder")).unwrap();
    assert!(names(&folder).is_empty());
}
