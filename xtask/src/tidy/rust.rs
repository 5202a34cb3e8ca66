//! A Rust file as the rules see it: which lines are code, which are test, what is mentioned.

use std::collections::HashMap;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

use super::tree::is_test_path;

/// A parsed file.
pub(crate) struct RustFile {
    /// Path from the root.
    pub(crate) path: String,
    /// The syntax, for the rules that need more than lines.
    pub(crate) syntax: syn::File,
    text: String,
    /// Per line: holds a token that is no comment.
    code: Vec<bool>,
    /// Per line: lies in an item under `#[cfg(test)]` or `#[test]`.
    test: Vec<bool>,
    mentions: Vec<Mention>,
}

/// A path such as `std::fs::read`, written out or put together from `use`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    /// The full path, without generics.
    pub(crate) path: String,
    /// Line, counted from 1.
    pub(crate) line: usize,
}

impl Mention {
    /// Whether it is `item` or something inside it.
    pub(crate) fn is_within(&self, item: &str) -> bool {
        self.path
            .strip_prefix(item)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

impl RustFile {
    pub(crate) fn parse(path: &str, text: &str) -> syn::Result<Self> {
        let tokens: TokenStream = text.parse()?;
        let lines = text.lines().count();
        let mut scan = Scan {
            text,
            code: vec![false; lines],
            test: vec![false; lines],
        };
        scan.walk(tokens.clone());
        if is_test_path(path) {
            scan.test.fill(true);
        }
        let (code, test) = (scan.code, scan.test);
        let mentions = mentions(tokens.clone());
        let syntax = syn::parse2(tokens)?;
        Ok(Self {
            path: path.to_owned(),
            syntax,
            text: text.to_owned(),
            code,
            test,
            mentions,
        })
    }

    /// Whether a line (from 1) belongs to tests.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.test
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(false)
    }

    /// Lines outside tests: what one scrolls through.
    pub(crate) fn lines(&self) -> usize {
        self.test.iter().filter(|&&is_test| !is_test).count()
    }

    /// Lines outside tests that hold code: what one has to understand.
    pub(crate) fn code_lines(&self) -> usize {
        self.code
            .iter()
            .zip(&self.test)
            .filter(|&(&is_code, &is_test)| is_code && !is_test)
            .count()
    }

    /// Every line with its number (from 1).
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The lines that are nothing but a `//` comment, with their number.
    pub(crate) fn comment_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered().filter(|&(line, text)| {
            !self.code.get(line - 1).copied().unwrap_or(false) && text.trim().starts_with("//")
        })
    }

    /// Whether a comment ends on the line right above `line`.
    pub(crate) fn has_comment_above(&self, line: usize) -> bool {
        self.comment_lines().any(|(number, _)| number + 1 == line)
    }

    pub(crate) fn mentions(&self) -> impl Iterator<Item = &Mention> {
        self.mentions.iter()
    }
}

/// Marks lines while it walks the tokens.
struct Scan<'a> {
    text: &'a str,
    code: Vec<bool>,
    test: Vec<bool>,
}

impl Scan<'_> {
    fn walk(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            self.mark_code(&token);
            let is_hash = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
            if !is_hash {
                continue;
            }
            let Some(TokenTree::Group(attribute)) = tokens.peek() else {
                continue;
            };
            if !is_test_attribute(attribute) {
                continue;
            }
            let first = token.span().start().line;
            let mut last = first;
            for token in tokens.by_ref() {
                self.mark_code(&token);
                last = token.span().end().line;
                if ends_item(&token) {
                    break;
                }
            }
            mark(&mut self.test, first, last);
        }
    }

    fn mark_code(&mut self, token: &TokenTree) {
        match token {
            TokenTree::Group(group) if self.is_comment(group.span()) => {}
            TokenTree::Group(group) => {
                self.mark_span(group.span_open());
                self.walk(group.stream());
                self.mark_span(group.span_close());
            }
            token => self.mark_span(token.span()),
        }
    }

    fn mark_span(&mut self, span: Span) {
        if !self.is_comment(span) {
            mark(&mut self.code, span.start().line, span.end().line);
        }
    }

    /// A doc comment arrives as an attribute that spans the comment itself.
    fn is_comment(&self, span: Span) -> bool {
        let at = self.text.get(span.byte_range().start..).unwrap_or_default();
        at.starts_with("//") || at.starts_with("/*")
    }
}

fn mark(lines: &mut [bool], first: usize, last: usize) {
    lines
        .iter_mut()
        .take(last)
        .skip(first - 1)
        .for_each(|line| *line = true);
}

/// `cfg(test)`, `cfg(all(test, ...))`, `test`, `tokio::test(...)`.
fn is_test_attribute(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    let name = text.split('(').next().unwrap_or_default();
    text == "cfg(test)"
        || text.starts_with("cfg(all(test")
        || name.split("::").last() == Some("test")
}

