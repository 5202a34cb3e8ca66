//! Markdown: one title a document, one sentence a line, links and names of tests that lead
//! somewhere, and no promise that nothing watches over.

use super::finding::Finding;
use super::tree::{File, Tree};

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("md")
        .flat_map(|file| check_file(file, tree))
        .collect()
}

fn check_file(file: &File, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines: Vec<_> = outside_fences(&file.text).collect();
    let titles = lines
        .iter()
        .filter(|(_, line)| line.starts_with("# "))
        .count();
    // A form that people fill in has no title of its own.
    let is_form = file.path.starts_with(".github/");
    if titles != 1 && !is_form {
        let text = format!("{titles} titles (`# `); a document has exactly one");
        findings.push(Finding::fail(&file.path, 1, "one-title", text));
    }
    for (line, text) in lines {
        for target in links(text).filter(|target| !leads_somewhere(&file.path, target, tree)) {
            let text = format!("the link to `{target}` leads nowhere");
            findings.push(Finding::fail(&file.path, line, "dead-link", text));
        }
        let is_wrong = |name: &&str| !is_test_of(name, tree) && !is_limit_of(name, tree);
        for name in named_tests(text).filter(is_wrong) {
            let text = format!("there is no test `{name}`; name the one that is there");
            findings.push(Finding::fail(&file.path, line, "named-test", text));
        }
        for verb in named_chores(text).filter(|verb| !is_chore(verb, tree)) {
            let text = format!("there is no `cargo xtask {verb}`; name the one that is there");
            findings.push(Finding::fail(&file.path, line, "named-test", text));
        }
        if WATCHED.contains(&file.path.as_str()) && is_unwatched(text) {
            let text = "names nothing that would notice; name a test, or write `No test yet`";
            findings.push(Finding::fail(&file.path, line, "unwatched", text.into()));
        }
        if is_prose(text) && sentences(text) > 1 {
            let text = "two sentences on one line; one sentence a line keeps diffs readable".into();
            findings.push(Finding::warn(&file.path, line, "one-sentence", text));
        }
    }
    findings
}

/// The lines that are not inside a fenced block, with their number.
fn outside_fences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        (!is_fenced && !is_fence).then_some((index + 1, line))
    })
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

fn leads_somewhere(path: &str, target: &str, tree: &Tree) -> bool {
    let file = target.split(['#', ' ']).next().unwrap_or_default();
    if target.contains(':') || file.is_empty() {
        return true;
    }
    let mut parts: Vec<_> = path.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    tree.has(&parts.join("/"))
}

/// Words in code font that read as the name of a test: a sentence with underscores.
fn named_tests(line: &str) -> impl Iterator<Item = &str> {
    const UNDERSCORES_MIN: usize = 3;
    let is_name = |text: &&str| {
        let is_word = text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_');
        is_word && text.matches('_').count() >= UNDERSCORES_MIN && *text == text.to_lowercase()
    };
    line.split('`').skip(1).step_by(2).filter(is_name)
}

fn is_test_of(name: &str, tree: &Tree) -> bool {
    let function = format!("fn {name}(");
    tree.with_extension("rs").any(|file| {
        let found = file.text.match_indices(&function);
        found.into_iter().any(|(at, _)| is_test(&file.text[..at]))
    })
}

/// Whether a function is a test, by the lines before it.
fn is_test(before: &str) -> bool {
    // The function's own line is cut off.
    let before = &before[..before.rfind('\n').unwrap_or(0)];
    let lines = before.lines().rev().map(str::trim);
    let mut attributes = lines.take_while(|line| line.starts_with("#["));
    attributes.any(|line| line.contains("test"))
}

/// Documents whose points promise something; see `is_unwatched`.
const WATCHED: [&str; 2] = ["GUARANTEES.md", "THREATS.md"];

/// Whether a point of such a document promises something and names nothing that watches over it.
fn is_unwatched(line: &str) -> bool {
    let is_named = named_tests(line).next().is_some() || named_chores(line).next().is_some();
    line.starts_with("- **") && !is_named && !line.to_lowercase().contains("no test yet")
}

/// What `cargo xtask` is asked for, in code font.
fn named_chores(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.split('`').skip(1).step_by(2);
    spans.filter_map(|span| span.strip_prefix("cargo xtask ")?.split(' ').next())
}

/// Whether there is such a chore: a variant of the enum that clap reads.
fn is_chore(verb: &str, tree: &Tree) -> bool {
    let words = verb.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    let variant = format!("    {}(", words.collect::<String>());
    let mut files = tree.with_extension("rs");
    let main = files.find(|file| file.path == "xtask/src/main.rs");
    // Where there is none, there is nothing to compare with.
    main.is_none_or(|main| main.text.contains(&variant))
}

