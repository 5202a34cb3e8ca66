//! Words that mean "not finished", in any text; ignored tests; tests that sleep; machine paths.

use super::finding::Finding;
use super::tree::{File, Tree};

/// Marker and advice. The halves keep this file from finding itself.
const MARKS: &[(&str, &str)] = &[
    (
        concat!("FIX", "ME"),
        "fix it, or open an issue and say why it can wait",
    ),
    (
        concat!("XX", "X:"),
        "fix it, or open an issue and say why it can wait",
    ),
    (
        concat!("db", "g!("),
        "remove it; `tracing` is for what should stay",
    ),
    (concat!("to", "do!("), "write it"),
    (
        concat!("unimpl", "emented!("),
        "write it, or make the case impossible",
    ),
    (concat!("#[ig", "nore"), "make the test pass or delete it"),
    (concat!("debug", "ger;"), "remove it"),
    (concat!("lorem ", "ipsum"), "write the text"),
    (concat!("\"TB", "D\""), "write the text"),
    (concat!("wait", "ForTimeout("), "await what the page shows"),
    (concat!("it.on", "ly("), "run every test"),
    (concat!("test.on", "ly("), "run every test"),
    (concat!("it.sk", "ip("), "make the test pass or delete it"),
    (concat!("test.sk", "ip("), "make the test pass or delete it"),
];

/// Folders of one machine; a reader has others.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/"),
    concat!("/ho", "me/"),
];

/// What is read by people. Lock files and pictures are not.
const TEXTS: &[&str] = &[
    "rs", "md", "toml", "js", "mjs", "jsx", "ts", "tsx", "html", "css", "py", "sh", "yml", "yaml",
    "json",
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files()
        .filter(|file| is_text(&file.path))
        .flat_map(check_file)
        .collect()
}

fn is_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_lock = name == "package-lock.json";
    match name.rsplit_once('.') {
        Some((_, extension)) => TEXTS.contains(&extension) && !is_lock,
        None => true,
    }
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_prose = file.path.ends_with(".md");
    for (index, line) in file.text.lines().enumerate() {
        let mut fail = |rule, text| findings.push(Finding::fail(&file.path, index + 1, rule, text));
        // Prose may speak about a marker, in code font.
        let spoken = if is_prose {
            without_code(line)
        } else {
            line.to_owned()
        };
        for (mark, advice) in MARKS.iter().filter(|(mark, _)| spoken.contains(mark)) {
            fail("marks", format!("`{mark}`: {advice}"));
        }
        if has_bare_task(&spoken) {
            fail(
                "marks",
                concat!("`TO", "DO` without an issue; write `TO", "DO(#123): ...`").into(),
            );
        }
        for path in MACHINE_PATHS.iter().filter(|path| has_path(line, path)) {
            fail(
                "machine-path",
                format!("`{path}` exists on one machine; use a relative or a temporary path"),
            );
        }
    }
    findings
}

/// Drops what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// A task mark must carry the number of its issue.
fn has_bare_task(line: &str) -> bool {
    let mark = concat!("TO", "DO");
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + mark.len()..];
        let is_word = !before.is_some_and(char::is_alphanumeric)
            && !after.starts_with(|char: char| char.is_alphanumeric());
        is_word && !after.starts_with("(#")
    })
}

/// A folder of a machine stands at the beginning of a path, not inside one or in a URL.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|char| char.is_alphanumeric() || "-_./~}*".contains(char))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(&Tree::of(&[(path, text)]))
            .iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn each_mark_is_caught() {
        for (mark, _) in MARKS {
            assert_eq!(
                rules("src/a.rs", &format!("x {mark} y")),
                ["marks"],
                "{mark}"
            );
        }
    }

    #[test]
    fn a_task_needs_its_issue() {
        let task = concat!("TO", "DO");
        assert_eq!(rules("a.rs", &format!("// {task}: later")), ["marks"]);
        assert_eq!(rules("a.rs", &format!("// {task}(#12): later")), [""; 0]);
        assert_eq!(rules("a.rs", &format!("let {task}S = 1;")), [""; 0]);
    }

    #[test]
    fn prose_may_speak_of_a_mark_in_code_font() {
        let mark = concat!("FIX", "ME");
        assert_eq!(rules("a.md", &format!("No `{mark}` may stay.")), [""; 0]);
        assert_eq!(rules("a.md", &format!("{mark} this.")), ["marks"]);
    }

    #[test]
    fn the_path_of_a_machine_is_caught() {
        let root = concat!("/ro", "ot/");
        assert_eq!(rules("a.md", &format!("see `{root}x`")), ["machine-path"]);
        assert_eq!(rules("a.json", &format!("\"{root}x\"")), ["machine-path"]);
        assert_eq!(
            rules("a.md", &format!("https://example.org{root}x")),
            [""; 0]
        );
        assert_eq!(rules("package-lock.json", &format!("\"{root}x\"")), [""; 0]);
        assert_eq!(rules(".ci/run", &format!("cd {root}x")), ["machine-path"]);
    }
}
