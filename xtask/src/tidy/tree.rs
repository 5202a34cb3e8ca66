//! The files of the repository, read once, as git sees them: tracked, or new and not ignored.

use anyhow::Result;

use crate::command::{ask, words};

/// One file. Binary files have no text.
pub(crate) struct File {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// Content, empty when it is not UTF-8.
    pub(crate) text: String,
    /// Size on disk in bytes.
    pub(crate) size_bytes: usize,
}

impl File {
    /// Whether it belongs to the tests of something rather than to what ships.
    pub(crate) fn is_test(&self) -> bool {
        is_test_path(&self.path)
    }
}

/// Whether a path belongs to tests: a `tests` folder, a `tests` module, a test of a script.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| {
        let stem = part.split('.').next().unwrap_or(part);
        stem == "tests" || part.contains(".test.")
    })
}

/// All files of the repository.
pub(crate) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads the tree below the current folder.
    pub(crate) fn read() -> Result<Self> {
        let list = ask(&mut words(
            "git ls-files --cached --others --exclude-standard",
        ))?;
        let files = list.lines().filter_map(|path| {
            // A file deleted but not yet committed is listed and cannot be read: not our concern.
            let bytes = std::fs::read(path).ok()?;
            let size_bytes = bytes.len();
            let text = String::from_utf8(bytes).unwrap_or_default();
            Some(File {
                path: path.to_owned(),
                text,
                size_bytes,
            })
        });
        Ok(Self {
            files: files.collect(),
        })
    }

    /// A tree out of literals.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File {
            path: path.to_owned(),
            text: text.to_owned(),
            size_bytes: text.len(),
        };
        Self {
            files: files.iter().map(file).collect(),
        }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(crate) fn with_extension(&self, extension: &str) -> impl Iterator<Item = &File> {
        let suffix = format!(".{extension}");
        self.files
            .iter()
            .filter(move |file| file.path.ends_with(&suffix))
    }

    /// Whether a path, relative to the root, is a file or a folder of the tree.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        path.is_empty()
            || self
                .files
                .iter()
                .any(|file| file.path == path || file.path.starts_with(&inside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_by_their_path() {
        for path in [
            "crates/a/tests/it/main.rs",
            "crates/a/src/memory/tests.rs",
            "x/app.test.ts",
        ] {
            assert!(is_test_path(path), "{path}");
        }
        for path in [
            "crates/a/src/test.rs",
            "crates/a/src/contests.rs",
            "xtask/src/test/steps.rs",
        ] {
            assert!(!is_test_path(path), "{path}");
        }
    }

    #[test]
    fn folders_are_part_of_the_tree() {
        let tree = Tree::of(&[("docs/adr/0001.md", "")]);
        assert!(tree.has("docs/adr") && tree.has("docs/adr/") && tree.has("docs/adr/0001.md"));
        assert!(!tree.has("docs/ad"));
    }
}
