//! The step `deny`: licences, bans and sources by cargo-deny; advisories where their list is.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::Outcome;
use crate::command::{ask, ask_within, run, words};

/// Pinned, so that a new lint of the tool arrives as a commit and not as a surprise.
const VERSION: &str = "0.20.2";
const FOLDER: &str = "target/tools";
/// A clone of the list takes seconds; a network that swallows packets would take minutes.
const FETCH_DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn check() -> Result<Outcome> {
    install()?;
    run(&mut deny("check bans licenses sources"))?;
    if let Err(error) = ask_within(&mut deny("fetch db"), FETCH_DEADLINE) {
        println!("the list of advisories cannot be fetched: {error:#}");
        return Ok(Outcome::PassedExcept(
            "ADVISORIES NOT CHECKED: their list cannot be reached from here".into(),
        ));
    }
    run(&mut deny("check advisories"))?;
    Ok(Outcome::Passed)
}

fn deny(arguments: &str) -> std::process::Command {
    words(&format!("{FOLDER}/bin/cargo-deny {arguments}"))
}

/// Builds cargo-deny into the target folder: without optimisation that is one minute, once.
fn install() -> Result<()> {
    let is_installed = Path::new(FOLDER).join("bin/cargo-deny").exists()
        && ask(&mut deny("--version")).is_ok_and(|version| version.contains(VERSION));
    if is_installed {
        return Ok(());
    }
    println!("cargo-deny {VERSION} is not there yet; building it takes about a minute, once");
    let line = format!(
        "cargo install cargo-deny --version {VERSION} --locked --root {FOLDER} --debug \
         --config profile.dev.debug=0 --quiet"
    );
    run(&mut words(&line))
}
