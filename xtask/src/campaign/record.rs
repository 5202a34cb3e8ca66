//! What a campaign leaves in `docs/results`: the command, the commit, the machine, and what it
//! found, so that it can be repeated and compared.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{ask, words};

/// A run that is written down.
pub(crate) struct Record<'a> {
    /// The file in `docs/results`, without its ending.
    pub(crate) name: &'a str,
    /// The title of the document and what the campaign does, in Markdown.
    pub(crate) about: &'a str,
    /// What repeats it.
    pub(crate) command: String,
    /// What it found, in Markdown.
    pub(crate) found: String,
}

impl Record<'_> {
    /// Writes the document.
    pub(crate) fn write(&self) -> Result<()> {
        let commit = ask(&mut words("git log -1 --format=%h"))?;
        let day = ask(&mut words("git log -1 --format=%cs"))?;
        let path = Path::new("docs/results").join(format!("{}.md", self.name));
        let text = format!(
            "{}\n\n```sh\n{}\n```\n\nCommit `{}` of {}, on {}.\n\n{}\n",
            self.about.trim(),
            self.command,
            commit.trim(),
            day.trim(),
            machine()?,
            self.found.trim(),
        );
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The machine in one phrase.
fn machine() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let mut models = processors
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    let count = models.clone().count();
    let model = models.next().unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let kernel = ask(&mut words("uname -sr"))?;
    let files = ask(&mut words("df --output=fstype target"))?;
    let files = files.lines().last().unwrap_or_default();
    Ok(format!(
        "{count} cores of {model} with {}, the log on {files}",
        kernel.trim()
    ))
}
