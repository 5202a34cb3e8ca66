//! `cargo xtask fuzz`: runs the fuzz targets of `fuzz/`, which need a nightly toolchain.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::campaign::record::Record;
use crate::command::{ask, words};

/// Which target, for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// The target, as `cargo fuzz list` names it; all of them when none is named.
    target: Option<String>,
    /// Seconds to run, of each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Write what was found to `docs/results/fuzz.md`.
    #[arg(long, conflicts_with = "target")]
    record: bool,
}

/// What libFuzzer counted of one target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    executions: u64,
    each_second: u64,
    new_inputs: u64,
    slowest_s: u64,
    peak_mib: u64,
}

const ABOUT: &str = "# Fuzzing

Each target is run by libFuzzer with AddressSanitizer, assertions and overflow checks, from an empty corpus and a dictionary of the format's words.
Most targets hold what they get against a slow, literal oracle or against themselves; see the head of each file in `fuzz/fuzz_targets`.
A run ends with the first input that breaks a target; here none did.";

/// Fuzzes until the time is over or an input breaks a target.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if let Some(reason) = missing() {
        bail!("{reason}");
    }
    let targets = match &options.target {
        Some(target) => vec![target.clone()],
        None => targets()?,
    };
    let mut table = String::from(
        "| target | executions | a second | inputs kept | slowest, s | memory, MiB |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for target in &targets {
        let found = fuzz(target, options.seconds)?;
        table.push_str(&found.row(target));
    }
    println!("{table}");
    if options.record {
        Record {
            name: "fuzz",
            about: ABOUT,
            command: format!("cargo xtask fuzz --seconds {} --record", options.seconds),
            found: table,
        }
        .write()?;
    }
    Ok(true)
}

/// Says in one line what fuzzing lacks on this machine, or nothing.
pub(crate) fn missing() -> Option<String> {
    let has_nightly = ask(&mut words("rustup toolchain list"))
        .is_ok_and(|list| list.lines().any(|line| line.starts_with("nightly")));
    if !has_nightly {
        return Some("fuzzing needs `rustup toolchain install nightly`".into());
    }
    if ask(&mut words("cargo fuzz --version")).is_err() {
        return Some("fuzzing needs `cargo install cargo-fuzz --locked`".into());
    }
    None
}

/// The names of the targets, from the folder they live in.
pub(crate) fn targets() -> Result<Vec<String>> {
    let list = ask(words("cargo fuzz list").current_dir("fuzz"))?;
    Ok(list.lines().map(str::to_owned).collect())
}

/// Runs one target for some seconds. Fails when an input breaks it.
pub(crate) fn fuzz(target: &str, seconds: u32) -> Result<Found> {
    println!("$ cargo +nightly fuzz run {target}, {seconds} s");
    let mut command = words("cargo +nightly fuzz run");
    command
        .arg(target)
        .arg("--")
        .arg(format!("-max_total_time={seconds}"));
    // Words of the format make the first seconds count.
    command.args([
        "-dict=fuzz/words.dict",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let errors = child.stderr.take().context("cargo has no errors")?;
    let mut found = Found::default();
    // An input is no text, and is printed when it breaks something.
    for line in BufReader::new(errors).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if !is_chatter(&line) {
            println!("{line}");
        }
        found.note(&line);
    }
    let status = child.wait()?;
    ensure!(status.success(), "an input broke `{target}`, see above");
    Ok(found)
}

/// What libFuzzer says of its progress, in thousands of lines.
fn is_chatter(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("NEW_FUNC[") || (line.starts_with('"') && line.contains("\" # Uses: "))
}

impl Found {
    /// Takes up one line of the final statistics.
    fn note(&mut self, line: &str) {
        let Some((name, value)) = line
            .strip_prefix("stat::")
            .and_then(|line| line.split_once(':'))
        else {
            return;
        };
        let value = value.trim().parse().unwrap_or_default();
        match name {
            "number_of_executed_units" => self.executions = value,
            "average_exec_per_sec" => self.each_second = value,
            "new_units_added" => self.new_inputs = value,
            "slowest_unit_time_sec" => self.slowest_s = value,
            "peak_rss_mb" => self.peak_mib = value,
            _ => {}
        }
    }

    fn row(&self, target: &str) -> String {
        let Self {
            executions,
            each_second,
            new_inputs,
            slowest_s,
            peak_mib,
        } = self;
        format!(
            "| `{target}` | {executions} | {each_second} | {new_inputs} | {slowest_s} | {peak_mib} |\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_read_and_chatter_is_told_from_it() {
        let mut found = Found::default();
        let lines = [
            "stat::number_of_executed_units: 169948",
            "stat::average_exec_per_sec:     5482",
            "stat::new_units_added:          727",
            "stat::slowest_unit_time_sec:    0",
            "stat::peak_rss_mb:              597",
            "stat::something_else:           1",
            "INFO: -max_len is not provided",
        ];
        for line in lines {
            assert!(!is_chatter(line), "{line}");
            found.note(line);
        }
        assert_eq!(
            found.row("topic"),
            "| `topic` | 169948 | 5482 | 727 | 0 | 597 |\n"
        );
        for line in ["\tNEW_FUNC[1/3]: 0x557e in f", "\"typ\" # Uses: 147"] {
            assert!(is_chatter(line), "{line}");
        }
    }
}
