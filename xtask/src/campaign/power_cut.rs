//! `cargo xtask power-cut`: a real power cut, again and again, and what it cost.
//!
//! The hub runs in a small guest with a disk of its own, publishers and subscribers outside.
//! A cut kills the processes that are the guest and its drive, so that the page cache of the one
//! and the write cache of the other vanish; then the same disk is started anew.
//! Before that the rig has to show that it would notice: a hub that does not sync must lose.

mod machine;
mod plan;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::guest::{self, Guest};
use super::hub::{Build, KEEP_ALL, SMALL_SEGMENTS};
use super::load::{Load, Traffic, Verdict};
use super::record::Record;
use crate::test::packages::{self, Package};
use machine::{DriveCache, Rig};
use plan::{Plan, Round};

/// How often the power is cut, and when.
#[derive(Args)]
pub(crate) struct Options {
    /// How often the power is cut.
    #[arg(long, default_value_t = 100)]
    pub(crate) rounds: u32,
    /// Decides the moments of the cuts; a run with the same seed cuts at the same ones.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write what was found to `docs/results/power-cut.md`.
    #[arg(long)]
    pub(crate) record: bool,
}

/// The rig lives here: the guest, its disk, its console, the journals.
const FOLDER: &str = "target/power-cut";

/// Rounds of the hub that does not sync; each alone loses nearly all.
const LIAR_ROUNDS: u32 = 2;

/// The first program of the guest.
const INIT: &str = "deploy/guest/power-cut";

/// What the rig needs besides the guest.
const PACKAGES: &[Package<'_>] = &[
    package("e2fsprogs", "mkfs.ext4"),
    package("nbdkit", "nbdkit"),
];

const ABOUT: &str = "# Power cuts

The hub runs in a guest under QEMU, with a kernel of Debian and an ext4 disk of its own; four publishers and eight subscribers load it from outside over real sockets.
A cut kills the guest and its drive at once, at a moment that the seed decides; then the guest is started again on the same disk, and everybody goes on where they were.
The drive is a process with a volatile write cache, as real drives have: what the guest wrote and did not flush is gone, and a cut in the middle of a flush leaves some of it.
In one round in three the drive keeps all that left the guest, so that un-synced writes stay in whatever order the guest's kernel chose; its page cache is lost all the same.
One round in six cuts once more while the hub starts, so that recovery is interrupted too.
Segments have 1 MiB and nothing is trimmed, so that whatever is missing at the end was lost.
About half of the publishes have an idempotency key and are retried after the cut until they are acknowledged.

The rig proves itself first: the same load and the same cuts with a hub that does not sync (`--durability written`), of which the checker must find events lost.";

const fn package(name: &'static str, program: &'static str) -> Package<'static> {
    Package { name, program }
}

/// Cuts the power as often as asked for, and returns whether nothing was lost.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let rig = prepare()?;
    let seed = options.seed;
    println!(
        "the guest's processor is {}; seed {seed}",
        rig.guest.processor()
    );
    let liar = Campaign::new(&rig, "written", seed)?.run(LIAR_ROUNDS)?;
    println!("without syncs, {}", liar.describe());
    ensure!(
        liar.verdict.lost > 0,
        "a hub that does not sync lost nothing: the rig proves nothing"
    );
    let run = Campaign::new(&rig, "disk", seed)?.run(options.rounds)?;
    println!("{}", run.describe());
    let cases = run.verdict.cases.iter();
    cases.for_each(|case| println!("  {case}"));
    if options.record {
        write(options, &rig, [&run, &liar])?;
    }
    Ok(run.is_good())
}

