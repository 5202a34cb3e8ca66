//! `cargo xtask restart`: the hub is stopped and started again under thousands of subscribers, as
//! an operator does for a new version, and everybody has to be back soon with nothing missing.
//!
//! Subscribers come back as an `EventSource` does: with the last id, after the time that they were
//! told. Publishers send their bodies slowly, so that a stop finds requests in flight.

mod round;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use super::hub::{Build, Hub, KEEP_ALL};
use super::load::{Load, Verdict, count};
use super::record::Record;
use round::{BUCKET, Round};

/// How many are sent away, and how often.
#[derive(Args)]
pub(crate) struct Options {
    /// How many follow topics.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) clients: u32,
    /// How often the hub is restarted.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Decides what is published.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write what was found to `docs/results/restart.md`.
    #[arg(long)]
    pub(crate) record: bool,
    #[arg(skip)]
    pub(crate) build: Build,
}

const FOLDER: &str = "target/restart";
/// What a stop may take: the hub's deadline for its streams, and a second to close the log.
const EXIT_MAX: Duration = Duration::from_secs(9);
/// When the last one has to be back, of thousands.
const BACK_MAX: Duration = Duration::from_secs(30);

const ABOUT: &str = "# Restarted under its subscribers

Some thousand subscribers follow a topic each over HTTP/1.1, one in fifty a pattern and a topic, and eight publishers send some twenty requests a second, each with an idempotency key and most with a body that takes 0.4 s; one request in twenty is one that the hub has to refuse.
The hub gets SIGTERM; when its process has ended, a new one starts on the same folder and the same port.
Subscribers come back as an `EventSource` does: with the last id they saw, after the `retry:` that they were told last, and after the same time once more when nobody answers.
Publishers try again with the same key what was not answered.
Meanwhile `/-/health/ready` is asked again and again, each time on a new connection: a hub that stops lets nobody in, so that the answer is none, and never 200.
A stop may take 8 s by its deadline, and everybody has to be back within 30 s.
Times count from SIGTERM; publishes are in flight when their request began before it and was answered after it.
At the end the whole history is read and compared with what everybody was told.";

/// Restarts as often as asked for, and returns whether the hub kept its word.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let programs = options.build.make()?;
    let folder = Path::new(FOLDER).join("log");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut hub = Hub::start(programs, &folder, KEEP_ALL)?;
    let mut crowd = Command::new(programs.path("fanfare-crowd"));
    crowd.args([options.seed.to_string(), options.clients.to_string()]);
    let mut crowd = Load::start(&mut crowd)?;
    crowd.tell(&format!("start {}", hub.address))?;
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        let (round, next) = Round::run(hub, &folder, &mut crowd)
            .with_context(|| format!("in round {number} of {}", options.rounds))?;
        hub = next;
        println!("{number:>3}/{}  {}", options.rounds, round.describe());
        rounds.push(round);
    }
    let journal = Path::new(FOLDER).join("journal.jsonl");
    let (verdict, answer) = crowd.end(&format!("end {}", journal.display()))?;
    hub.stop()?;
    let in_flight = InFlight::read(&answer, rounds.len())?;
    println!("in flight at SIGTERM: {}", InFlight::sum(&in_flight));
    println!("{}", verdict.line);
    verdict.cases.iter().for_each(|case| println!("  {case}"));
    if options.record {
        write(options, &rounds, &in_flight, &verdict)?;
    }
    Ok(verdict.is_clean && verdict.gaps == 0 && rounds.iter().all(is_good))
}

fn is_good(round: &Round) -> bool {
    round.exit <= EXIT_MAX && round.last_back() <= BACK_MAX && round.probe.late_ready.is_none()
}

/// What became of requests that were in flight at SIGTERM.
#[derive(Clone, Copy, Default)]
struct InFlight {
    acked: u64,
    refused: u64,
    unknown: u64,
}

impl InFlight {
    fn read(answer: &Value, rounds: usize) -> Result<Vec<Self>> {
        let all = answer["in_flight"].as_array().into_iter().flatten();
        let all = all.map(|one| {
            Ok(Self {
                acked: count(one, "acked")?,
                refused: count(one, "refused")?,
                unknown: count(one, "unknown")?,
            })
        });
        let all: Vec<_> = all.collect::<Result<_>>()?;
        ensure!(all.len() == rounds, "{} rounds of {rounds}", all.len());
        Ok(all)
    }

    fn sum(all: &[Self]) -> String {
        let sum = all.iter().fold(Self::default(), |sum, one| Self {
            acked: sum.acked + one.acked,
            refused: sum.refused + one.refused,
            unknown: sum.unknown + one.unknown,
        });
        format!(
            "{} acknowledged, {} refused, {} not answered",
            sum.acked, sum.refused, sum.unknown
        )
    }
}

fn write(
    options: &Options,
    rounds: &[Round],
    in_flight: &[InFlight],
    verdict: &Verdict,
) -> Result<()> {
    let mut found = String::from(
        "| round | process ended | new one ready | back: first | median | 99 % | last | found nobody | in flight: acknowledged | refused | not answered |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (index, (round, requests)) in rounds.iter().zip(in_flight).enumerate() {
        let InFlight {
            acked,
            refused,
            unknown,
        } = requests;
        let row = format!(
            "| {} | {} | {acked} | {refused} | {unknown} |\n",
            index + 1,
            round.row()
        );
        found.push_str(&row);
    }
    found.push_str(&format!(
        "\nHow many were back in each {} ms after SIGTERM, a line for each round:\n\n```text\n",
        BUCKET.as_millis()
    ));
    for round in rounds {
        found.push_str(&format!("{}\n", round.histogram()));
    }
    found.push_str("```\n\nReadiness from SIGTERM to the end of the process:\n\n```text\n");
    for round in rounds {
        found.push_str(&format!("{}\n", round.probe.describe()));
    }
    found.push_str(&format!(
        "```\n\nThe checker, over all rounds:\n\n```text\n{}\n```",
        verdict.line
    ));
    Record {
        name: "restart",
        about: ABOUT,
        command: format!(
            "cargo xtask restart --clients {} --rounds {} --seed {} --record",
            options.clients, options.rounds, options.seed
        ),
        found,
    }
    .write()
}
