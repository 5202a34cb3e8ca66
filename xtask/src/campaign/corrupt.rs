//! `cargo xtask corrupt`: damages the log in every kind of place and looks at what is told.
//!
//! The work is done by a program of the testkit, which opens the log in its own process: thousands
//! of starts take minutes that way.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use super::hub::Build;
use super::record::Record;

/// How often the log is damaged, and where.
#[derive(Args)]
pub(crate) struct Options {
    /// How often it is damaged.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) cases: u32,
    /// Decides the places.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write what was found to `docs/results/corrupt.md`.
    #[arg(long)]
    pub(crate) record: bool,
    #[arg(skip)]
    pub(crate) build: Build,
}

const ABOUT: &str = "# Damaged on the disk

A log of several small segments, left once by a clean stop and once by a kill, is damaged in one place: bits flip, bytes become zeros or noise, a file is cut short or removed, a stranger's file appears.
Every kind of place is chosen equally often, however few bytes it has.
Then the log is opened, read by every topic, by patterns and from positions that were given out before, written to, and opened once more.

A breach is a start that fails or panics, a read that never ends, an event with other bytes or under another id, an event that is gone though the damage did not touch its record, one that is gone without a gap, an id that is given out twice, and an event that the second start does not find any more.
One thing cannot be told and is not counted: an event at the very end of a log whose process was killed, acknowledged after the mark was last written, looks like a write that was cut short when it is damaged.
The disk is a simulated one, because a damaged file has to stay the same file: a copy is known as a copy, and every id gets a gap for that reason alone.";

/// Damages as often as asked for, and returns whether everything was told.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut damage = Command::new(options.build.make()?.path("fanfare-damage"));
    damage.args([options.cases.to_string(), options.seed.to_string()]);
    let output = damage
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.context("cannot start fanfare-damage")?;
    let found: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("fanfare-damage ended with {}", output.status))?;
    let table = table(&found);
    println!("{table}");
    for breach in found["breaches"].as_array().into_iter().flatten() {
        println!("{}", breach.as_str().unwrap_or_default());
    }
    if options.record {
        let (cases, seed) = (options.cases, options.seed);
        Record {
            name: "corrupt",
            about: ABOUT,
            command: format!("cargo xtask corrupt --cases {cases} --seed {seed} --record"),
            found: table,
        }
        .write()?;
    }
    Ok(output.status.success())
}

/// What was found, by kind of place.
fn table(found: &Value) -> String {
    let mut table = String::from(
        "| damaged | cases | with events gone, all told | events gone | new epoch | breaches |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for row in found["rows"].as_array().into_iter().flatten() {
        let number = |name: &str| row[name].as_u64().unwrap_or_default();
        table.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            row["place"].as_str().unwrap_or_default(),
            number("cases"),
            number("told"),
            number("missing"),
            number("epochs"),
            number("breaches"),
        ));
    }
    table
}
