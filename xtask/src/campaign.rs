//! Campaigns: the real hub under load while something is taken away from it, again and again.
//!
//! - `load`: the publishers, subscribers and the checker, a program beside this one;
//! - `hub`: the hub, another program, and what it says of itself;
//! - `record`: what a run leaves in `docs/results`;
//! - `crash`, `corrupt`, `disk_full`, `power_cut`: what is taken away;
//! - `restart`: nothing is, but everybody is sent away for a moment;
//! - `floods`: nothing is taken away there, there is too much of something;
//! - `guest`: a machine of one's own, for what takes a power cut or more than a process may have;
//! - `acme`: certificates, from an authority of its own;
//! - `million`: nothing is taken away there, there are only very many.

pub(crate) mod acme;
pub(crate) mod corrupt;
pub(crate) mod crash;
pub(crate) mod disk_full;
pub(crate) mod floods;
mod guest;
mod hub;
mod load;
pub(crate) mod million;
pub(crate) mod power_cut;
pub(crate) mod record;
pub(crate) mod restart;

use anyhow::{Result, ensure};

use crate::test::Outcome;
use hub::Build;

/// The same each time: what a test finds has to be found again.
const SEED: u64 = 1;

/// How much the short campaigns do.
pub(crate) struct Short {
    pub(crate) kills: u32,
    pub(crate) damages: u32,
    /// Subscribers of the one restart.
    pub(crate) clients: u32,
}

/// Runs each campaign but the power cuts for a few seconds.
pub(crate) fn short(short: &Short) -> Result<Outcome> {
    let build = Build::Debug;
    let crash = crash::Options {
        rounds: short.kills,
        seed: SEED,
        record: false,
        build,
    };
    ensure!(crash::run(&crash)?, "a hub that was killed broke its word");
    let corrupt = corrupt::Options {
        cases: short.damages,
        seed: SEED,
        record: false,
        build,
    };
    ensure!(
        corrupt::run(&corrupt)?,
        "a log that was damaged was not told"
    );
    let restart = restart::Options {
        clients: short.clients,
        rounds: 1,
        seed: SEED,
        record: false,
        build,
    };
    ensure!(
        restart::run(&restart)?,
        "a hub that was restarted broke a word"
    );
    let floods = floods::Options {
        only: Vec::new(),
        short: true,
        record: false,
        build,
    };
    floods::run(&floods)?;
    if !disk_full::is_possible() {
        let note = "no disk was filled, because that takes the rights of root";
        return Ok(Outcome::PassedExcept(note.to_owned()));
    }
    let disk_full = disk_full::Options {
        seed: SEED,
        record: false,
        build,
    };
    ensure!(disk_full::run(&disk_full)?, "a full disk broke a word");
    Ok(Outcome::Passed)
}
