//! `cargo xtask power-cut`: a real power cut, again and again, and what it cost.
//!
//! The hub runs in a small guest with a disk of its own, publishers and subscribers outside.
//! A cut kills the processes that are the guest and its drive, so that the page cache of the one
//! and the write cache of the other vanish; then the same disk is started anew.
//! Before that the rig has to show that it would notice: a hub that does not sync must lose.

mod guest;
mod machine;
mod plan;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::load::{Load, Traffic, Verdict};
use crate::command::{run as run_command, words};
use crate::test::packages::{self, Package};
use guest::Guest;
use machine::Rig;
use plan::{Plan, Round};

/// How often the power is cut, and when.
#[derive(Args)]
pub(crate) struct Options {
    /// How often the power is cut.
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// Decides the moments of the cuts; the one of a run is printed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The rig lives here: the guest, its disk, its console, the journals.
const FOLDER: &str = "target/power-cut";

/// Small segments, so that a run of seconds rolls over many; nothing is ever trimmed, so that
/// whatever is missing at the end was lost.
const HUB: &str = "--segment-bytes 2097152 --history-age 10000h --history-events 1000000000 \
                   --history-bytes 1000000000000";

/// Apart, so that the hub is built with its own features only, as it is released.
const BUILDS: [&str; 2] = [
    "cargo build --release --package fanfare-cli",
    "cargo build --release --package fanfare-testkit --bin fanfare-load",
];

/// Publishers, subscribers and the checker.
const LOAD: &str = "target/release/fanfare-load";

/// Rounds of the hub that does not sync; each alone loses nearly all.
const LIAR_ROUNDS: u32 = 2;

const PACKAGES: &[Package<'_>] = &[
    package("busybox-static", "busybox"),
    package("e2fsprogs", "mkfs.ext4"),
    package("linux-image-cloud-amd64", "a kernel is no program"),
    package("nbdkit", "nbdkit"),
    package("qemu-system-x86", "qemu-system-x86_64"),
];

const fn package(name: &'static str, program: &'static str) -> Package<'static> {
    Package { name, program }
}

/// Cuts the power as often as asked for, and returns whether nothing was lost.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let rig = prepare()?;
    println!(
        "the guest is run by {}; seed {}",
        rig.processor(),
        options.seed
    );
    let liar = Campaign::new(&rig, "written", options.seed)?.run(LIAR_ROUNDS)?;
    println!("without syncs:   {}", liar.line);
    ensure!(
        liar.lost > 0,
        "a hub that does not sync lost nothing: the rig proves nothing"
    );
    let verdict = Campaign::new(&rig, "disk", options.seed)?.run(options.rounds)?;
    println!("{} power cuts: {}", options.rounds, verdict.line);
    verdict.cases.iter().for_each(|case| println!("  {case}"));
    Ok(verdict.is_clean)
}

/// Brings and builds what the rig needs.
fn prepare() -> Result<Rig> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the guest of the power cuts is made for x86-64"
    );
    packages::bring(PACKAGES)?;
    for line in BUILDS {
        run_command(&mut words(line))?;
    }
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    let guest = Guest::build(Path::new("target/release/fanfare"), folder)?;
    Rig::new(guest, folder)
}

/// Rounds on one disk, from empty to the verdict.
struct Campaign<'a> {
    rig: &'a Rig,
    /// The options of the hub.
    hub: String,
    plan: Plan,
    load: Load,
    /// Where what everybody saw is kept.
    journal: PathBuf,
}

impl<'a> Campaign<'a> {
    fn new(rig: &'a Rig, durability: &str, seed: u64) -> Result<Self> {
        rig.format_disk()?;
        let mut load = words(LOAD);
        load.arg(seed.to_string());
        Ok(Self {
            rig,
            journal: rig.folder.join(format!("journal-{durability}.jsonl")),
            hub: format!("--durability {durability} {HUB}"),
            plan: Plan::new(seed),
            load: Load::start(&mut load)?,
        })
    }

    fn run(mut self, rounds: u32) -> Result<Verdict> {
        for number in 1..=rounds {
            let round = self.plan.next_round();
            let (traffic, boot) = self
                .round(&round)
                .with_context(|| format!("in round {number}, {round:?}"))?;
            println!("{number:>4}/{rounds}  {}", describe(&round, &traffic, boot));
        }
        let machine = self.rig.boot(machine::DriveCache::Volatile, &self.hub)?;
        let verdict = self.load.check(self.rig.address, &self.journal)?;
        machine.cut()?;
        Ok(verdict)
    }

    fn round(&mut self, round: &Round) -> Result<(Traffic, Duration)> {
        if let Some(after) = round.stumble {
            self.rig.stumble(after, round.cache, &self.hub)?;
        }
        let machine = self.rig.boot(round.cache, &self.hub)?;
        let boot = machine.boot;
        self.load.begin(self.rig.address)?;
        sleep(round.load);
        machine.cut()?;
        Ok((self.load.traffic()?, boot))
    }
}

/// The line that shows a run to be alive.
fn describe(round: &Round, traffic: &Traffic, boot: Duration) -> String {
    let stumble = match round.stumble {
        Some(after) => format!(", after a cut {} ms into a start", after.as_millis()),
        None => String::new(),
    };
    format!(
        "up in {:.1} s, cut after {:.1} s: {:>5} acknowledged, {:>2} unknown, {:>6} seen; {:?}{stumble}",
        boot.as_secs_f64(),
        round.load.as_secs_f64(),
        traffic.acknowledged,
        traffic.unknown,
        traffic.seen,
        round.cache,
    )
}
