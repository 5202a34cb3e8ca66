//! `cargo xtask million`: a million subscribers held at once, and what each of them costs.
//!
//! No process may have so many open files on most machines, so that hub and load run in a guest
//! with limits of its own. What both of them and its kernel take is read there, with nobody
//! connected and with everybody.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::guest::{self, Guest};
use super::hub::Build;
use super::record::Record;
use crate::test::packages;

/// How many, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// How many there are.
    #[arg(long, default_value_t = 1_000_000)]
    subscribers: u64,
    /// Seconds for which they are held once all are there; one event in ten seconds reaches all.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Write what was found to `docs/results/million.md`.
    #[arg(long)]
    record: bool,
}

/// The guest lives here.
const FOLDER: &str = "target/million";
/// The first program of the guest.
const INIT: &str = "deploy/guest/million";
/// What a subscriber takes in the guest, both ends of its connection together, and some to spare.
const SUBSCRIBER_KIB: u64 = 15;
/// What everything else takes.
const REST_MIB: u64 = 2_048;
/// How often the console is looked at.
const POLL: Duration = Duration::from_secs(1);
/// What the guest says last.
const END: &str = "guest: the load ended with ";

const ABOUT: &str = "# A million subscribers

Hub and load run in one guest under QEMU, with a kernel of Debian and limits that fit; the load is `fanfare bench`, which checks that each subscriber gets each event once and in order.
All subscribers follow one topic of a hub in memory, heartbeats are on, and one event in ten seconds is published to all of them.
Memory is read in the guest every five seconds. What is not the hub's and not the load's is the kernel's, for both ends of each connection, since both are in the same machine; hub and load are what they have written to, without their files.";

/// Holds them, and returns whether each got everything.
pub(crate) fn run(options: &Options) -> Result<bool> {
    packages::bring(guest::PACKAGES)?;
    let programs = Build::Release.make()?;
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    let guest = Guest::build(INIT, &programs.hub(), folder)?;
    println!("the guest's processor is {}", guest.processor());
    let text = hold(&guest, options)?;
    let found = Found::read(&text, options.subscribers)?;
    println!("{}", found.table());
    if options.record {
        let command = format!(
            "cargo xtask million --subscribers {} --seconds {} --record",
            options.subscribers, options.seconds
        );
        Record {
            name: "million",
            about: ABOUT,
            command,
            found: format!(
                "The guest has two processors, {}. One second of its clock is {} on the wall.\n\n{}\n\nThe console of the guest:\n\n```text\n{}\n```",
                guest.processor(),
                guest.slowness(),
                found.table(),
                text.trim()
            ),
        }
        .write()?;
    }
    Ok(found.is_clean)
}

/// Runs the guest to its end, and returns what its console said.
fn hold(guest: &Guest, options: &Options) -> Result<String> {
    let Options {
        subscribers,
        seconds,
        ..
    } = options;
    let many = subscribers + 10_000;
    let hub = format!("--connections-max {many} --subscribers-max {many} --quiet");
    let load =
        format!("--rate 0.1 --in-flight 1 --connecting 500 --seconds {seconds} --warmup 1 --quiet");
    let environment = format!("SUBSCRIBERS={subscribers} HUB=\"{hub}\" LOAD=\"{load}\"");
    let memory_mib = REST_MIB + subscribers * SUBSCRIBER_KIB / 1_024;
    let console = guest.console()?;
    let mut qemu = guest.slow_qemu(memory_mib, &environment);
    let mut qemu = qemu.spawn().context("cannot start QEMU")?;
    let mut seen = 0;
    loop {
        let is_over = qemu.try_wait()?.is_some();
        let text = String::from_utf8_lossy(&fs::read(&console)?).replace('\r', "");
        let lines: Vec<_> = text.lines().collect();
        // The last one may not be whole yet.
        let whole = lines.len() - usize::from(!text.ends_with('\n') && !lines.is_empty());
        for line in lines.get(seen..whole).unwrap_or_default() {
            println!("  {line}");
        }
        seen = whole;
        if is_over {
            return Ok(text);
        }
        if text.contains("Kernel panic") {
            qemu.kill()?;
            qemu.wait()?;
            bail!("the kernel of the guest gave up; its last words are above");
        }
        sleep(POLL);
    }
}