/// The item that an attribute stands on ends with its braces or its semicolon.
fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    }
}

/// All paths of a file; those that begin with an imported name also in full.
fn mentions(tokens: TokenStream) -> Vec<Mention> {
    let mut walk = PathWalk::default();
    walk.walk(tokens, "", false);
    let PathWalk { mut found, imports } = walk;
    let full = |mention: &Mention| {
        let (first, rest) = mention.path.split_once("::").unwrap_or((&mention.path, ""));
        let import = imports
            .get(first)
            .filter(|import| import.as_str() != first)?;
        let path = if rest.is_empty() {
            import.clone()
        } else {
            format!("{import}::{rest}")
        };
        Some(Mention {
            path,
            line: mention.line,
        })
    };
    let expanded: Vec<_> = found.iter().filter_map(full).collect();
    found.extend(expanded);
    found
}

#[derive(Default)]
struct PathWalk {
    found: Vec<Mention>,
    /// Imported name to what it stands for.
    imports: HashMap<String, String>,
}

impl PathWalk {
    fn walk(&mut self, tokens: TokenStream, prefix: &str, mut is_import: bool) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let ident = match token {
                TokenTree::Group(group) => {
                    self.walk(group.stream(), "", false);
                    is_import = false;
                    continue;
                }
                TokenTree::Punct(punct) => {
                    is_import &= punct.as_char() != ';';
                    continue;
                }
                TokenTree::Literal(_) => continue,
                TokenTree::Ident(ident) => ident,
            };
            if ident == "use" {
                is_import = true;
                continue;
            }
            let line = ident.span().start().line;
            let mut path = join(prefix, &ident.to_string());
            let mut tree = None;
            while eat_colons(&mut tokens) {
                match tokens.next() {
                    Some(TokenTree::Ident(next)) => path = join(&path, &next.to_string()),
                    Some(TokenTree::Group(group)) => tree = Some(group),
                    _ => break,
                }
            }
            if let Some(group) = tree {
                self.walk(group.stream(), &path, is_import);
                continue;
            }
            if is_import {
                let alias = eat_alias(&mut tokens);
                let own = path.trim_end_matches("::self").to_owned();
                let last = own.rsplit("::").next().unwrap_or_default().to_owned();
                self.imports.insert(alias.unwrap_or(last), own);
            }
            self.found.push(Mention { path, line });
        }
    }
}

type Tokens = std::iter::Peekable<proc_macro2::token_stream::IntoIter>;

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}::{name}")
    }
}

/// Takes `::` when it is next. A single colon never precedes a path's next part, so it may go too.
fn eat_colons(tokens: &mut Tokens) -> bool {
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ':');
    tokens.next_if(is_colon).is_some() && tokens.next_if(is_colon).is_some()
}

/// Takes `as name` when it is next.
fn eat_alias(tokens: &mut Tokens) -> Option<String> {
    tokens.next_if(|token| matches!(token, TokenTree::Ident(ident) if ident == "as"))?;
    tokens.next().map(|token| token.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"//! What it owns.

use std::{fs, time::{Duration, Instant as Moment}};

/// Documented.
fn a() -> u8 {
    // Why.
    let text = "first
second";
    fs::read(text) /* inline */
}

#[cfg(test)]
mod tests {
    #[test]
    fn b() {}
}
fn c() { select! { _ = tokio::time::sleep::<u8>(Moment::now()) => {} } }
"##;

    fn file() -> RustFile {
        RustFile::parse("src/a.rs", SOURCE).unwrap()
    }

    #[test]
    fn lines_are_code_comment_or_test() {
        let file = file();
        assert_eq!(file.lines(), 13);
        assert_eq!(
            file.code_lines(),
            7,
            "use, fn, let, second line of the string, read, }}, c"
        );
        let comments: Vec<_> = file.comment_lines().map(|(line, _)| line).collect();
        assert_eq!(comments, [1, 5, 7]);
        assert!(file.is_test_line(13) && file.is_test_line(17) && !file.is_test_line(18));
    }

    #[test]
    fn paths_are_seen_through_imports_aliases_and_macros() {
        let file = file();
        let lines = |item: &str| -> Vec<usize> {
            file.mentions()
                .filter(|mention| mention.is_within(item))
                .map(|m| m.line)
                .collect()
        };
        assert_eq!(lines("std::fs"), [3, 10]);
        assert_eq!(lines("std::time::Instant"), [3, 18]);
        assert_eq!(lines("tokio::time::sleep"), [18]);
        assert_eq!(lines("std::net"), [0; 0]);
        assert_eq!(lines("std::time::Inst"), [0; 0]);
    }

    #[test]
    fn a_file_of_a_tests_folder_is_all_test() {
        let file = RustFile::parse("crates/a/tests/it/main.rs", SOURCE).unwrap();
        assert_eq!((file.lines(), file.code_lines()), (0, 0));
    }
}
