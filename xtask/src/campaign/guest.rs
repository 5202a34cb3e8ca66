//! Guests under QEMU: a kernel of Debian, and an initramfs of busybox, the hub and the libraries it
//! needs. What a guest does is in its first program.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::command::{ask, words};
use crate::test::packages::Package;

/// What the scripts call; each is a link to busybox.
const APPLETS: &str = "awk cut insmod ip mount poweroff renice sh sleep";

/// Drivers that the cloud kernel leaves to modules; its ext4 is built in.
const DRIVERS: [&str; 3] = ["virtio_pci", "virtio_blk", "virtio_net"];

/// What is in it, besides what its campaign brings.
pub(super) const PACKAGES: &[Package<'_>] = &[
    Package {
        name: "busybox-static",
        program: "busybox",
    },
    Package {
        name: "linux-image-cloud-amd64",
        program: "a kernel is no program",
    },
    Package {
        name: "qemu-system-x86",
        program: "qemu-system-x86_64",
    },
    Package {
        name: "faketime",
        program: "faketime",
    },
];

/// Seconds on the wall for one of an emulated guest whose clock is slowed. Emulation makes kernel
/// code some fifteen times slower; a guest that is kept by time needs that back.
const SLOWNESS: f64 = 20.0;

/// A guest that can be started as often as one likes.
pub(super) struct Guest {
    kernel: PathBuf,
    folder: PathBuf,
    is_accelerated: bool,
}

/// Name of the archive in the folder of the guest.
const INITRAMFS: &str = "initramfs";

impl Guest {
    /// Puts the guest together in `folder`, which is emptied first; `init` is the script that it
    /// runs.
    pub(super) fn build(init: &str, hub: &Path, folder: &Path) -> Result<Self> {
        ensure!(
            cfg!(target_arch = "x86_64"),
            "guests are made for x86-64 only"
        );
        let release = kernel_release()?;
        let root = folder.join("root");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        for inner in ["bin", "data", "dev", "modules", "proc", "sys"] {
            fs::create_dir_all(root.join(inner))?;
        }
        fs::copy(init, root.join("init"))?;
        add_busybox(&root)?;
        // Symbols are three quarters of it, and a kernel reads them for nothing at every boot.
        ask(Command::new("strip")
            .arg("-o")
            .arg(root.join("bin/fanfare"))
            .arg(hub))?;
        add_libraries(hub, &root)?;
        add_modules(&release, &root)?;
        pack(&root, &folder.join(INITRAMFS))?;
        Ok(Self {
            kernel: Path::new("/boot").join(format!("vmlinuz-{release}")),
            folder: folder.to_path_buf(),
            is_accelerated: is_accelerated(),
        })
    }

    /// Who runs the guest's instructions.
    pub(super) fn processor(&self) -> &'static str {
        if self.is_accelerated {
            "the one of this machine, through KVM"
        } else {
            "emulated, because KVM does not run on the hardware here"
        }
    }

    /// Seconds on the wall for one of the guest, when it runs by [`slow_qemu`](Self::slow_qemu).
    pub(super) fn slowness(&self) -> f64 {
        if self.is_accelerated { 1.0 } else { SLOWNESS }
    }

    /// QEMU whose clock runs as much slower as emulation makes everything else, so that the guest
    /// sees a machine of about the usual speed.
    pub(super) fn slow_qemu(&self, memory_mib: u64, environment: &str) -> Command {
        let qemu = self.qemu(memory_mib, environment);
        if self.is_accelerated {
            return qemu;
        }
        let mut slow = words("faketime -f");
        slow.arg(format!("+0 x{}", 1.0 / SLOWNESS));
        slow.arg(qemu.get_program()).args(qemu.get_args());
        slow.current_dir(&self.folder).stdin(Stdio::null());
        slow
    }

    /// QEMU with two processors and no devices, which writes the console to a file of that name;
    /// `environment` is handed to the script.
    pub(super) fn qemu(&self, memory_mib: u64, environment: &str) -> Command {
        let (accelerator, processor) = match self.is_accelerated {
            true => ("kvm", "host"),
            false => ("tcg", "max"),
        };
        let mut qemu =
            words("qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot");
        qemu.arg("-machine").arg(format!("q35,accel={accelerator}"));
        qemu.args(["-cpu", processor, "-smp", "2"]);
        qemu.arg("-m").arg(memory_mib.to_string());
        qemu.arg("-serial").arg(format!("file:{CONSOLE}"));
        qemu.arg("-kernel").arg(&self.kernel);
        qemu.args(["-initrd", INITRAMFS]);
        // What the kernel does not know becomes an environment variable of `init`.
        let boot = "console=ttyS0 quiet loglevel=4 edd=off nokaslr mitigations=off panic=-1";
        qemu.arg("-append").arg(format!("{boot} {environment}"));
        qemu.current_dir(&self.folder).stdin(Stdio::null());
        qemu
    }

    /// The file that the console is written to, empty.
    pub(super) fn console(&self) -> Result<PathBuf> {
        let console = self.folder.join(CONSOLE);
        fs::write(&console, "")?;
        Ok(console)
    }
}

