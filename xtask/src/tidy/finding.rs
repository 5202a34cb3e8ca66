//! What a rule says: where, which rule, and what to do instead; and how a line is exempted.

use std::fmt;

use super::tree::Tree;

/// Whether a finding stops the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Counted, shown on request.
    Warn,
    /// The tree may not be merged like this.
    Fail,
}

/// One breach of one rule at one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root of the repository.
    pub(crate) path: String,
    /// Line, counted from 1.
    pub(crate) line: usize,
    /// Name of the rule, as an exemption names it.
    pub(crate) rule: &'static str,
    /// Whether it stops the build.
    pub(crate) level: Level,
    /// What is wrong and what to do instead.
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn fail(path: &str, line: usize, rule: &'static str, text: String) -> Self {
        Self {
            path: path.to_owned(),
            line,
            rule,
            level: Level::Fail,
            text,
        }
    }

    pub(crate) fn warn(path: &str, line: usize, rule: &'static str, text: String) -> Self {
        Self {
            level: Level::Warn,
            ..Self::fail(path, line, rule, text)
        }
    }

    /// Compares a measure with two limits; above the first it warns, above the second it fails.
    pub(crate) fn over(measure: usize, warn: usize, fail: usize) -> Option<Level> {
        match measure {
            _ if measure > fail => Some(Level::Fail),
            _ if measure > warn => Some(Level::Warn),
            _ => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.level == Level::Warn {
            " (warning)"
        } else {
            ""
        };
        write!(
            f,
            "{}:{}: {}{level}: {}",
            self.path, self.line, self.rule, self.text
        )
    }
}

/// Removes and returns the findings that the source exempts.
///
/// The exemption is a comment `tidy: allow(rule): reason` on the line itself or right above it; for
/// a finding about a whole file, within its first 20 lines. Without a reason it counts for nothing.
pub(crate) fn take_allowed(findings: &mut Vec<Finding>, tree: &Tree) -> Vec<Finding> {
    let is_allowed = |finding: &mut Finding| {
        let Some(file) = tree.file(&finding.path) else {
            return false;
        };
        let lines = match finding.line {
            1 => 1..=20,
            line => line - 1..=line,
        };
        file.text
            .lines()
            .enumerate()
            .filter(|(index, _)| lines.contains(&(index + 1)))
            .any(|(_, line)| allows(line, finding.rule))
    };
    findings.extract_if(.., is_allowed).collect()
}

fn allows(line: &str, rule: &str) -> bool {
    // Ten characters cannot hold an excuse, let alone a reason.
    const REASON_CHARS_MIN: usize = 10;
    line.split_once("tidy: allow(")
        .and_then(|(_, rest)| rest.split_once("):"))
        .is_some_and(|(name, reason)| name == rule && reason.trim().len() >= REASON_CHARS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "// tidy: allow(file-size): a flat table of flags, one line each";

    #[test]
    fn an_exemption_names_its_rule_and_gives_a_reason() {
        assert!(allows(LINE, "file-size"));
        assert!(!allows(LINE, "function-size"));
        assert!(!allows("// tidy: allow(file-size): why not", "file-size"));
        assert!(!allows("// tidy: allow(file-size)", "file-size"));
    }

    #[test]
    fn an_exemption_reaches_its_own_line_and_the_next() {
        let tree = Tree::of(&[(
            "a.rs",
            &format!("//! A.\n\n\n{LINE}\nfn a() {{}}\nfn b() {{}}\n"),
        )]);
        let at = |line| Finding::fail("a.rs", line, "file-size", String::new());
        let mut findings = vec![at(3), at(4), at(5), at(6), at(1)];
        assert_eq!(take_allowed(&mut findings, &tree), [at(4), at(5), at(1)]);
        assert_eq!(findings, [at(3), at(6)]);
    }

    #[test]
    fn a_finding_reads_as_path_line_rule_and_advice() {
        let finding = Finding::warn("src/a.rs", 7, "marks", "say why".into());
        assert_eq!(finding.to_string(), "src/a.rs:7: marks (warning): say why");
    }

    #[test]
    fn a_measure_may_reach_its_limit_but_not_pass_it() {
        assert_eq!(Finding::over(60, 60, 70), None);
        assert_eq!(Finding::over(70, 60, 70), Some(Level::Warn));
        assert_eq!(Finding::over(71, 60, 70), Some(Level::Fail));
    }
}
