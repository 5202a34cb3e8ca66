//! `fanfare-flood HUB FOLDER full|short [NAME...]`: sends floods to a hub that it starts for each,
//! and tells what came of the hub and of a healthy neighbour.
//!
//! Prints one line of JSON per flood; ends with 0 when every flood ended as it has to.
//! `fanfare-flood list` prints their names.
//!
//! - `hub`: the hub, another program, and what the system says of it;
//! - `door`: connections to it, with and without TLS;
//! - `talk`: requests and answers of HTTP/1.1, byte by byte;
//! - `frames`, `heard`: HTTP/2, frame by frame, and what came back;
//! - `pour`: sending without end and listening at the same time;
//! - `probe`: the healthy neighbour;
//! - `trial`: one flood from the start of its hub to the verdict;
//! - `floods`: the table of floods.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod door;
mod floods;
mod frames;
mod heard;
mod hub;
mod pour;
mod probe;
mod talk;
mod trial;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::floods::{FLOODS, Flood};

/// How hard the hub is hit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What is written down: every flood, and those without end for many seconds.
    Full,
    /// What is tried with every change: the floods that need no waiting, a second each.
    Short,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (hub, folder, extent, only) = match *words.as_slice() {
        ["list"] => {
            FLOODS.iter().for_each(|flood| println!("{}", flood.name));
            return ExitCode::SUCCESS;
        }
        [hub, folder, "full", ref only @ ..] => (hub, folder, Extent::Full, only),
        [hub, folder, "short", ref only @ ..] => (hub, folder, Extent::Short, only),
        _ => panic!("fanfare-flood HUB FOLDER full|short [NAME...], not {words:?}"),
    };
    let is_chosen = |flood: &&Flood| match only {
        [] => extent == Extent::Full || flood.is_short,
        names => names.contains(&flood.name),
    };
    let scene = trial::Scene {
        hub: PathBuf::from(hub),
        folder: Path::new(folder).to_owned(),
        extent,
    };
    let mut is_good = true;
    for flood in FLOODS.iter().filter(is_chosen) {
        let report = trial::run(&scene, flood).await;
        println!("{}", report.to_json());
        is_good &= report.breaches.is_empty();
    }
    match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