/// One reading of the guest's memory, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reading {
    sockets: u64,
    free: u64,
    slab: u64,
    tables: u64,
    buffers: u64,
    hub: u64,
    load: u64,
}

impl Reading {
    /// Reads a line of the guest.
    fn parse(line: &str) -> Option<Self> {
        let mut reading = Self::default();
        for (key, value) in line.split_whitespace().filter_map(|it| it.split_once('=')) {
            let field = match key {
                "sockets" => &mut reading.sockets,
                "free" => &mut reading.free,
                "slab" => &mut reading.slab,
                "tables" => &mut reading.tables,
                "buffers" => &mut reading.buffers,
                "hub" => &mut reading.hub,
                "load" => &mut reading.load,
                _ => continue,
            };
            *field = value.parse().ok()?;
        }
        Some(reading)
    }
}

/// What came of it.
struct Found {
    subscribers: u64,
    empty: Reading,
    full: Reading,
    is_clean: bool,
}

impl Found {
    fn read(text: &str, subscribers: u64) -> Result<Self> {
        let lines = text.lines().filter(|line| line.starts_with("memory: "));
        let readings: Vec<_> = lines.filter_map(Reading::parse).collect();
        let empty = *readings.first().context("the guest told no memory")?;
        // Each has a socket at both ends.
        let mut full = readings.iter().rev();
        let full = full.find(|it| it.sockets >= 2 * subscribers && it.load > 0);
        let end = text.lines().find_map(|line| line.strip_prefix(END));
        ensure!(end.is_some(), "the guest ended before its load did");
        Ok(Self {
            subscribers,
            empty,
            full: *full.context("they were never all there")?,
            is_clean: end == Some("0"),
        })
    }

    /// What a subscriber costs, where.
    fn table(&self) -> String {
        let Self { empty, full, .. } = self;
        let grown = |of: fn(&Reading) -> u64| of(full).saturating_sub(of(empty));
        let taken = empty.free.saturating_sub(full.free);
        let (hub, load) = (grown(|it| it.hub), full.load);
        let mut table = format!(
            "{} subscribers held at once, {}.\n\n| memory of | MiB | bytes for each subscriber |\n|---|--:|--:|\n",
            self.subscribers,
            match self.is_clean {
                true => "each got every event once and in order",
                false => "**not all got every event once and in order**",
            }
        );
        for (name, kib) in [
            ("the hub", hub),
            ("the load", load),
            (
                "the kernel, both ends",
                taken.saturating_sub(hub).saturating_sub(load),
            ),
            ("of that its objects (slab)", grown(|it| it.slab)),
            ("of that page tables", grown(|it| it.tables)),
            ("of that data in sockets", grown(|it| it.buffers)),
        ] {
            let each = kib * 1_024 / self.subscribers.max(1);
            table.push_str(&format!("| {name} | {} | {each} |\n", kib / 1_024));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "memory: uptime_s=3 sockets=1 free=9000 slab=100 tables=5 hub=40 load=0";
    const FULL: &str =
        "memory: uptime_s=9 sockets=20 free=7000 slab=1100 tables=15 hub=140 load=50";

    #[test]
    fn a_subscriber_costs_what_is_taken_when_all_are_there() {
        let text = format!("{EMPTY}\n{FULL}\nmemory: sockets=3 free=9\n{END}0\n");
        let found = Found::read(&text, 10).unwrap();
        assert!(found.is_clean);
        let table = found.table();
        assert!(table.contains("| the hub | 0 | 10240 |"), "{table}");
        assert!(
            table.contains("| the kernel, both ends | 1 | 189440 |"),
            "{table}"
        );
        assert!(
            !Found::read(&text.replace("with 0", "with 1"), 10)
                .unwrap()
                .is_clean
        );
    }

    #[test]
    fn a_guest_that_never_had_them_all_is_an_error() {
        let text = format!("{EMPTY}\n{FULL}\n{END}0\n");
        assert!(Found::read(&text, 11).is_err());
        assert!(Found::read(&format!("{EMPTY}\n{FULL}\n"), 10).is_err());
    }
}
