//! Comments: each file says what it owns, in lines that fit and letters that every font has.

use super::finding::Finding;
use super::rust::RustFile;

/// What stands beside a second window and in a review without scrolling.
const COMMENT_COLUMNS_MAX: usize = 100;

pub(crate) fn check(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let first = file
        .numbered()
        .find(|(_, line)| !line.trim().is_empty() && !line.starts_with("#!/"));
    // Three words are the least that can say what a file is for.
    let says = |line: &str| {
        line.strip_prefix("//! ")
            .is_some_and(|text| text.split(' ').count() > 2)
    };
    if !first.is_some_and(|(_, line)| says(line)) {
        let text =
            "begin with `//!` and one or two sentences: what this file owns, what it leaves".into();
        findings.push(Finding::fail(&file.path, 1, "file-doc", text));
    }
    for (line, text) in file.comment_lines() {
        let columns = text.chars().count();
        if columns > COMMENT_COLUMNS_MAX && !text.contains("://") {
            let text = format!("{columns} columns; break the comment at {COMMENT_COLUMNS_MAX}");
            findings.push(Finding::fail(&file.path, line, "comment-width", text));
        }
        if let Some(char) = text.chars().find(|char| !char.is_ascii()) {
            let text = format!(
                "`{char}` (U+{:04X}) in a comment; write ASCII",
                u32::from(char)
            );
            findings.push(Finding::fail(&file.path, line, "comment-ascii", text));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<(usize, &'static str)> {
        let file = RustFile::parse("src/a.rs", source).unwrap();
        check(&file)
            .iter()
            .map(|finding| (finding.line, finding.rule))
            .collect()
    }

    #[test]
    fn a_file_without_its_sentence_is_caught() {
        assert_eq!(found("fn a() {}\n"), [(1, "file-doc")]);
        assert_eq!(found("//! wip\nfn a() {}\n"), [(1, "file-doc")]);
        assert_eq!(found("// Not a doc.\nfn a() {}\n"), [(1, "file-doc")]);
        assert_eq!(found("//! What it owns.\nfn a() {}\n"), []);
    }

    #[test]
    fn a_comment_over_100_columns_is_caught() {
        let long = "x".repeat(98);
        assert_eq!(
            found(&format!("//! A b c.\n// {long}\n")),
            [(2, "comment-width")]
        );
        assert_eq!(found(&format!("//! A b c.\n// {}\n", &long[..97])), []);
        assert_eq!(
            found(&format!("//! A b c.\n// https://example.org/{long}\n")),
            []
        );
    }

    #[test]
    fn a_letter_beyond_ascii_is_caught_in_comments_only() {
        assert_eq!(found("//! A b c.\n// 1\u{2013}2\n"), [(2, "comment-ascii")]);
        assert_eq!(found("//! A b c.\nconst A: &str = \"\n// \u{e4}\";\n"), []);
    }
}
