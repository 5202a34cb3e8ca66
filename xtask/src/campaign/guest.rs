//! The guest: a kernel of Debian, and an initramfs of busybox, the hub and the libraries it needs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::command::{ask, words};

/// The first program of the guest.
const INIT: &str = "deploy/guest/init";

/// What the script calls; each is a link to busybox.
const APPLETS: &str = "cut insmod ip mount sh sleep";

/// Drivers that the cloud kernel leaves to modules; its ext4 is built in.
const DRIVERS: [&str; 3] = ["virtio_pci", "virtio_blk", "virtio_net"];

/// What QEMU needs to start the guest.
pub(super) struct Guest {
    pub(super) kernel: PathBuf,
    /// Name of the archive in the folder of the rig.
    pub(super) initramfs: &'static str,
}

impl Guest {
    /// Puts the guest together in `folder`, which is emptied first.
    pub(super) fn build(hub: &Path, folder: &Path) -> Result<Self> {
        let release = kernel_release()?;
        let root = folder.join("root");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        for inner in ["bin", "data", "dev", "modules", "proc", "sys"] {
            fs::create_dir_all(root.join(inner))?;
        }
        fs::copy(INIT, root.join("init"))?;
        add_busybox(&root)?;
        // Symbols are three quarters of it, and a kernel reads them for nothing at every boot.
        ask(Command::new("strip")
            .arg("-o")
            .arg(root.join("bin/fanfare"))
            .arg(hub))?;
        add_libraries(hub, &root)?;
        add_modules(&release, &root)?;
        let initramfs = "initramfs";
        pack(&root, &folder.join(initramfs))?;
        Ok(Self {
            kernel: Path::new("/boot").join(format!("vmlinuz-{release}")),
            initramfs,
        })
    }
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
