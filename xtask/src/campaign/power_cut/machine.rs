//! A running guest with its disk, each a process of this machine that can be ended at once.
//!
//! The disk has a volatile cache, like a real drive: what the guest wrote and did not flush lives
//! in the memory of nbdkit, and is gone with it.
//! Written through, the disk keeps all that left the guest, so that un-synced writes stay in an
//! order of the guest's choice; what its kernel had not written out is gone all the same.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::guest::Guest;
use super::super::hub::Programs;
use crate::command::{run, words};

/// A boot takes 3 s where the processor has to be emulated; this is a busy machine's patience.
const BOOT_DEADLINE: Duration = Duration::from_secs(60);

/// How often the console is looked at; a boot takes a hundred times as long.
const POLL: Duration = Duration::from_millis(20);

/// What the hub prints once it accepts connections.
const READY: &str = "listening on http";

/// What the guest prints when its disk is mounted and the hub is about to start.
const STARTING: &str = "guest: the hub starts";

/// What must never be on the console.
const TROUBLE: [&str; 4] = [
    "Kernel panic",
    "EXT4-fs error",
    "guest: cannot",
    "guest: the hub ended",
];

/// Room for the log of some hundred rounds; nbdkit looks at its whole map with every flush, which
/// takes 2 ms for this size and 9 ms for 16 GiB.
const DISK_BYTES: u64 = 2 << 30;

/// Enough for the hub beside the page cache that is to be lost.
const MEMORY_MIB: u64 = 768;

/// What happens to writes that left the guest and were not flushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DriveCache {
    /// They vanish with the power.
    Volatile,
    /// They stay.
    WrittenThrough,
}

/// Where guests run, and on what.
pub(super) struct Rig {
    pub(super) programs: Programs,
    pub(super) folder: PathBuf,
    pub(super) guest: Guest,
    /// Where the hub is reached; the same for every boot, as after a real power cut.
    pub(super) address: SocketAddr,
}

/// A guest with power.
pub(super) struct Machine {
    disk: Child,
    qemu: Child,
    console: PathBuf,
    /// From power to the first connection that the hub accepts.
    pub(super) boot: Duration,
}

impl Rig {
    pub(super) fn new(programs: Programs, guest: Guest, folder: &Path) -> Result<Self> {
        // Whoever listened on it has closed it again; nobody else asks for a free port meanwhile.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self {
            programs,
            folder: folder.to_path_buf(),
            guest,
            address,
        })
    }

    /// Makes the disk empty.
    pub(super) fn format_disk(&self) -> Result<()> {
        let image = self.folder.join("disk");
        File::create(&image)?.set_len(DISK_BYTES)?;
        run(words("mkfs.ext4 -q -F").arg(image))
    }

    /// Gives power, and returns when the hub accepts connections.
    pub(super) fn boot(&self, cache: DriveCache, hub: &str) -> Result<Machine> {
        self.boot_until(READY, cache, hub)
    }

    /// Gives power, and takes it so long after the start of the hub.
    pub(super) fn stumble(&self, after: Duration, cache: DriveCache, hub: &str) -> Result<()> {
        let machine = self.boot_until(STARTING, cache, hub)?;
        sleep(after);
        machine.cut()
    }

    fn boot_until(&self, words: &str, cache: DriveCache, hub: &str) -> Result<Machine> {
        let start = Instant::now();
        let disk = self.attach_disk(cache)?;
        let console = self.guest.console()?;
        let qemu = self.qemu(hub).spawn().context("cannot start QEMU")?;
        let mut machine = Machine {
            disk,
            qemu,
            console,
            boot: Duration::ZERO,
        };
        loop {
            let text = machine.console()?;
            if text.contains(words) {
                machine.boot = start.elapsed();
                return Ok(machine);
            }
            machine.check()?;
            if machine.qemu.try_wait()?.is_some() || start.elapsed() > BOOT_DEADLINE {
                bail!("the guest did not start the hub; its console says:\n{text}");
            }
            sleep(POLL);
        }
    }

    /// Starts the server of the disk and waits for its socket.
    fn attach_disk(&self, cache: DriveCache) -> Result<Child> {
        let socket = self.folder.join("disk.socket");
        if socket.exists() {
            fs::remove_file(&socket)?;
        }
        let mut nbdkit = words("nbdkit --foreground --unix disk.socket");
        if cache == DriveCache::Volatile {
            nbdkit.arg("--filter=cache");
        }
        nbdkit.args(["file", "disk"]);
        if cache == DriveCache::Volatile {
            // The smallest block it has, so that as little as possible is kept by chance.
            nbdkit.args(["cache=writeback", "cache-min-block-size=4K"]);
        }
        let mut child = nbdkit
            .current_dir(&self.folder)
            // The cache is a file without a name; beside the disk is room for it.
            .env("TMPDIR", self.folder.canonicalize()?)
            .spawn()
            .context("cannot start nbdkit")?;
        let start = Instant::now();
        while !socket.exists() {
            if child.try_wait()?.is_some() || start.elapsed() > BOOT_DEADLINE {
                bail!("nbdkit does not serve the disk");
            }
            sleep(POLL);
        }
        Ok(child)
    }

    fn qemu(&self, hub: &str) -> Command {
        let mut qemu = self.guest.qemu(MEMORY_MIB, &format!("HUB=\"{hub}\""));
        // The guest sees a drive with a write cache and says when it has to be flushed.
        qemu.args([
            "-drive",
            "if=none,id=disk,format=raw,cache=none,file=nbd:unix:disk.socket",
        ]);
        qemu.args(["-device", "virtio-blk-pci,drive=disk"]);
        let forward = format!("hostfwd=tcp:{}-:4000", self.address);
        qemu.arg("-netdev")
            .arg(format!("user,id=net,restrict=on,{forward}"));
        qemu.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        qemu
    }
}

impl Machine {
    /// Takes the power away, and fails when the guest was in trouble before.
    pub(super) fn cut(mut self) -> Result<()> {
        self.end();
        self.check()
    }

    /// Fails when the console tells of trouble.
    fn check(&self) -> Result<()> {
        let text = self.console()?;
        match TROUBLE.iter().find(|trouble| text.contains(**trouble)) {
            Some(trouble) => bail!("`{trouble}` is on the console of the guest:\n{text}"),
            None => Ok(()),
        }
    }

    fn console(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.console)?).into_owned())
    }

    /// Kills both with a signal that leaves them no last word: the drive first, or it might still
    /// finish a flush that nobody waits for.
    fn end(&mut self) {
        for child in [&mut self.disk, &mut self.qemu] {
            // An error means that it is gone already.
            child.kill().ok();
        }
        for child in [&mut self.disk, &mut self.qemu] {
            child.wait().ok();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}
