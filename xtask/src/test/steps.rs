//! The table of steps: what is checked, in which order, with which command.

use std::path::Path;

use anyhow::{Result, ensure};

use super::packages::{self, Package};
use super::{Outcome, deny};
use crate::command::{ask, run, words};
use crate::{campaign, fuzz, tidy};

/// One thing to check.
pub(crate) struct Step {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// One line for the list and the header.
    pub(crate) about: &'static str,
    /// Does it; an error is a failed step.
    pub(crate) work: fn() -> Result<Outcome>,
}

/// Cheap and likely to fail comes first.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "every Rust file is formatted",
        work: fmt,
    },
    Step {
        name: "tidy",
        about: "arrows, budgets, words, prose",
        work: tidy,
    },
    Step {
        name: "clippy",
        about: "no warning in any target",
        work: clippy,
    },
    Step {
        name: "unit",
        about: "the tests of the workspace, its examples built",
        work: unit,
    },
    Step {
        name: "doctest",
        about: "the examples inside the documentation",
        work: doctest,
    },
    Step {
        name: "doc",
        about: "the documentation builds without a warning",
        work: doc,
    },
    Step {
        name: "deny",
        about: "licences, bans, sources, advisories",
        work: deny::check,
    },
    Step {
        name: "beside",
        about: "what lives beside the workspace compiles",
        work: beside,
    },
    Step {
        name: "models",
        about: "what threads share without a lock, in every order in which they can meet",
        work: models,
    },
    Step {
        name: "campaigns",
        about: "a hub that is killed, damaged, flooded, restarted and out of room keeps its word",
        work: campaigns,
    },
    Step {
        name: "acme",
        about: "certificates are ordered, shown, renewed and kept",
        work: campaign::acme::short,
    },
    Step {
        name: "conformance",
        about: "foreign clients receive every byte",
        work: conformance,
    },
    Step {
        name: "client",
        about: "the TypeScript client: types, sizes, tests against the real hub",
        work: client,
    },
    Step {
        name: "react",
        about: "the React message board builds from its lock file",
        work: react,
    },
    Step {
        name: "browser",
        about: "a person's clicks in headless Chromium, the client in Firefox, too",
        work: browser,
    },
    Step {
        name: "fuzz",
        about: "5 seconds of random input per target",
        work: fuzz_smoke,
    },
];

/// Enough to see that each target runs and meets the words of its dictionary; what finds something
/// is `cargo xtask fuzz`.
const FUZZ_SECONDS: u32 = 5;

const CLIENT: &str = "clients/js";
const REACT: &str = "examples/react-message-board";

/// Of kills some of each kind, in ten seconds; of damage every kind of place some twenty times; of
/// subscribers as many as come back within the same time.
const SHORT: campaign::Short = campaign::Short {
    kills: 10,
    damages: 300,
    clients: 300,
};

const CHROMIUM: Package<'_> = Package {
    name: "chromium",
    program: "chromium",
};
const FIREFOX: Package<'_> = Package {
    name: "firefox-esr",
    program: "firefox-esr",
};
const CLOCK: Package<'_> = Package {
    name: "faketime",
    program: "faketime",
};
const IP: Package<'_> = Package {
    name: "iproute2",
    program: "ip",
};
const NODE: Package<'_> = Package {
    name: "nodejs",
    program: "node",
};
const NGINX: Package<'_> = Package {
    name: "nginx-light",
    program: "nginx",
};
const OPENSSL: Package<'_> = Package {
    name: "openssl",
    program: "openssl",
};
const STRACE: Package<'_> = Package {
    name: "strace",
    program: "strace",
};
const NPM: Package<'_> = Package {
    name: "npm",
    program: "npm",
};

fn cargo(line: &str) -> Result<Outcome> {
    run(&mut words(&format!("cargo {line}")))?;
    Ok(Outcome::Passed)
}

fn fmt() -> Result<Outcome> {
    cargo("fmt --all --check")
}

fn tidy() -> Result<Outcome> {
    let is_tidy = tidy::run(&tidy::Options::default())?;
    ensure!(
        is_tidy,
        "the findings are above; `cargo xtask tidy` repeats them"
    );
    Ok(Outcome::Passed)
}

fn clippy() -> Result<Outcome> {
    cargo("clippy --workspace --all-targets -- -D warnings")
}