/// The name of a limit may have as many words as that of a test.
fn is_limit_of(name: &str, tree: &Tree) -> bool {
    let field = format!(" {name}: ");
    tree.with_extension("rs")
        .any(|file| file.path.ends_with("/limits.rs") && file.text.contains(&field))
}

/// Tables, headings and quoted lines follow their own form.
fn is_prose(line: &str) -> bool {
    !line.trim_start().starts_with(['|', '#', '>', '<']) && !line.starts_with("    ")
}

/// Counts full stops that a new sentence follows.
fn sentences(line: &str) -> usize {
    const SHORT: [&str; 6] = ["e.g", "i.e", "etc", "vs", "cf", "approx"];
    let mut count = 1;
    for (at, _) in line.match_indices(['.', '!', '?']) {
        let (before, after) = (&line[..at], &line[at + 1..]);
        // A title in bold at the beginning of a paragraph is no sentence.
        let is_title = after.starts_with("**");
        let mut rest = after.trim_start_matches(['_', ')', '"', '`']).chars();
        let goes_on = rest.next() == Some(' ') && rest.next().is_some_and(char::is_uppercase);
        let word = before.rsplit([' ', '(']).next().unwrap_or_default();
        let ends =
            word.len() > 1 && !SHORT.contains(&word) && !word.bytes().all(|b| b.is_ascii_digit());
        count += usize::from(goes_on && ends && !is_title && before.matches('`').count() % 2 == 0);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        let tree = Tree::of(&[
            ("docs/a.md", text),
            ("docs/b.md", "# B\n"),
            ("README.md", "# R\n"),
        ]);
        check(&tree).iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_document_has_one_title() {
        assert_eq!(rules("# A\n\n```sh\n# a comment\n```\n## B\n"), [""; 0]);
        assert_eq!(rules("# A\n\n# B\n"), ["one-title"]);
        assert_eq!(rules("A\n"), ["one-title"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_caught() {
        assert_eq!(
            rules("# A\n[b](b.md#x) [r](../README.md) [w](https://example.org) [h](#a)"),
            [""; 0]
        );
        assert_eq!(rules("# A\n[c](c.md)"), ["dead-link"]);
        assert_eq!(rules("# A\n[c](../docs/c.md)"), ["dead-link"]);
    }

    #[test]
    fn a_test_that_is_named_but_not_there_is_caught() {
        let text = "# A\nSee `the_hub_does_it_all` and `limits`.";
        let there = "#[tokio::test]\n#[x]\nasync fn the_hub_does_it_all() {}";
        assert_eq!(check(&Tree::of(&[("a.md", text), ("a.rs", there)])), []);
        for other in ["", "#[test]\nfn a() {}\n\nfn the_hub_does_it_all() {}"] {
            let findings = check(&Tree::of(&[("a.md", text), ("a.rs", other)]));
            assert_eq!(findings[0].rule, "named-test", "{other}");
        }
    }

    #[test]
    fn a_chore_that_is_named_but_not_there_is_caught() {
        let main = (
            "xtask/src/main.rs",
            "enum Verb {\n    PowerCut(Options),\n}",
        );
        let rules = |text| {
            let findings = check(&Tree::of(&[("a.md", text), main]));
            findings
                .iter()
                .map(|finding| finding.rule)
                .collect::<Vec<_>>()
        };
        assert_eq!(rules("# A\n`cargo xtask power-cut --rounds 3`"), [""; 0]);
        assert_eq!(rules("# A\n`cargo xtask power`"), ["named-test"]);
    }

    #[test]
    fn a_promise_that_nothing_watches_over_is_caught() {
        let rules = |text| {
            let findings = check(&Tree::of(&[("THREATS.md", text)]));
            findings
                .iter()
                .map(|finding| finding.rule)
                .collect::<Vec<_>>()
        };
        assert_eq!(rules("# A\n- **It falls.** It stands."), ["unwatched"]);
        assert_eq!(
            rules("# A\n- **It falls.** It stands; no test yet."),
            [""; 0]
        );
        assert_eq!(
            rules("# A\n- **It falls.** See `cargo xtask crash`."),
            [""; 0]
        );
    }

    #[test]
    fn two_sentences_on_a_line_are_told() {
        assert_eq!(rules("# A\nOne stops. Two goes on."), ["one-sentence"]);
        assert_eq!(rules("# A\n- **One.** Two goes on."), [""; 0]);
        assert_eq!(rules("# A\nSee e.g. Debian, `a. B`, and 3. Then."), [""; 0]);
        assert_eq!(rules("# A\n| One. Two. |"), [""; 0]);
    }
}
