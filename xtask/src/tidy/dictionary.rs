//! Words: one per thing, and none that says nothing. The full dictionary is docs/style.md.

use proc_macro2::Ident;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::rust::RustFile;
use super::tree::Tree;

/// Words that name nothing, wherever they stand in a name, and what to write instead.
const EMPTY: &[(&str, &str)] = &[
    (
        "manager",
        "name what it does to what: registry, shard, wheel",
    ),
    ("helper", "put it with its only user, or name what it does"),
    ("helpers", "put it with its only user, or name what it does"),
    ("util", "name the thing, or put it with its only user"),
    ("utils", "name the thing, or put it with its only user"),
    ("misc", "name the thing, or put it with its only user"),
    ("common", "name what is shared"),
    ("handler", "name the verb: publish, subscribe"),
    ("handlers", "name the verbs, one file each"),
    ("kick", "disconnect"),
    ("keepalive", "heartbeat"),
    ("backlog", "history"),
    ("broker", "hub"),
];

/// Words that name nothing when they are the whole name of a file, or end the name of a type.
const VAGUE: &[(&str, &str)] = &[
    ("data", "say which data"),
    ("info", "say what it tells: Limits, Health, TopicSummary"),
    ("base", "say what the parts have in common"),
    ("impl", "say how it does it: MemoryLog, not LogImpl"),
    ("process", "name the verb: encode, append, sweep"),
    ("do", "name the verb"),
    ("producer", "publisher"),
    ("consumer", "subscriber"),
    ("packet", "frame"),
];

/// Beginnings of functions that say nothing.
const BEGINNINGS: &[(&str, &str)] = &[
    ("get", "drop it: `hub.topic()`"),
    ("do", "drop it, or name the verb"),
    ("process", "name the verb: encode, append, sweep"),
    ("handle", "name what happens: `publish`, `on_hang_up`"),
];

const RULE: &str = "dictionary";

pub(crate) fn check(tree: &Tree, rust: &[RustFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        findings.extend(check_path(&file.path));
    }
    for extension in ["js", "mjs", "jsx", "ts", "tsx"] {
        for file in tree.with_extension(extension) {
            findings.extend(check_script(&file.path, &file.text));
        }
    }
    for file in rust {
        let mut names = Names {
            path: &file.path,
            findings: &mut findings,
        };
        names.visit_file(&file.syntax);
    }
    findings
}

fn check_path(path: &str) -> Option<Finding> {
    let bad = path.split('/').find_map(|part| {
        let stem = part.split('.').find(|stem| !stem.is_empty())?;
        let words: Vec<_> = stem.split(['-', '_']).map(str::to_lowercase).collect();
        let vague = if words.len() == 1 {
            find(VAGUE, &words[0])
        } else {
            None
        };
        vague.or_else(|| words.iter().find_map(|word| find(EMPTY, word)))
    });
    bad.map(|(word, instead)| advise(path, 1, word, instead))
}

fn find(list: &'static [(&str, &str)], word: &str) -> Option<(&'static str, &'static str)> {
    list.iter().find(|(banned, _)| *banned == word).copied()
}

fn advise(path: &str, line: usize, word: &str, instead: &str) -> Finding {
    Finding::fail(
        path,
        line,
        RULE,
        format!("the word `{word}` in a name; {instead}"),
    )
}