/// Name of the file that the console is written to.
const CONSOLE: &str = "console";

/// Says whether KVM runs guests on the processor itself.
/// Where it has to translate foreign kernels, it is slower than QEMU's own emulation.
fn is_accelerated() -> bool {
    let is_open = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    let is_hardware = |vendor: &str| Path::new("/sys/module").join(vendor).exists();
    is_open
        && ["kvm_intel", "kvm_amd"]
            .iter()
            .any(|vendor| is_hardware(vendor))
}

/// The newest cloud kernel that is installed with its modules.
fn kernel_release() -> Result<String> {
    let mut releases: Vec<_> = fs::read_dir("/lib/modules")
        .context("no kernel modules in /lib/modules")?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|release| release.ends_with("-cloud-amd64"))
        .filter(|release| {
            Path::new("/boot")
                .join(format!("vmlinuz-{release}"))
                .exists()
        })
        .collect();
    releases.sort();
    releases
        .pop()
        .context("no kernel of the package linux-image-cloud-amd64 in /boot")
}

fn add_busybox(root: &Path) -> Result<()> {
    let busybox = ask(&mut words("which busybox"))?;
    fs::copy(busybox.trim(), root.join("bin/busybox"))?;
    for applet in APPLETS.split(' ') {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    Ok(())
}

/// Copies the libraries that the dynamic linker would load, each to the path it has here.
fn add_libraries(hub: &Path, root: &Path) -> Result<()> {
    let list = ask(Command::new("ldd").arg(hub))?;
    for library in list.split_whitespace().filter(|word| word.starts_with('/')) {
        let target = root.join(library.trim_start_matches('/'));
        let parent = target.parent().context("a library has no folder")?;
        fs::create_dir_all(parent)?;
        fs::copy(library, &target).with_context(|| format!("cannot copy {library}"))?;
    }
    Ok(())
}

/// Copies the drivers and what they need, numbered in the order of loading.
fn add_modules(release: &str, root: &Path) -> Result<()> {
    let modules = Path::new("/lib/modules").join(release);
    let depends = fs::read_to_string(modules.join("modules.dep"))?;
    for (index, path) in load_order(&depends)?.iter().enumerate() {
        ensure!(
            path.ends_with(".ko"),
            "cannot read the compressed module {path}"
        );
        let name = format!("modules/{index:02}.ko");
        fs::copy(modules.join(path), root.join(name))?;
    }
    Ok(())
}

/// The files of the drivers, each after those that it needs, from the text of `modules.dep`.
fn load_order(depends: &str) -> Result<Vec<&str>> {
    let mut order = Vec::new();
    for driver in DRIVERS {
        let file = format!("/{driver}.ko");
        let line = depends.lines().find_map(|line| {
            line.split_once(':')
                .filter(|(path, _)| path.contains(&file))
        });
        let Some((path, needed)) = line else {
            bail!("the kernel has no module {driver}");
        };
        // What is needed first stands last.
        for path in needed.split_whitespace().rev().chain([path]) {
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    Ok(order)
}

/// Writes the folder as an archive that a kernel unpacks; packing it smaller costs time at boot.
fn pack(root: &Path, archive: &Path) -> Result<()> {
    let names = ask(words("find .").current_dir(root))?;
    let mut cpio = words("busybox cpio -o -H newc")
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(fs::File::create(archive)?)
        .stderr(Stdio::null())
        .spawn()?;
    let mut list = cpio.stdin.take().context("cpio has no standard input")?;
    list.write_all(names.as_bytes())?;
    drop(list);
    let status = cpio.wait()?;
    ensure!(status.success(), "cpio ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_loaded_after_those_it_needs_and_once() {
        let depends = "k/virtio_blk.ko: k/virtio.ko k/virtio_ring.ko\n\
                       k/virtio.ko: k/virtio_ring.ko\n\
                       k/virtio_ring.ko:\n\
                       k/virtio_pci.ko: k/virtio_pci_modern_dev.ko k/virtio.ko k/virtio_ring.ko\n\
                       k/virtio_net.ko: k/failover.ko k/virtio.ko k/virtio_ring.ko\n";
        let order = load_order(depends).unwrap();
        assert_eq!(
            order,
            [
                "k/virtio_ring.ko",
                "k/virtio.ko",
                "k/virtio_pci_modern_dev.ko",
                "k/virtio_pci.ko",
                "k/virtio_blk.ko",
                "k/failover.ko",
                "k/virtio_net.ko",
            ]
        );
        assert!(load_order("k/virtio_blk.ko:\n").is_err());
    }
}
