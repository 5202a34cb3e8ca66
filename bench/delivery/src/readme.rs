//! The part of the README that the measurement writes: its plot, and what that shows in a sentence.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use fanfare_bench::stats::thousands;

use crate::cells::Scenario;
use crate::measure::Row;
use crate::peers::Peer;
use crate::store::Store;

/// What that part lies between.
const BEGIN: &str = "<!-- written by `cargo xtask bench delivery` -->\n";
const END: &str = "<!-- end of what is written -->\n";
/// The cell that is told: as many subscribers as a large page has, and a server at its best.
const SUBSCRIBERS: usize = 10_000;
const IN_FLIGHT: usize = 1_024;

/// Writes that part anew; without its cell it stays.
pub fn write(path: &Path, store: &Store) -> Result<()> {
    let measured = store.measured();
    let cell = measured.iter().find(|(cell, _)| {
        let place = (cell.subscribers(), cell.in_flight());
        cell.scenario == Scenario::Saturation && place == (SUBSCRIBERS, Some(IN_FLIGHT))
    });
    let Some((_, stored)) = cell else {
        return Ok(());
    };
    let text = fs::read_to_string(path)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .context("the README has no place for the plot")?;
    let (_, after) = rest
        .split_once(END)
        .context("the place for the plot has no end")?;
    let fresh = format!(
        "[![Deliveries a second over subscribers, for each server](docs/results/delivery/deliveries.svg)](docs/results/delivery.md)\n\n{}\n",
        sentence(&stored.rows)
    );
    fs::write(path, format!("{before}{BEGIN}{fresh}{END}{after}"))?;
    Ok(())
}

fn sentence(rows: &[Row]) -> String {
    let told = [
        Peer::Fanfare,
        Peer::Axum,
        Peer::Nchan,
        Peer::Pushpin,
        Peer::Express,
    ];
    let rates: Vec<_> = told
        .iter()
        .filter_map(|peer| {
            let is_measured = |row: &&Row| row.peer == *peer && row.failure.is_none();
            let row = rows.iter().find(is_measured)?;
            let rate = row.spread(|run| run.figures.deliveries_per_s).median;
            rate.is_finite()
                .then(|| format!("{} {}", peer.name(), thousands(rate)))
        })
        .collect();
    format!(
        "Deliveries a second to {} subscribers of one topic, each server on one core, events of 100 bytes: {}.",
        thousands(SUBSCRIBERS as f64),
        rates.join("; ")
    )
}
