//! Sizes: files, crates, `main.rs`, blobs; and the table that shows where each crate stands.

use super::finding::Finding;
use super::house::{HOUSE, room_of};
use super::rust::RustFile;
use super::tree::Tree;

/// Lines of a file outside tests: warn, fail.
const FILE_LINES: (usize, usize) = (400, 600);
/// Lines of `main.rs`: it builds, serves, exits, and decides nothing.
const MAIN_LINES: (usize, usize) = (80, 100);
/// Lines of a file that is a test: warn only.
const TEST_LINES: usize = 600;
/// Lines of a page or a style sheet.
const SCRIPTS: [&str; 5] = ["ts", "tsx", "js", "mjs", "jsx"];
/// A clone should not carry what a package or a release can.
const BLOB_BYTES_MAX: usize = 1 << 20;
/// Written by tools, never read by people.
const LOCK_FILES: [&str; 2] = ["Cargo.lock", "package-lock.json"];

pub(crate) fn check(tree: &Tree, rust: &[RustFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(rust.iter().filter_map(check_rust_file));
    for extension in SCRIPTS {
        for file in tree.with_extension(extension) {
            findings.extend(check_lines(
                &file.path,
                file.text.lines().count(),
                file.is_test(),
            ));
        }
    }
    for file in tree.files() {
        let is_lock = LOCK_FILES.iter().any(|name| file.path.ends_with(name));
        if file.size_bytes > BLOB_BYTES_MAX && !is_lock {
            let text = format!(
                "{} bytes; keep blobs over 1 MiB out of the repository",
                file.size_bytes
            );
            findings.push(Finding::fail(&file.path, 1, "blob", text));
        }
    }
    findings.extend(stands(rust).filter_map(|stand| stand.finding()));
    findings
}

fn check_rust_file(file: &RustFile) -> Option<Finding> {
    let is_test = file.lines() == 0;
    let is_main = file.path.ends_with("/main.rs") && room_of(&file.path).is_some();
    if is_test || !is_main {
        let lines = if is_test {
            file.numbered().count()
        } else {
            file.lines()
        };
        return check_lines(&file.path, lines, is_test);
    }
    let level = Finding::over(file.lines(), MAIN_LINES.0, MAIN_LINES.1)?;
    let text = format!(
        "{} lines; a main builds, serves and exits (limit {})",
        file.lines(),
        MAIN_LINES.1
    );
    Some(Finding {
        level,
        ..Finding::fail(&file.path, 1, "main-size", text)
    })
}

fn check_lines(path: &str, lines: usize, is_test: bool) -> Option<Finding> {
    let level = if is_test {
        Finding::over(lines, TEST_LINES, usize::MAX)?
    } else {
        Finding::over(lines, FILE_LINES.0, FILE_LINES.1)?
    };
    let text = format!("{lines} lines (limit {}); split it by noun", FILE_LINES.1);
    Some(Finding {
        level,
        ..Finding::fail(path, 1, "file-size", text)
    })
}

/// Where a crate stands against its budget.
struct Stand {
    name: &'static str,
    files: usize,
    lines: usize,
    code: usize,
    budget: usize,
}

impl Stand {
    fn finding(&self) -> Option<Finding> {
        let level = Finding::over(self.code, self.budget * 9 / 10, self.budget)?;
        let path = if self.name == "xtask" {
            "xtask/Cargo.toml".into()
        } else {
            format!("crates/{}/Cargo.toml", self.name)
        };
        let text = format!(
            "{} lines of code of {}; take something out, or raise the budget by an ADR",
            self.code, self.budget
        );
        Some(Finding {
            level,
            ..Finding::fail(&path, 1, "crate-size", text)
        })
    }
}

fn stands(rust: &[RustFile]) -> impl Iterator<Item = Stand> {
    HOUSE.iter().map(|room| {
        let own = |file: &&RustFile| {
            file.path.contains("/src/")
                && room_of(&file.path).is_some_and(|of| of.name == room.name)
        };
        let mut stand = Stand {
            name: room.name,
            files: 0,
            lines: 0,
            code: 0,
            budget: room.budget,
        };
        for file in rust.iter().filter(own) {
            stand.files += 1;
            stand.lines += file.lines();
            stand.code += file.code_lines();
        }
        stand
    })
}

/// The table of crates: files, lines outside tests, lines of code among them, budget.
pub(crate) fn table(rust: &[RustFile]) -> String {
    let mut table = format!(
        "{:<20} {:>5} {:>6} {:>6} {:>7} {:>6}\n",
        "crate", "files", "lines", "code", "budget", "used"
    );
    for stand in stands(rust) {
        let used = stand.code * 100 / stand.budget;
        table.push_str(&format!(
            "{:<20} {:>5} {:>6} {:>6} {:>7} {used:>5}%\n",
            stand.name, stand.files, stand.lines, stand.code, stand.budget
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn rust(path: &str, lines: usize) -> RustFile {
        RustFile::parse(path, &"fn a() {}\n".repeat(lines)).unwrap()
    }

    fn found(tree: &[(&str, &str)], rust: &[RustFile]) -> Vec<(String, &'static str, Level)> {
        let findings = check(&Tree::of(tree), rust);
        findings
            .into_iter()
            .map(|finding| (finding.path, finding.rule, finding.level))
            .collect()
    }

    #[test]
    fn a_file_of_601_lines_is_caught() {
        let at = |lines| found(&[], &[rust("bench/src/a.rs", lines)]);
        assert_eq!(at(400), []);
        assert_eq!(
            at(401),
            [("bench/src/a.rs".into(), "file-size", Level::Warn)]
        );
        assert_eq!(
            at(601),
            [("bench/src/a.rs".into(), "file-size", Level::Fail)]
        );
    }

    #[test]
    fn a_script_of_601_lines_is_caught_too() {
        let text = "a();\n".repeat(601);
        let tree = [("clients/a.ts", text.as_str()), ("tests/a.mjs", &text)];
        assert_eq!(
            found(&tree, &[]),
            [
                ("clients/a.ts".into(), "file-size", Level::Fail),
                ("tests/a.mjs".into(), "file-size", Level::Warn)
            ]
        );
    }

    #[test]
    fn the_tests_of_a_file_do_not_count() {
        let source = format!(
            "fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "fn b() {}\n".repeat(600)
        );
        let file = RustFile::parse("bench/src/a.rs", &source).unwrap();
        assert_eq!(found(&[], &[file]), []);
    }

    #[test]
    fn a_main_of_101_lines_is_caught() {
        let path = "crates/fanfare-cli/src/main.rs";
        assert_eq!(found(&[], &[rust(path, 80)]), []);
        assert_eq!(
            found(&[], &[rust(path, 101)]),
            [(path.into(), "main-size", Level::Fail)]
        );
    }

    #[test]
    fn a_crate_over_its_budget_is_caught() {
        let files: Vec<_> = (0..2)
            .map(|n| rust(&format!("crates/fanfare-sse/src/{n}.rs"), 276))
            .collect();
        let manifest = "crates/fanfare-sse/Cargo.toml".to_owned();
        assert_eq!(found(&[], &files), [(manifest, "crate-size", Level::Fail)]);
        assert_eq!(found(&[], &files[..1]), []);
        assert!(table(&files).contains("fanfare-sse              2    552    552     550   100%"));
    }

    #[test]
    fn a_blob_is_caught_and_a_lock_file_is_none() {
        let blob = "a".repeat(BLOB_BYTES_MAX + 1);
        let tree = [
            ("docs/film.svg", blob.as_str()),
            ("x/package-lock.json", &blob),
        ];
        assert_eq!(
            found(&tree, &[]),
            [("docs/film.svg".into(), "blob", Level::Fail)]
        );
    }
}
