//! `cargo xtask crash`: the hub is killed again and again while it works, and what it acknowledged
//! is counted.
//!
//! Each round starts a hub on the same folder, loads it, and ends it with SIGKILL at a moment that
//! the seed decides; some are killed while they start. What was not answered is tried again with
//! the same idempotency key in the next round. The page cache survives a kill, so that this tells
//! nothing of syncs: that is what `cargo xtask power-cut` is for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use super::hub::{Build, Hub, KEEP_ALL, Programs, READY_MAX, SMALL_SEGMENTS};
use super::load::{Load, Traffic, Verdict};
use super::record::Record;

/// How often the hub is killed, and when.
#[derive(Args)]
pub(crate) struct Options {
    /// How often the hub is killed.
    #[arg(long, default_value_t = 500)]
    pub(crate) rounds: u32,
    /// Decides the moments; a run with the same seed kills at the same ones.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write what was found to `docs/results/crash.md`.
    #[arg(long)]
    pub(crate) record: bool,
    #[arg(skip)]
    pub(crate) build: Build,
}

/// The run whose hub trims.
const TRIMMED: &str = "trimmed";
/// Folders and journals of the runs.
const FOLDER: &str = "target/crash";
/// Shorter, and hardly anything was asked; longer only fills the disk.
const LOAD_MS: std::ops::Range<u64> = 20..1_000;
/// Each tenth hub is killed while it starts: often enough to count, and it costs little.
const STUMBLE_EVERY: u64 = 10;
/// A start takes about as long.
const STUMBLE_MS: u64 = 60;
/// Of the rounds, one in so many goes to the hub that trims.
const TRIMMED_SHARE: u32 = 5;
/// History so small that segments are trimmed and used again every few rounds.
const KEEP_LITTLE: &str =
    "--history-age 10000h --history-events 1000000000 --history-bytes 6000000";

const ABOUT: &str = "# Killed while it works

Four publishers and eight subscribers load the hub over real sockets until it is killed with SIGKILL, again and again on the same folder.
Some publishes are single, some are batches and some streams; about half have an idempotency key and are retried after the restart until they are acknowledged.
Some subscribers follow one topic, some several, some a pattern; when the hub is back they resume with the last id they saw.
Segments have 1 MiB, so that every few rounds one is sealed.
One round in ten kills the hub while it starts.
At the end the whole history is read and compared with what everybody was told.
A kill leaves the page cache as it is: whether syncs are what they should be is the business of the power cuts.";

/// What a run on one folder brought.
struct Run {
    verdict: Verdict,
    rounds: u32,
    acknowledged: u64,
    unknown: u64,
    /// The time to be ready, of every start that was waited for.
    ready: Vec<Duration>,
}

/// Kills as often as asked for, and returns whether the hub kept its word.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let programs = options.build.make()?;
    println!("seed {}", options.seed);
    let trimmed_rounds = options.rounds / TRIMMED_SHARE;
    let whole = Campaign::new(programs, "whole", KEEP_ALL, options.seed)?
        .run(options.rounds - trimmed_rounds)?;
    let trimmed =
        Campaign::new(programs, TRIMMED, KEEP_LITTLE, !options.seed)?.run(trimmed_rounds)?;
    for (name, run) in [("everything kept", &whole), ("trimmed", &trimmed)] {
        println!("{name}, {}", run.describe());
        run.verdict
            .cases
            .iter()
            .for_each(|case| println!("  {case}"));
    }
    // Where nothing was trimmed nobody may be told of a gap.
    let is_good = whole.is_good() && trimmed.is_good() && whole.verdict.gaps == 0;
    if options.record {
        write(options, &whole, &trimmed)?;
    }
    Ok(is_good)
}

/// Rounds on one folder, from empty to the verdict.
struct Campaign {
    name: &'static str,
    programs: Programs,
    folder: PathBuf,
    hub: String,
    rng: fastrand::Rng,
    load: Load,
}

