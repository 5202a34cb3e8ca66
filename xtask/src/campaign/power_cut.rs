//! `cargo xtask power-cut`: a real power cut, again and again, and what it cost.
//!
//! The hub runs in a small guest with a disk of its own, publishers and subscribers outside.
//! A cut kills the processes that are the guest and its drive, so that the page cache of the one
//! and the write cache of the other vanish; then the same disk is started anew.

mod guest;
mod machine;

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args;

use crate::command::{run as run_command, words};
use crate::test::packages::{self, Package};
use guest::Guest;
use machine::{DriveCache, Rig};

/// How often the power is cut, and when.
#[derive(Args)]
pub(crate) struct Options {
    /// How often the power is cut.
    #[arg(long, default_value_t = 100)]
    rounds: u32,
}

/// The rig lives here: the guest, its disk, its console.
const FOLDER: &str = "target/power-cut";

const PACKAGES: &[Package<'_>] = &[
    Package {
        name: "busybox-static",
        program: "busybox",
    },
    Package {
        name: "e2fsprogs",
        program: "mkfs.ext4",
    },
    Package {
        name: "linux-image-cloud-amd64",
        program: "a kernel is no program",
    },
    Package {
        name: "nbdkit",
        program: "nbdkit",
    },
    Package {
        name: "qemu-system-x86",
        program: "qemu-system-x86_64",
    },
];

/// Cuts the power as often as asked for, and returns whether nothing was lost.
pub(crate) fn run(options: &Options) -> Result<bool> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the guest of the power cuts is made for x86-64"
    );
    packages::bring(PACKAGES)?;
    run_command(&mut words("cargo build --release --package fanfare-cli"))?;
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    let guest = Guest::build(Path::new("target/release/fanfare"), folder)?;
    let rig = Rig::new(guest, folder)?;
    rig.format_disk()?;
    println!("the guest is run by: {}", rig.processor());
    for round in 1..=options.rounds {
        let cache = match round % 2 {
            0 => DriveCache::WrittenThrough,
            _ => DriveCache::Volatile,
        };
        let machine = rig.boot(cache, "--durability disk")?;
        println!(
            "round {round}: {:?} cache, up after {} ms",
            cache,
            machine.boot.as_millis()
        );
        machine.cut()?;
    }
    Ok(true)
}
