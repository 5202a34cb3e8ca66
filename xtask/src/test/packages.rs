//! Debian packages that a step needs: installs what is missing, or says in one line what is.

use std::path::Path;

use anyhow::{Result, bail};

use crate::command::{ask, on_path, run, words};

/// A package, and the program whose presence makes it unnecessary.
#[derive(Clone, Copy)]
pub(crate) struct Package<'a> {
    /// Name of the package.
    pub(crate) name: &'a str,
    /// Program that it brings.
    pub(crate) program: &'a str,
}

/// Makes sure that the packages are there.
///
/// # Errors
/// When something is missing and this is not root on a Debian system, one line that says what.
pub(crate) fn bring(packages: &[Package<'_>]) -> Result<()> {
    let is_needed = |package: &&Package<'_>| !on_path(package.program);
    let needed: Vec<_> = packages
        .iter()
        .filter(is_needed)
        .map(|package| package.name)
        .collect();
    if needed.is_empty() {
        return Ok(());
    }
    // Fails when one of them is unknown, and still prints the others.
    let status = "-f=${Package} ${db:Status-Status}\n";
    let known = std::process::Command::new("dpkg-query")
        .args(["-W", status])
        .args(&needed)
        .output();
    let known = known.map(|output| output.stdout).unwrap_or_default();
    let missing = not_installed(&needed, &String::from_utf8_lossy(&known));
    if missing.is_empty() {
        return Ok(());
    }
    let line = missing.join(" ");
    if !on_path("apt-get") || !is_root() {
        bail!("missing Debian packages: {line} (sudo apt-get install {line})");
    }
    run(&mut words("apt-get update --quiet=2"))?;
    let mut install = words("apt-get install --yes --quiet=2 --no-install-recommends");
    run(install
        .args(missing)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The names that the answer of dpkg-query does not call installed.
fn not_installed<'a>(needed: &[&'a str], answer: &str) -> Vec<&'a str> {
    let is_missing = |name: &&&str| {
        let line = format!("{name} installed");
        !answer.lines().any(|answer| answer == line)
    };
    needed.iter().filter(is_missing).copied().collect()
}

fn is_root() -> bool {
    // Asking `id` needs no system call of our own; where it is absent we are not on Debian.
    Path::new("/etc/debian_version").exists()
        && ask(&mut words("id -u")).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_counts_only_when_installed() {
        let answer = "curl installed\nchromium config-files\n";
        let missing = not_installed(&["curl", "chromium", "fortunes-zh"], answer);
        assert_eq!(missing, ["chromium", "fortunes-zh"]);
    }

    #[test]
    fn a_program_on_the_path_stands_for_its_package() {
        bring(&[Package {
            name: "no-such-package",
            program: "cargo",
        }])
        .unwrap();
    }
}
