//! Bounds: no channel without one, no number without its reason, no test that waits by the clock.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::rust::RustFile;

/// Channels that grow as long as memory lasts.
const UNBOUNDED: &[&str] = &[
    "unbounded_channel",
    "mpsc::unbounded",
    "std::sync::mpsc::channel",
];
/// Waiting that is too short on a slow machine and too long on every other.
const SLEEPS: &[&str] = &["thread::sleep", "time::sleep"];

pub(crate) fn check(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    // With paused time a sleep is exact and costs nothing.
    let is_virtual = file.mentions().any(|mention| {
        mention.path.ends_with("start_paused") || mention.path.ends_with("time::pause")
    });
    for mention in file.mentions() {
        let ends = |list: &[&str]| list.iter().any(|end| ends_with(&mention.path, end));
        let is_test = file.is_test_line(mention.line);
        if !is_test && ends(UNBOUNDED) {
            let text = "a channel without a bound; give it one, and say what happens there".into();
            findings.push(Finding::fail(&file.path, mention.line, "unbounded", text));
        }
        let is_for_tests = is_test || file.path.contains("fanfare-testkit/");
        if is_for_tests && !is_virtual && ends(SLEEPS) {
            let text =
                "a test that sleeps; await the condition with a deadline, or pause time".into();
            findings.push(Finding::fail(
                &file.path,
                mention.line,
                "sleep-in-test",
                text,
            ));
        }
    }
    findings.sort();
    findings.dedup();
    let mut constants = Constants { file, findings };
    constants.visit_file(&file.syntax);
    constants.findings
}

fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
}

/// Finds constants that are numbers or durations and do not say why.
struct Constants<'a> {
    file: &'a RustFile,
    findings: Vec<Finding>,
}

impl Constants<'_> {
    fn constant(&mut self, name: &syn::Ident, ty: &syn::Type, attributes: &[syn::Attribute]) {
        let line = name.span().start().line;
        let is_told = attributes
            .iter()
            .any(|attribute| attribute.path().is_ident("doc"))
            || self.file.has_comment_above(line)
            || self
                .file
                .has_comment_above(attributes.first().map_or(line, |a| a.span().start().line));
        if is_measure(ty) && !is_told && !self.file.is_test_line(line) {
            let text = format!("`{name}` does not say why this number; one sentence above it");
            self.findings
                .push(Finding::warn(&self.file.path, line, "reason", text));
        }
    }
}

fn is_measure(ty: &syn::Type) -> bool {
    const MEASURES: [&str; 8] = ["u8", "u16", "u32", "u64", "usize", "i64", "f64", "Duration"];
    let syn::Type::Path(path) = ty else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|last| MEASURES.iter().any(|name| last.ident == name))
}

impl<'ast> Visit<'ast> for Constants<'_> {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant(&item.ident, &item.ty, &item.attrs);
        visit::visit_item_const(self, item);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.constant(&item.ident, &item.ty, &item.attrs);
        visit::visit_impl_item_const(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, source: &str) -> Vec<(usize, &'static str)> {
        let file = RustFile::parse(path, source).unwrap();
        check(&file)
            .iter()
            .map(|finding| (finding.line, finding.rule))
            .collect()
    }

    #[test]
    fn a_channel_without_a_bound_is_caught() {
        let source = "use tokio::sync::mpsc;\nfn a() { mpsc::unbounded_channel::<u8>(); }\n";
        assert_eq!(found("src/a.rs", source), [(2, "unbounded")]);
        assert_eq!(found("tests/it/a.rs", source), []);
        let source = "use std::sync::mpsc;\nfn a() { mpsc::channel::<u8>(); }\n";
        assert_eq!(found("src/a.rs", source), [(2, "unbounded")]);
        let source = "use tokio::sync::mpsc;\nfn a() { mpsc::channel::<u8>(8); }\n";
        assert_eq!(found("src/a.rs", source), []);
    }

    #[test]
    fn a_test_that_sleeps_is_caught_unless_time_is_paused() {
        let source = "use tokio::time;\nasync fn a() { time::sleep(D).await; }\n";
        assert_eq!(
            found("crates/a/tests/it/a.rs", source),
            [(2, "sleep-in-test")]
        );
        assert_eq!(found("crates/a/src/a.rs", source), []);
        let kit = found("crates/fanfare-testkit/src/lib.rs", source);
        assert_eq!(kit, [(2, "sleep-in-test")]);
        let paused = format!("#[tokio::test(start_paused = true)] async fn b() {{}}\n{source}");
        assert_eq!(found("crates/a/tests/it/a.rs", &paused), []);
        let inline = format!("#[cfg(test)] mod tests {{ {source} }}");
        assert_eq!(found("crates/a/src/a.rs", &inline), [(2, "sleep-in-test")]);
    }

    #[test]
    fn a_number_without_a_reason_is_told() {
        assert_eq!(found("src/a.rs", "const A: u64 = 3;\n"), [(1, "reason")]);
        assert_eq!(
            found("src/a.rs", "impl X { const A: Duration = D; }\n"),
            [(1, "reason")]
        );
        assert_eq!(
            found("src/a.rs", "/// Three strikes.\nconst A: u64 = 3;\n"),
            []
        );
        assert_eq!(
            found("src/a.rs", "// Three strikes.\nconst A: u64 = 3;\n"),
            []
        );
        assert_eq!(found("src/a.rs", "const A: &str = \"a\";\n"), []);
    }
}
