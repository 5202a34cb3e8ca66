//! The report: a Markdown file of sections, of which a run replaces those it measured.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bench_origin::{commit, machine, minute};

const HEADING: &str = "\n## ";

/// One section: its title and what stands below it.
pub struct Section {
    pub title: &'static str,
    pub body: String,
}

/// Puts the sections into the file. Others stay as they are, so that parts can be measured one by
/// one and a section that a person wrote survives.
pub fn update(path: &Path, sections: &[Section]) -> Result<()> {
    let old = fs::read_to_string(path).unwrap_or_default();
    let mut parts = old.split(HEADING).map(str::to_owned);
    parts.next();
    let mut parts: Vec<String> = parts.collect();
    for section in sections {
        let text = format!("{}\n\n{}\n", section.title, section.body.trim_end());
        let title = format!("{}\n", section.title);
        match parts.iter_mut().find(|part| part.starts_with(&title)) {
            Some(part) => *part = text,
            None => parts.push(text),
        }
    }
    parts.sort_by_key(|part| number_of(part));
    let mut text = head();
    for part in parts {
        text.push_str(HEADING);
        text.push_str(part.trim_end());
        text.push('\n');
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Sections are numbered; one without a number is prose and comes last.
fn number_of(part: &str) -> u32 {
    let digits = part.split('.').next().unwrap_or_default();
    digits.parse().unwrap_or(u32::MAX)
}

fn head() -> String {
    format!(
        "# The durable log\n\n\
        What the log on disk does, alone and behind the program as it is released.\n\n\
        ```sh\ncargo xtask bench log\n```\n\n\
        - `--only appends,start,resume,replay,retention` measures some parts, `--quick` only shows that they work, `--dir` says where the files lie.\n\
        - Machine: {}.\n\
        - Cells are the median of several runs, which take turns, and in brackets the range they lay in.\n\
        - Latency counts from the moment something was due, not from when it could be sent at last.\n",
        machine()
    )
}

/// When and at which commit a section was measured.
pub fn stamp() -> String {
    format!("Commit {}, {}.", commit(), minute())
}
