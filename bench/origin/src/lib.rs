//! Where figures come from, in the words of every report.

use std::fs;
use std::process::Command;

/// The commit that is checked out, and whether something was changed since. What measuring writes
/// itself, its reports, changes nothing of what is measured.
pub fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let others = ["status", "--porcelain", "--", ".", ":!docs", ":!README.md"];
    match said("git", &others).is_empty() {
        true => commit,
        false => format!("{commit}, with changes"),
    }
}

/// The minute in which this is written.
pub fn minute() -> String {
    said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
}

/// Processor, kernel and compiler in one phrase.
pub fn machine() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(": ")?.1.to_owned())
    });
    let model = model.unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = said("uname", &["-r"]);
    let kernel = kernel.split('-').next().unwrap_or_default();
    let compiler = said("rustc", &["-V"]);
    format!("{model}, {cores} cores; Linux {kernel}; {compiler}")
}

/// What a command printed; nothing when it cannot be started.
pub fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}
