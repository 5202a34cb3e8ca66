//! `fanfare-damage CASES SEED [ONLY]`: damages a log in every kind of place, opens it again, and
//! looks at what readers are told.
//!
//! The log lies on a simulated disk, where a damaged file is still the same file; on a real one a
//! copy would be known as a copy, and every id would get a gap for that reason alone.
//! Prints one line of JSON; ends with 0 when nothing was wrong.
//!
//! - `scene`: the log before the damage, and where its parts lie;
//! - `harm`: what is damaged, and which events that may cost;
//! - `witness`: what a reader is given afterwards;
//! - `judge`: whether that is what it has to be;
//! - `row`: what all cases of one kind of place came to.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod harm;
mod judge;
mod row;
mod scene;
mod witness;

use std::collections::BTreeMap;
use std::process::ExitCode;

use fastrand::Rng;
use serde_json::json;

use self::harm::Harm;
use self::row::Row;
use self::scene::{End, Scene};

/// Breaches that are told in full.
const BREACHES_MAX: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|word| word.parse::<u64>().unwrap());
    let cases = arguments.next().unwrap_or(1_000);
    let seed = arguments.next().unwrap_or(1);
    let only = arguments.next();
    let mut scenes = Vec::new();
    for end in End::ALL {
        scenes.push(Scene::new(end, seed).await);
    }
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut breaches = Vec::new();
    for case in (0..cases).filter(|case| only.is_none_or(|only| only == *case)) {
        // Each case has a seed of its own, so that one of them can be repeated alone.
        let mut rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(case));
        let scene = &scenes[rng.usize(..scenes.len())];
        let harm = Harm::choose(scene, &mut rng);
        let verdict = judge::judge(scene, &harm, &mut rng).await;
        let row = rows.entry(harm.place.name()).or_default();
        row.add(&verdict);
        // The others of a case are mostly the same seen by other readers.
        let first = verdict.breaches.first();
        if let Some(breach) = first.filter(|_| breaches.len() < BREACHES_MAX) {
            breaches.push(format!(
                "case {case}, {}, {harm}: {breach}",
                scene.end.name()
            ));
        }
        if only.is_some() {
            eprintln!("{harm}: {verdict:?}");
        }
    }
    let is_clean = rows.values().all(|row| row.breaches == 0);
    let rows: Vec<_> = rows.iter().map(|(name, row)| row.to_json(name)).collect();
    println!(
        "{}",
        json!({"seed": seed, "rows": rows, "breaches": breaches})
    );
    match is_clean {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