/// Splits `CamelCase` and `snake_case` into lower-case words.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    for char in name.chars() {
        if char == '_' || char.is_uppercase() {
            words.push(String::new());
        }
        if char != '_' {
            words
                .last_mut()
                .into_iter()
                .for_each(|word| word.extend(char.to_lowercase()));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn check_type(name: &str) -> Option<(&'static str, &'static str)> {
    let words = words(name);
    let vague = words.last().and_then(|word| find(VAGUE, word));
    vague.or_else(|| words.iter().find_map(|word| find(EMPTY, word)))
}

fn check_function(name: &str) -> Option<(&'static str, &'static str)> {
    let words = words(name);
    let beginning = words.first().and_then(|word| find(BEGINNINGS, word));
    // A function may well be called `get` or `process`; it is the prefix that adds nothing.
    let beginning = beginning.filter(|_| words.len() > 1);
    beginning.or_else(|| words.iter().find_map(|word| find(EMPTY, word)))
}

struct Names<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Names<'_> {
    fn look(&mut self, name: &Ident, check: fn(&str) -> Option<(&'static str, &'static str)>) {
        if let Some((word, instead)) = check(&name.to_string()) {
            self.findings
                .push(advise(self.path, name.span().start().line, word, instead));
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.look(&item.ident, check_type);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.look(&item.ident, check_type);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.look(&item.ident, check_type);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.look(&item.ident, check_type);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.look(&item.ident, |name| {
            find(VAGUE, name).or_else(|| check_function(name))
        });
        visit::visit_item_mod(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.look(&item.sig.ident, check_function);
        visit::visit_impl_item_fn(self, item);
    }

    /// A method of a foreign trait has the name that the trait gave it.
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.trait_.is_none() {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_signature(&mut self, _: &'ast syn::Signature) {}

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.look(&item.sig.ident, check_function);
        visit::visit_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.look(&item.sig.ident, check_function);
    }
}

/// Classes, interfaces, types and functions of a script, by the word before them.
fn check_script(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut parts = line
            .split(|char: char| !char.is_alphanumeric() && char != '_')
            .peekable();
        let is_comment = line.trim_start().starts_with(['*', '/']);
        while let Some(part) = parts.next().filter(|_| !is_comment) {
            let Some(name) = parts.peek() else { break };
            let bad = match part {
                "class" | "interface" | "type" => check_type(name),
                "function" => check_function(name),
                _ => None,
            };
            findings.extend(bad.map(|(word, instead)| advise(path, index + 1, word, instead)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_rust(source: &str) -> usize {
        let file = RustFile::parse("src/a.rs", source).unwrap();
        check(&Tree::of(&[]), &[file]).len()
    }

    #[test]
    fn names_fall_into_words() {
        assert_eq!(words("TopicManager"), ["topic", "manager"]);
        assert_eq!(words("get_topic"), ["get", "topic"]);
    }

    #[test]
    fn a_type_with_an_empty_word_is_caught() {
        for source in [
            "struct TopicManager;",
            "enum UrlUtils {}",
            "trait EventHandler {}",
        ] {
            assert_eq!(in_rust(source), 1, "{source}");
        }
        for source in [
            "struct LogImpl;",
            "struct TopicInfo;",
            "type EventData = u8;",
        ] {
            assert_eq!(in_rust(source), 1, "{source}");
        }
        assert_eq!(
            in_rust("struct DataLine; struct Informed; enum Commons {}"),
            0
        );
    }

    #[test]
    fn a_function_with_an_empty_word_is_caught() {
        for source in [
            "fn get_topic() {}",
            "impl X { fn handle_event(&self) {} }",
            "fn do_it() {}",
        ] {
            assert_eq!(in_rust(source), 1, "{source}");
        }
        for source in [
            "fn get() {}",
            "fn data() {}",
            "fn gets_rid() {}",
            "fn undo_it() {}",
        ] {
            assert_eq!(in_rust(source), 0, "{source}");
        }
    }

    #[test]
    fn the_names_of_foreign_traits_are_not_ours() {
        assert_eq!(in_rust("impl Bus for X { fn handle_event(&self) {} }"), 0);
        assert_eq!(in_rust("trait Bus { fn handle_event(&self); }"), 1);
    }

    #[test]
    fn a_file_or_module_with_an_empty_word_is_caught() {
        assert_eq!(in_rust("mod utils {} mod data {} mod topic {}"), 2);
        for path in [
            "src/utils.rs",
            "tests/common/mod.rs",
            "src/topic_helper.ts",
            "a/info.md",
        ] {
            assert!(check_path(path).is_some(), "{path}");
        }
        for path in [
            "src/topic.rs",
            "docs/data-loss.md",
            "src/commonality.rs",
            ".github/x.yml",
        ] {
            assert!(check_path(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_script_is_held_to_the_same_words() {
        assert_eq!(
            check_script("a.ts", "export class TopicManager {\n  x() {}\n}").len(),
            1
        );
        assert_eq!(check_script("a.ts", "function getTopic() {}").len(), 1);
        assert_eq!(
            check_script("a.ts", "const data = 1; // a class Manager would be worse").len(),
            1
        );
        assert_eq!(
            check_script(
                "a.ts",
                "const data = 1;\n// class Manager\nfunction topic() {}"
            )
            .len(),
            0
        );
    }
}