/// Brings and builds what the rig needs.
fn prepare() -> Result<Rig> {
    packages::bring(guest::PACKAGES)?;
    packages::bring(PACKAGES)?;
    let programs = Build::Release.make()?;
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    let guest = Guest::build(INIT, &programs.hub(), folder)?;
    Rig::new(programs, guest, folder)
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

/// What they brought.
struct Run {
    verdict: Verdict,
    cuts: u32,
    acknowledged: u64,
    unknown: u64,
    /// From power to a hub that accepts connections, of every round.
    boots: Vec<Duration>,
}

impl<'a> Campaign<'a> {
    fn new(rig: &'a Rig, durability: &str, seed: u64) -> Result<Self> {
        rig.format_disk()?;
        let mut load = Command::new(rig.programs.load());
        load.arg(seed.to_string());
        Ok(Self {
            rig,
            journal: rig.folder.join(format!("journal-{durability}.jsonl")),
            hub: format!("--durability {durability} {SMALL_SEGMENTS} {KEEP_ALL}"),
            plan: Plan::new(seed),
            load: Load::start(&mut load)?,
        })
    }

    fn run(mut self, rounds: u32) -> Result<Run> {
        let mut boots = Vec::new();
        let (mut cuts, mut acknowledged, mut unknown) = (0, 0, 0);
        for number in 1..=rounds {
            let round = self.plan.next_round();
            let (traffic, boot) = self
                .round(&round)
                .with_context(|| format!("in round {number}, {round:?}"))?;
            println!("{number:>4}/{rounds}  {}", describe(&round, &traffic, boot));
            cuts += 1 + u32::from(round.stumble.is_some());
            acknowledged += traffic.acknowledged;
            unknown += traffic.unknown;
            boots.push(boot);
        }
        let machine = self.rig.boot(DriveCache::Volatile, &self.hub)?;
        let verdict = self.load.check(self.rig.address, &self.journal)?;
        machine.cut()?;
        Ok(Run {
            verdict,
            cuts,
            acknowledged,
            unknown,
            boots,
        })
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

impl Run {
    /// Nobody may be told of a gap either, because nothing is trimmed.
    fn is_good(&self) -> bool {
        self.verdict.is_clean && self.verdict.gaps == 0
    }

    fn describe(&self) -> String {
        format!("{} power cuts: {}", self.cuts, self.verdict.line)
    }

    fn row(&self, durability: &str) -> String {
        let mut boots = self.boots.clone();
        boots.sort_unstable();
        let boot = boots.get(boots.len() / 2).copied().unwrap_or_default();
        format!(
            "| `{durability}` | {} | {} | {} | {:.1} s |\n",
            self.cuts,
            self.acknowledged,
            self.unknown,
            boot.as_secs_f64()
        )
    }
}

/// The line that shows a run to be alive.
fn describe(round: &Round, traffic: &Traffic, boot: Duration) -> String {
    let (boot, load) = (boot.as_secs_f64(), round.load.as_secs_f64());
    let stumble = match round.stumble {
        Some(after) => format!(", after a cut {} ms into a start", after.as_millis()),
        None => String::new(),
    };
    format!(
        "up in {boot:.1} s, cut after {load:.1} s: {:>5} acknowledged, {:>2} unknown, {:>6} seen; {:?}{stumble}",
        traffic.acknowledged, traffic.unknown, traffic.seen, round.cache,
    )
}

fn write(options: &Options, rig: &Rig, [run, liar]: [&Run; 2]) -> Result<()> {
    let found = format!(
        "The guest has two processors, {}.\n\n\
         | durability | cuts | requests acknowledged | unanswered | from power to the hub, median |\n\
         |---|--:|--:|--:|--:|\n{}{}\n\
         The checker, with `disk`:\n\n```text\n{}\n```\n\n\
         And with `written`, where loss is what has to be found:\n\n```text\n{}\n```",
        rig.guest.processor(),
        run.row("disk"),
        liar.row("written"),
        run.verdict.line,
        liar.verdict.line,
    );
    Record {
        name: "power-cut",
        about: ABOUT,
        command: format!(
            "cargo xtask power-cut --rounds {} --seed {} --record",
            options.rounds, options.seed
        ),
        found,
    }
    .write()
}
