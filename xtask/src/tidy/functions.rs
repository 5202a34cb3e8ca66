//! Functions: how long, how many parameters, how deep. Tests are only warned.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::{Finding, Level};
use super::rust::RustFile;

/// Lines of a function, signature and closing brace included: warn, fail.
const LINES: (usize, usize) = (60, 70);
/// Parameters without `self`: from here on a warning, from there on a struct.
const PARAMETERS: (usize, usize) = (3, 5);
/// `if`, `match` and loops inside each other.
const NESTING: (usize, usize) = (2, 3);

pub(crate) fn check(file: &RustFile) -> Vec<Finding> {
    let mut visitor = Functions {
        file,
        findings: Vec::new(),
    };
    visitor.visit_file(&file.syntax);
    visitor.findings
}

struct Functions<'a> {
    file: &'a RustFile,
    findings: Vec<Finding>,
}

impl Functions<'_> {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        let name = &signature.ident;

        let lines = block.span().end().line + 1 - line;
        let text = format!(
            "`{name}` has {lines} lines (limit {}); cut it where a name suggests itself",
            LINES.1
        );
        self.push(
            Finding::over(lines, LINES.0, LINES.1),
            line,
            "function-size",
            text,
        );

        let is_typed = |input: &&syn::FnArg| matches!(input, syn::FnArg::Typed(_));
        let parameters = signature.inputs.iter().filter(is_typed).count();
        let text =
            format!("`{name}` takes {parameters} parameters; give them a struct with a name");
        self.push(
            Finding::over(parameters, PARAMETERS.0, PARAMETERS.1),
            line,
            "parameters",
            text,
        );

        let mut nesting = Nesting {
            depth: 0,
            deepest: 0,
            line,
        };
        nesting.visit_block(block);
        let text = format!(
            "`{name}` nests {} deep; return early, or name the inner part",
            nesting.deepest
        );
        self.push(
            Finding::over(nesting.deepest, NESTING.0, NESTING.1),
            nesting.line,
            "nesting",
            text,
        );
    }

    fn push(&mut self, level: Option<Level>, line: usize, rule: &'static str, text: String) {
        let Some(mut level) = level else { return };
        if self.file.is_test_line(line) {
            level = Level::Warn;
        }
        let finding = Finding::fail(&self.file.path, line, rule, text);
        self.findings.push(Finding { level, ..finding });
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// Counts how deep control flow nests; a function inside a function counts for itself.
struct Nesting {
    depth: usize,
    deepest: usize,
    /// Where the deepest place begins.
    line: usize,
}

impl Nesting {
    fn deeper(&mut self, line: usize, inside: impl FnOnce(&mut Self)) {
        self.depth += 1;
        if self.depth > self.deepest {
            (self.deepest, self.line) = (self.depth, line);
        }
        inside(self);
        self.depth -= 1;
    }
}

impl<'ast> Visit<'ast> for Nesting {
    fn visit_item_fn(&mut self, _: &'ast syn::ItemFn) {}

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        self.visit_expr(&node.cond);
        self.deeper(node.span().start().line, |nesting| {
            nesting.visit_block(&node.then_branch)
        });
        match node.else_branch.as_ref().map(|(_, branch)| &**branch) {
            // `else if` stands beside its `if`, not inside.
            Some(syn::Expr::If(branch)) => self.visit_expr_if(branch),
            Some(branch) => self.deeper(branch.span().start().line, |nesting| {
                nesting.visit_expr(branch)
            }),
            None => {}
        }
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        self.deeper(node.span().start().line, |nesting| {
            visit::visit_expr_match(nesting, node)
        });
    }

    fn visit_expr_while(&mut self, node: &'ast syn::ExprWhile) {
        self.deeper(node.span().start().line, |nesting| {
            visit::visit_expr_while(nesting, node)
        });
    }

    fn visit_expr_for_loop(&mut self, node: &'ast syn::ExprForLoop) {
        self.deeper(node.span().start().line, |nesting| {
            visit::visit_expr_for_loop(nesting, node)
        });
    }

    fn visit_expr_loop(&mut self, node: &'ast syn::ExprLoop) {
        self.deeper(node.span().start().line, |nesting| {
            visit::visit_expr_loop(nesting, node)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(source: &str) -> Vec<(&'static str, Level)> {
        let file = RustFile::parse("src/a.rs", source).unwrap();
        check(&file)
            .iter()
            .map(|finding| (finding.rule, finding.level))
            .collect()
    }

    fn of_lines(lines: usize) -> String {
        format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_of_71_lines_is_caught() {
        assert_eq!(findings(&of_lines(60)), []);
        assert_eq!(findings(&of_lines(61)), [("function-size", Level::Warn)]);
        assert_eq!(findings(&of_lines(71)), [("function-size", Level::Fail)]);
        let method = format!("impl X {{ {} }}", of_lines(71));
        assert_eq!(findings(&method), [("function-size", Level::Fail)]);
        let test = format!("#[cfg(test)] mod tests {{ {} }}", of_lines(71));
        assert_eq!(findings(&test), [("function-size", Level::Warn)]);
    }

    #[test]
    fn six_parameters_are_caught_and_self_is_none() {
        let five = "a: u8, b: u8, c: u8, d: u8, e: u8";
        assert_eq!(findings("fn x(a: u8, b: u8, c: u8) {}"), []);
        assert_eq!(
            findings(&format!("fn x({five}) {{}}")),
            [("parameters", Level::Warn)]
        );
        assert_eq!(
            findings(&format!("fn x({five}, f: u8) {{}}")),
            [("parameters", Level::Fail)]
        );
        let method = "trait X { fn x(&self, a: u8, b: u8, c: u8) {} }";
        assert_eq!(findings(method), []);
    }

    #[test]
    fn a_fourth_level_is_caught_and_else_if_is_none() {
        let four = "fn x() { loop { for a in b { match c { d => if e { f() } } } } }";
        assert_eq!(findings(four), [("nesting", Level::Fail)]);
        let chain = "fn x() { loop { if a {} else if b {} else if c {} else if d {} } }";
        assert_eq!(findings(chain), []);
        let otherwise = "fn x() { loop { if a {} else { while b { while c {} } } } }";
        assert_eq!(findings(otherwise), [("nesting", Level::Fail)]);
    }
}