impl Campaign {
    fn new(programs: Programs, name: &'static str, keep: &str, seed: u64) -> Result<Self> {
        let folder = Path::new(FOLDER).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut load = Command::new(programs.load());
        load.arg(seed.to_string());
        Ok(Self {
            name,
            programs,
            folder,
            hub: format!("{SMALL_SEGMENTS} {keep}"),
            rng: fastrand::Rng::with_seed(seed),
            load: Load::start(&mut load)?,
        })
    }

    fn run(mut self, rounds: u32) -> Result<Run> {
        let mut ready = Vec::new();
        let (mut acknowledged, mut unknown) = (0, 0);
        for number in 1..=rounds {
            let (traffic, start) = self
                .round()
                .with_context(|| format!("in round {number} of {}", self.name))?;
            let start_ms = start.as_millis();
            println!(
                "{} {number:>4}/{rounds}  ready in {start_ms:>4} ms: {:>5} acknowledged, {:>2} unknown, {:>6} seen",
                self.name, traffic.acknowledged, traffic.unknown, traffic.seen
            );
            ready.push(start);
            acknowledged += traffic.acknowledged;
            unknown += traffic.unknown;
        }
        let hub = Hub::start(self.programs, &self.folder, &self.hub)?;
        ready.push(hub.ready);
        let journal = Path::new(FOLDER).join(format!("{}.jsonl", self.name));
        let verdict = match self.name {
            TRIMMED => self.load.check_trimmed(hub.address, &journal)?,
            _ => self.load.check(hub.address, &journal)?,
        };
        hub.stop()?;
        Ok(Run {
            verdict,
            rounds,
            acknowledged,
            unknown,
            ready,
        })
    }

    fn round(&mut self) -> Result<(Traffic, Duration)> {
        if self.rng.u64(..STUMBLE_EVERY) == 0 {
            let mut child = self.programs.serve(&self.folder, &self.hub).spawn()?;
            sleep(Duration::from_millis(self.rng.u64(..STUMBLE_MS)));
            child.kill()?;
            child.wait()?;
        }
        let hub = Hub::start(self.programs, &self.folder, &self.hub)?;
        let ready = hub.ready;
        self.load.begin(hub.address)?;
        sleep(Duration::from_millis(self.rng.u64(LOAD_MS)));
        hub.kill()?;
        Ok((self.load.traffic()?, ready))
    }
}

impl Run {
    fn is_good(&self) -> bool {
        self.verdict.is_clean && self.slowest() <= READY_MAX
    }

    fn slowest(&self) -> Duration {
        self.ready.iter().copied().max().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        let mut ready = self.ready.clone();
        ready.sort_unstable();
        ready.get(ready.len() / 2).copied().unwrap_or_default()
    }

    fn describe(&self) -> String {
        format!(
            "{} kills, ready in {} ms (median) to {} ms: {}",
            self.rounds,
            self.median().as_millis(),
            self.slowest().as_millis(),
            self.verdict.line
        )
    }

    fn row(&self, name: &str) -> String {
        format!(
            "| {name} | {} | {} | {} | {} ms | {} ms |\n",
            self.rounds,
            self.acknowledged,
            self.unknown,
            self.median().as_millis(),
            self.slowest().as_millis()
        )
    }
}

fn write(options: &Options, whole: &Run, trimmed: &Run) -> Result<()> {
    let mut found = String::from(
        "| history | kills | requests acknowledged | unanswered | ready, median | ready, slowest |\n|---|--:|--:|--:|--:|--:|\n",
    );
    found.push_str(&whole.row("everything kept"));
    found.push_str(&trimmed.row("trimmed to 6 MB"));
    found.push_str(&format!(
        "\nThe checker, with everything kept:\n\n```text\n{}\n```\n\nAnd with history trimmed, where what retention dropped is not counted as lost:\n\n```text\n{}\n```",
        whole.verdict.line, trimmed.verdict.line
    ));
    Record {
        name: "crash",
        about: ABOUT,
        command: format!(
            "cargo xtask crash --rounds {} --seed {} --record",
            options.rounds, options.seed
        ),
        found,
    }
    .write()
}
