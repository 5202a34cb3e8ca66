//! `cargo xtask floods`: sends floods to the hub, and looks at what they cost it and a neighbour.
//!
//! The work is done by a program of the testkit, which starts a hub for each flood; here its lines
//! become rows.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use super::hub::Build;
use super::record::Record;
use crate::test::packages::{self, Package};

/// Which floods.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these floods, for example `--only ping,settings`.
    #[arg(long, value_delimiter = ',', value_name = "FLOOD")]
    pub(crate) only: Vec<String>,
    /// Only what needs no waiting, a second each.
    #[arg(long)]
    pub(crate) short: bool,
    /// Write what was found to `docs/results/floods.md`.
    #[arg(long, conflicts_with_all = ["only", "short"])]
    pub(crate) record: bool,
    #[arg(skip)]
    pub(crate) build: Build,
}

/// The logs of the hubs, and what they said.
const FOLDER: &str = "target/floods";
const SLOW: Package<'_> = Package {
    name: "slowhttptest",
    program: "slowhttptest",
};

const ABOUT: &str = "# Floods

Each flood is sent to a hub of its own, the released binary as `fanfare serve`, over raw sockets on the same machine, HTTP/2 frame by frame.
Those without end last six seconds; whoever is cut off comes back at once with a new connection.
Meanwhile a healthy neighbour publishes an event every 20 ms, has it acknowledged from the disk and reads it on another connection, and with every fifth event asks for `/-/health/ready` on a new connection.
The generator of the flood and the neighbour share two processors with the hub: what the neighbour waits for them is in the figures.

A flood fails when an answer is not the expected one, when the hub dies, when the neighbour is answered anything but 201 and 200, waits more than 1 s in 99 of 100 cases or more than 5 s once, when the hub grows beyond 50 MiB (where the table of floods says nothing else), or when it takes 20 % of a processor for a flood that is slow.
With no descriptor left newcomers of the neighbour wait, and only there they may.";

/// Floods; an error is what did not end as it has to.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let programs = options.build.make()?;
    if !options.short {
        packages::bring(&[SLOW])?;
    }
    let extent = if options.short { "short" } else { "full" };
    let mut command = Command::new(programs.path("fanfare-flood"));
    command.arg(programs.hub()).args([FOLDER, extent]);
    command.args(&options.only);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start fanfare-flood")?;
    let floods = read(&mut child)?;
    let is_good = child.wait()?.success();
    if options.record {
        record(&floods)?;
    }
    // Said again at the end, where it is looked for.
    let broken = floods.iter().flat_map(|flood| {
        breaches(flood).map(|breach| format!("{}: {breach}", text(flood, "name")))
    });
    let broken: Vec<_> = broken.collect();
    ensure!(broken.is_empty(), "{}", broken.join("; "));
    ensure!(is_good, "the floods did not come to an end");
    Ok(true)
}

/// Reads one line for each flood, and prints what it says.
fn read(child: &mut Child) -> Result<Vec<Value>> {
    let output = child.stdout.take().context("the floods have no output")?;
    let mut floods = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        let flood: Value =
            serde_json::from_str(&line).with_context(|| format!("the floods said {line}"))?;
        println!("{}", describe(&flood));
        floods.push(flood);
    }
    Ok(floods)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn breaches(flood: &Value) -> impl Iterator<Item = &str> {
    let breaches = flood["breaches"].as_array().into_iter().flatten();
    breaches.filter_map(Value::as_str)
}

fn mib(kib: &Value) -> String {
    format!("{:.1}", kib.as_f64().unwrap_or_default() / 1024.0)
}

fn millis(micros: &Value) -> String {
    format!("{:.1}", micros.as_f64().unwrap_or_default() / 1000.0)
}

/// Share of a processor before, during and after.
fn cpu(flood: &Value) -> [f64; 3] {
    [0, 1, 2].map(|phase| flood["cpu_percent"][phase].as_f64().unwrap_or_default())
}

fn statuses(neighbour: &Value) -> String {
    let statuses = neighbour["statuses"].as_object();
    let one = |(status, count): (&String, &Value)| format!("{count} x {status}");
    statuses
        .map(|statuses| statuses.iter().map(one).collect::<Vec<_>>().join(", "))
        .unwrap_or_default()
}

fn describe(flood: &Value) -> String {
    let rss = &flood["rss_kib"];
    let [calm, flooded, _] = cpu(flood);
    let (before, during) = (&flood["before"], &flood["during"]);
    let mut told = format!(
        "{}: {}\n  in {} ms: rss {} -> {} -> {} MiB, processor {calm:.0} -> {flooded:.0} %\n  neighbour: p50 {} p99 {} max {} ms (before {} {} {}), newcomer {} ms, {}",
        text(flood, "name"),
        text(flood, "seen"),
        flood["took_ms"],
        mib(&rss["before"]),
        mib(&rss["peak"]),
        mib(&rss["after"]),
        millis(&during["p50_us"]),
        millis(&during["p99_us"]),
        millis(&during["max_us"]),
        millis(&before["p50_us"]),
        millis(&before["p99_us"]),
        millis(&before["max_us"]),
        millis(&during["newcomer_max_us"]),
        statuses(during),
    );
    for breach in breaches(flood) {
        told.push_str(&format!("\n  BREACH: {breach}"));
    }
    told
}

fn record(floods: &[Value]) -> Result<()> {
    let mut found = String::from(
        "Resident memory of the hub in MiB before the flood, at its peak, and two seconds after it; its share of a processor before and during the flood; the time from sending an event to reading it for the neighbour in ms during the flood, and its 99 of 100 before it; the slowest answer to a newcomer in ms.\n\n| flood | seconds | resident | processor, % | p50 | p99 | max | p99 before | newcomer | answers |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for flood in floods {
        let rss = &flood["rss_kib"];
        let [calm, flooded, _] = cpu(flood);
        let (before, during) = (&flood["before"], &flood["during"]);
        found.push_str(&format!(
            "| `{}` | {:.1} | {} -> {} -> {} | {calm:.0} -> {flooded:.0} | {} | {} | {} | {} | {} | {} |\n",
            text(flood, "name"),
            flood["took_ms"].as_f64().unwrap_or_default() / 1000.0,
            mib(&rss["before"]),
            mib(&rss["peak"]),
            mib(&rss["after"]),
            millis(&during["p50_us"]),
            millis(&during["p99_us"]),
            millis(&during["max_us"]),
            millis(&before["p99_us"]),
            millis(&during["newcomer_max_us"]),
            statuses(during),
        ));
    }
    found.push_str("\n## What was sent, expected and seen\n");
    for flood in floods {
        found.push_str(&format!(
            "\n### {}\n\n- sent: {}\n- expected: {}\n- seen: {}\n",
            text(flood, "name"),
            text(flood, "sent"),
            text(flood, "expected"),
            text(flood, "seen"),
        ));
        for breach in breaches(flood) {
            found.push_str(&format!("- breach: {breach}\n"));
        }
    }
    Record {
        name: "floods",
        about: ABOUT,
        command: "cargo xtask floods --record".to_owned(),
        found,
    }
    .write()
}
