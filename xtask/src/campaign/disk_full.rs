//! `cargo xtask disk-full`: the disk of a loaded hub fills up, and somebody makes room again.
//!
//! The disk is a small tmpfs, which takes the rights of root. A filler takes what the hub does not;
//! when it is removed the hub has to go on by itself, as the same process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::hub::{Build, Hub, KEEP_ALL, Programs, SMALL_SEGMENTS};
use super::load::{Load, Traffic, Verdict};
use super::record::Record;
use crate::command::{ask, run as run_command, words};

/// Nothing to choose but where the result goes.
#[derive(Args)]
pub(crate) struct Options {
    /// Decides what is published.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write what was found to `docs/results/disk-full.md`.
    #[arg(long)]
    pub(crate) record: bool,
    #[arg(skip)]
    pub(crate) build: Build,
}

const FOLDER: &str = "target/disk-full";
/// A disk that a load fills in a second or two.
const DISK_MIB: usize = 16;
/// Half of it, so that the load has as much room after the healing as before.
const FILLER_MIB: usize = 8;
/// How long the load goes on while the disk is full, and again when there is room.
const WHILE: Duration = Duration::from_millis(500);

const ABOUT: &str = "# A full disk

The data folder is a tmpfs of 16 MiB, half of which a filler takes, and segments have 1 MiB.
The load of the other campaigns publishes until the disk is full; then publishes have to be refused with 503 `not_stored`, `/-/health/ready` has to say why, and reading has to go on.
When the filler is removed, publishing has to go on by itself in the same process.
At the end the hub is killed and started anew, the whole history is read, and the checker compares it with what everybody was told: nothing that was refused may be in it, and everything that was acknowledged has to be.";

/// What was seen on the way.
struct Run {
    reason: String,
    full: Traffic,
    healed: Traffic,
    heal: Duration,
    verdict: Verdict,
}

/// Fills the disk and makes room; returns whether the hub kept its word.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let programs = options.build.make()?;
    let disk = Disk::mount()?;
    let run = Run::new(programs, &disk.folder, options.seed)?;
    println!("the hub said: {}", run.reason);
    println!(
        "full: {} requests acknowledged, then {} refused; ready again {} ms after there was room, then {} acknowledged",
        run.full.acknowledged,
        run.full.refused,
        run.heal.as_millis(),
        run.healed.acknowledged
    );
    println!("{}", run.verdict.line);
    run.verdict
        .cases
        .iter()
        .for_each(|case| println!("  {case}"));
    if options.record {
        run.record(options)?;
    }
    Ok(run.verdict.is_clean && run.verdict.gaps == 0)
}

/// Whether a disk can be mounted here.
pub(crate) fn is_possible() -> bool {
    Disk::mount().is_ok()
}

impl Run {
    fn new(programs: Programs, disk: &Path, seed: u64) -> Result<Self> {
        let filler = disk.join("filler");
        fs::write(&filler, vec![1; FILLER_MIB << 20])?;
        let log = disk.join("log");
        let options = format!("{SMALL_SEGMENTS} {KEEP_ALL}");
        let mut hub = Hub::start(programs, &log, &options)?;
        let mut load = Command::new(programs.load());
        let mut load = Load::start(load.arg(seed.to_string()))?;
        load.begin(hub.address)?;
        let reason = hub.wait_for("full", |status, _| status == 503)?;
        sleep(WHILE);
        check_full(&hub)?;
        load.stop()?;
        let full = load.traffic()?;
        ensure!(full.refused > 0, "nothing was refused");

        fs::remove_file(&filler)?;
        let room = Instant::now();
        hub.wait_for("healed", |status, _| status == 200)?;
        let heal = room.elapsed();
        load.begin(hub.address)?;
        sleep(WHILE);
        load.stop()?;
        let healed = load.traffic()?;
        ensure!(
            healed.acknowledged > 0,
            "nothing was stored after there was room"
        );
        ensure!(hub.is_alive()?, "the hub ended");
        hub.kill()?;

        let hub = Hub::start(programs, &log, &options)?;
        let journal = Path::new(FOLDER).join("journal.jsonl");
        let verdict = load.check(hub.address, &journal)?;
        hub.stop()?;
        Ok(Self {
            reason,
            full,
            healed,
            heal,
            verdict,
        })
    }

    fn record(&self, options: &Options) -> Result<()> {
        let row = |name: &str, traffic: &Traffic| {
            let Traffic {
                acknowledged,
                refused,
                seen,
                ..
            } = traffic;
            format!("| {name} | {acknowledged} | {refused} | {seen} |\n")
        };
        let found = format!(
            "| | requests acknowledged | refused | entries on event streams |\n|---|--:|--:|--:|\n{}{}\nThe hub was ready {} ms after there was room; until then it said:\n\n```json\n{}\n```\n\nThe checker:\n\n```text\n{}\n```",
            row("until the disk was full, and 0.5 s more", &self.full),
            row("0.5 s after there was room", &self.healed),
            self.heal.as_millis(),
            self.reason,
            self.verdict.line
        );
        Record {
            name: "disk-full",
            about: ABOUT,
            command: format!("cargo xtask disk-full --seed {} --record", options.seed),
            found,
        }
        .write()
    }
}

/// What a hub owes its users while it cannot store anything.
fn check_full(hub: &Hub) -> Result<()> {
    let (status, body) = hub.publish("load/a", "refused")?;
    ensure!(
        status == 503 && body.contains("not_stored"),
        "a publish to a full disk was answered {status} {body}"
    );
    let (status, body) = hub.fetch("/load/a?history=all&limit=10")?;
    let is_read = status == 200 && body.contains("load/a");
    ensure!(
        is_read,
        "a read from a full disk was answered {status} {body}"
    );
    Ok(())
}

/// A small disk, gone when it is dropped.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mount() -> Result<Self> {
        let folder = Path::new(FOLDER).join("disk");
        fs::create_dir_all(&folder)?;
        // What a run that was interrupted left behind.
        ask(words("umount").arg(&folder)).ok();
        let mut mount = words(&format!("mount -t tmpfs -o size={DISK_MIB}m tmpfs"));
        ask(mount.arg(&folder)).context("a small disk takes the rights of root")?;
        Ok(Self { folder })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = run_command(words("umount").arg(&self.folder));
        if let Err(error) = unmounted {
            eprintln!("{error:#}");
        }
    }
}