fn unit() -> Result<Outcome> {
    // For the peer that vanishes, which needs a network that can be cut, for a clock that steps,
    // for keys that somebody else made, for syncs that fail or hang, and for a proxy in front.
    packages::bring(&[IP, CLOCK, OPENSSL, STRACE, NGINX])?;
    cargo("test --workspace --all-targets --no-fail-fast")?;
    // The same HTTP over the driver that systems without epoll have.
    let mut again = words("cargo test --package fanfare-http --test it --no-fail-fast");
    run(again.env("FANFARE_TEST_DRIVER", "runtime"))?;
    Ok(Outcome::Passed)
}

fn doctest() -> Result<Outcome> {
    cargo("test --workspace --doc")
}

fn doc() -> Result<Outcome> {
    run(words("cargo doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Passed)
}

/// Benches, fuzz targets and foreign clients keep their own lock files: `--workspace` misses them.
/// They share what they are built of, and so a folder for it.
fn beside() -> Result<Outcome> {
    let list = ask(&mut words(
        "git ls-files --cached --others --exclude-standard *Cargo.toml",
    ))?;
    for manifest in list.lines().filter(|path| is_beside(path)) {
        run(words("cargo fmt --check --manifest-path").arg(manifest))?;
        let mut check = words("cargo check --quiet --all-targets --target-dir target/beside");
        run(check.arg("--manifest-path").arg(manifest))?;
    }
    Ok(Outcome::Passed)
}

fn is_beside(manifest: &str) -> bool {
    !["Cargo.toml", "xtask/Cargo.toml"].contains(&manifest) && !manifest.starts_with("crates/")
}

fn models() -> Result<Outcome> {
    cargo("test --quiet --target-dir target/beside --manifest-path models/Cargo.toml")
}

/// Short runs of what is otherwise run for an hour.
fn campaigns() -> Result<Outcome> {
    campaign::short(&SHORT)
}

/// The run knows best what it needs, down to the texts of its corpus, and brings it.
fn conformance() -> Result<Outcome> {
    packages::bring(&[NODE, NPM])?;
    run(&mut words("cargo build --package fanfare-cli"))?;
    run(&mut words("conformance/setup.sh"))?;
    run(words("node conformance/run.mjs").env("FANFARE_BIN", "target/debug/fanfare"))?;
    Ok(Outcome::Passed)
}

fn browser() -> Result<Outcome> {
    packages::bring(&[CHROMIUM, FIREFOX, NODE, NPM])?;
    npm(CLIENT, &["build"])?;
    // One of the tests builds and serves the React app with the hub's address inside.
    npm(REACT, &[])?;
    run(&mut words("cargo build --package fanfare-cli"))?;
    npm("tests/browser", &["test"])
}

fn client() -> Result<Outcome> {
    packages::bring(&[NODE, NPM])?;
    run(&mut words("cargo build --package fanfare-cli"))?;
    let service = "cargo build --manifest-path conformance/client-service/rust/Cargo.toml";
    run(&mut words(service))?;
    npm(CLIENT, &["build", "size", "test"])
}

fn react() -> Result<Outcome> {
    packages::bring(&[NODE, NPM])?;
    npm(CLIENT, &["build"])?;
    npm(REACT, &["build"])
}

/// Installs exactly what the lock file says, then runs scripts of the folder.
fn npm(folder: &str, scripts: &[&str]) -> Result<Outcome> {
    ensure!(
        Path::new(folder).join("package-lock.json").is_file(),
        "{folder} has no package-lock.json"
    );
    run(words("npm ci --no-audit --no-fund").current_dir(folder))?;
    for script in scripts {
        run(words("npm run --silent").arg(script).current_dir(folder))?;
    }
    Ok(Outcome::Passed)
}

fn fuzz_smoke() -> Result<Outcome> {
    if let Some(reason) = fuzz::missing() {
        return Ok(Outcome::NotRun(reason));
    }
    for target in fuzz::targets()? {
        fuzz::fuzz(&target, FUZZ_SECONDS)?;
    }
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_beside_the_workspace_is_told_by_its_path() {
        for path in [
            "fuzz/Cargo.toml",
            "bench/decoder/Cargo.toml",
            "conformance/clients/x/Cargo.toml",
        ] {
            assert!(is_beside(path), "{path}");
        }
        for path in [
            "Cargo.toml",
            "xtask/Cargo.toml",
            "crates/fanfare-sse/Cargo.toml",
        ] {
            assert!(!is_beside(path), "{path}");
        }
    }

    #[test]
    fn step_names_are_unique() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(
                STEPS[..index].iter().all(|other| other.name != step.name),
                "{}",
                step.name
            );
        }
    }
}
