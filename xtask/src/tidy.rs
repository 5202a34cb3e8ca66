//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! Each rule lives beside the test that proves it catches its breach; this file runs them all.

mod arrows;
mod bounds;
mod comments;
mod dictionary;
mod finding;
mod functions;
mod house;
mod marks;
mod prose;
mod rust;
mod size;
mod tree;

use anyhow::Result;
use clap::Args;

use finding::{Finding, Level};
use rust::RustFile;
use tree::Tree;

/// How much tidy says.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Print warnings one by one; they are only counted otherwise.
    #[arg(long)]
    warnings: bool,
}

/// Checks the whole tree, prints one line per finding and the table of crates.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let tree = Tree::read()?;
    let (rust, mut findings) = parse(&tree);

    findings.extend(arrows::check(&rust)?);
    findings.extend(size::check(&tree, &rust));
    findings.extend(prose::check(&tree));
    findings.extend(marks::check(&tree));
    findings.extend(dictionary::check(&tree, &rust));
    for file in &rust {
        findings.extend(functions::check(file));
        findings.extend(comments::check(file));
        findings.extend(bounds::check(file));
    }

    let allowed = finding::take_allowed(&mut findings, &tree);
    findings.sort();
    Ok(report(&findings, &allowed, &rust, options))
}

/// Parses every Rust file; one that does not parse is a finding, not the end.
fn parse(tree: &Tree) -> (Vec<RustFile>, Vec<Finding>) {
    let mut rust = Vec::new();
    let mut findings = Vec::new();
    for file in tree.with_extension("rs") {
        match RustFile::parse(&file.path, &file.text) {
            Ok(parsed) => rust.push(parsed),
            Err(error) => {
                let line = error.span().start().line.max(1);
                let text = format!("does not parse: {error}");
                findings.push(Finding::fail(&file.path, line, "syntax", text));
            }
        }
    }
    (rust, findings)
}

/// Prints everything and says whether the tree passes.
fn report(findings: &[Finding], allowed: &[Finding], rust: &[RustFile], options: &Options) -> bool {
    let (fails, warnings): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|finding| finding.level == Level::Fail);
    if options.warnings {
        warnings.iter().for_each(|finding| println!("{finding}"));
    }
    fails.iter().for_each(|finding| println!("{finding}"));
    println!("{}", size::table(rust));
    println!(
        "tidy: {} findings, {} warnings{}, {} allowed with a reason",
        fails.len(),
        warnings.len(),
        if options.warnings || warnings.is_empty() {
            ""
        } else {
            " (see them with --warnings)"
        },
        allowed.len(),
    );
    fails.is_empty()
}
