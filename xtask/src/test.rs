//! `cargo xtask test`: the one command that says whether a change is good.
//!
//! It runs the steps of `steps.rs` one after the other, goes on when one fails, and ends with a
//! table and a line `N passed, N failed`.

mod deny;
pub(crate) mod packages;
mod steps;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use steps::{STEPS, Step};

/// Which steps run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only these steps, for example `--only fmt,clippy`.
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    only: Vec<String>,
    /// List the steps and do nothing.
    #[arg(long)]
    list: bool,
    /// Stop at the first step that fails.
    #[arg(long)]
    fail_fast: bool,
}

/// How a step ended.
pub(crate) enum Outcome {
    /// All of it was checked.
    Passed,
    /// What could be checked was right; the sentence says what could not.
    PassedExcept(String),
    /// Nothing could be checked, for the reason told; counted neither way.
    NotRun(String),
}

/// What the closing table says about a step.
struct Row {
    name: &'static str,
    outcome: Result<Outcome>,
    took: Duration,
}

/// Runs the steps and returns whether none failed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if options.list {
        STEPS
            .iter()
            .for_each(|step| println!("{:<12} {}", step.name, step.about));
        return Ok(true);
    }
    let steps = select(&options.only)?;
    let mut rows = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!(
            "\n== {}/{} {}: {}",
            index + 1,
            steps.len(),
            step.name,
            step.about
        );
        let start = Instant::now();
        let row = Row {
            name: step.name,
            outcome: (step.work)(),
            took: start.elapsed(),
        };
        println!("-- {} after {:.1} s", row.verdict(), row.took.as_secs_f64());
        let is_failed = row.outcome.is_err();
        rows.push(row);
        if is_failed && options.fail_fast {
            break;
        }
    }
    println!("\n{}", report(&rows));
    Ok(rows.iter().all(|row| row.outcome.is_ok()))
}

/// The steps that were asked for, in the order of the table; all of them when none was.
fn select(only: &[String]) -> Result<Vec<&'static Step>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != *name))
    {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!(
            "there is no step `{unknown}`; the steps are {}",
            names.join(", ")
        );
    }
    let is_chosen = |step: &&Step| only.is_empty() || only.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(is_chosen).collect())
}

impl Row {
    fn verdict(&self) -> String {
        match &self.outcome {
            Ok(Outcome::Passed) => format!("{} passed", self.name),
            Ok(Outcome::PassedExcept(note)) => format!("{} passed; {note}", self.name),
            Ok(Outcome::NotRun(reason)) => format!("{} NOT RUN: {reason}", self.name),
            Err(error) => format!("{} FAILED: {error:#}", self.name),
        }
    }

    /// The word of the table, and the remark behind the seconds.
    fn result(&self) -> (&'static str, String) {
        match &self.outcome {
            Ok(Outcome::Passed) => ("passed", String::new()),
            Ok(Outcome::PassedExcept(note)) => ("passed", note.clone()),
            Ok(Outcome::NotRun(reason)) => ("not run", reason.clone()),
            Err(error) => ("FAILED", error.to_string()),
        }
    }
}

/// The table of steps and the closing line.
fn report(rows: &[Row]) -> String {
    let mut report = format!("{:<12} {:<8} {:>8}\n", "step", "result", "seconds");
    let mut total = Duration::ZERO;
    for row in rows {
        let (result, remark) = row.result();
        let seconds = row.took.as_secs_f64();
        let line = format!("{:<12} {result:<8} {seconds:>8.1}  {remark}", row.name);
        report.push_str(line.trim_end());
        report.push('\n');
        total += row.took;
    }
    let count = |wanted: &str| rows.iter().filter(|row| row.result().0 == wanted).count();
    let closing = format!(
        "{:<12} {:<8} {:>8.1}\n\n{} passed, {} failed",
        "total",
        "",
        total.as_secs_f64(),
        count("passed"),
        count("FAILED"),
    );
    report + &closing
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    fn row(name: &'static str, outcome: Result<Outcome>) -> Row {
        Row {
            name,
            outcome,
            took: Duration::from_millis(1_250),
        }
    }

    #[test]
    fn the_report_ends_with_the_count_alone_on_a_line() {
        let report = report(&[
            row("fmt", Ok(Outcome::Passed)),
            row(
                "deny",
                Ok(Outcome::PassedExcept("advisories were not checked".into())),
            ),
            row("fuzz", Ok(Outcome::NotRun("no nightly".into()))),
            row("unit", Err(anyhow!("`cargo test` ended badly"))),
        ]);
        assert_eq!(report.lines().last(), Some("2 passed, 1 failed"));
        assert!(
            report.contains("fmt          passed        1.2\n"),
            "{report}"
        );
        assert!(
            report.contains("fuzz         not run       1.2  no nightly\n"),
            "{report}"
        );
        assert!(
            report.contains("total                      5.0\n"),
            "{report}"
        );
    }

    #[test]
    fn steps_are_chosen_by_name_and_a_wrong_name_is_told() {
        let names = |only: &[&str]| {
            let only: Vec<_> = only.iter().map(|name| (*name).to_owned()).collect();
            select(&only).map(|steps| steps.iter().map(|step| step.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["tidy", "fmt"]).unwrap(), ["fmt", "tidy"]);
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
        assert!(
            names(&["fnt"])
                .unwrap_err()
                .to_string()
                .contains("no step `fnt`")
        );
    }
}
