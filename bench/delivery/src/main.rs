//! Measures how fast hubs deliver: Fanfare, its peers, and the floor that none can be below.

mod cells;
mod checks;
mod measure;
mod nchan;
mod origin;
mod peers;
mod plots;
mod pushpin;
mod readme;
mod report;
mod servers;
mod store;
mod streams;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::Parser;

use crate::cells::Scenario;
use crate::measure::Plan;
use crate::origin::Configuration;
use crate::peers::Peer;
use crate::servers::Place;
use crate::store::{Store, StoredCell};

/// Measures how fast events are delivered, beside the floor and other servers.
#[derive(Parser)]
pub struct Cli {
    /// As much as shows the order of things in five minutes
    #[arg(long)]
    quick: bool,
    /// Only these scenarios
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<Scenario>,
    /// Only these servers, such as `floor,fanfare`
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    peers: Vec<String>,
    /// Only cells with these numbers of subscribers
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    subscribers: Vec<usize>,
    /// Only cells with these numbers of publish requests in flight
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    in_flight: Vec<usize>,
    /// Only cells with these sizes of payload
    #[arg(long, value_delimiter = ',', value_name = "BYTES")]
    bytes: Vec<usize>,
    /// Runs of each cell, of which the median counts
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of a run that count
    #[arg(long)]
    seconds: Option<f64>,
    /// Let servers and load share all cores
    #[arg(long)]
    unpinned: bool,
    /// Write the report and its plots again from what was measured before
    #[arg(long)]
    report_only: bool,
    /// Where the report goes [default: docs/results for cells that are measured as planned, which
    /// take the place of the same ones there; for anything less bench/delivery/target/trial, which
    /// is begun anew]
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,
    /// The program
    #[arg(long, default_value = "target/release/fanfare")]
    fanfare: PathBuf,
    /// The program of nginx
    #[arg(long, default_value = "/usr/sbin/nginx")]
    nginx: PathBuf,
    /// The module of Nchan
    #[arg(long, default_value = "/usr/lib/nginx/modules/ngx_nchan_module.so")]
    nchan_module: PathBuf,
    /// Where the servers keep their files
    #[arg(long, default_value = "bench/delivery/target/servers")]
    dir: PathBuf,
}

/// Where the report of everything is, with the README that shows its plot.
const RESULTS: &str = "docs/results";
const README: &str = "README.md";
/// Where the report of a trial is.
const TRIAL: &str = "bench/delivery/target/trial";

fn main() -> Result<()> {
    let cli = Cli::parse();
    servers::end_on_signal()?;
    let default = if cli.is_trial() { TRIAL } else { RESULTS };
    let folder = cli.report.clone().unwrap_or_else(|| default.into());
    fs::create_dir_all(folder.join("delivery"))?;
    let runs = folder.join("delivery/runs.json");
    let mut store = match cli.is_trial() && cli.report.is_none() && !cli.report_only {
        true => Store::default(),
        false => Store::open(&runs)?,
    };
    if cli.report_only {
        ensure!(
            !store.cells.is_empty(),
            "nothing was measured yet: there is no {}",
            runs.display()
        );
    } else {
        measure(&cli, &mut store, &runs)?;
    }
    report::write(&folder, &store)?;
    println!("\n{}", folder.join("delivery.md").display());
    if folder == Path::new(RESULTS) {
        readme::write(Path::new(README), &store)?;
    }
    Ok(())
}

/// Measures what was asked for, and keeps each cell once it is there.
fn measure(cli: &Cli, store: &mut Store, runs: &Path) -> Result<()> {
    let mut programs = std::env::current_exe()?;
    programs.pop();
    let place = Place {
        fanfare: cli.fanfare.clone(),
        nginx: cli.nginx.clone(),
        nchan_module: cli.nchan_module.clone(),
        programs,
        sources: "bench/delivery".into(),
        dir: cli.dir.clone(),
    };
    let plan = Plan::of(cli);
    let asked = chosen_peers(cli)?;
    if asked
        .as_ref()
        .is_none_or(|peers| peers.contains(&Peer::Express))
    {
        peers::install_express(&place)?;
    }
    for cell in cells::chosen(cli) {
        let mut peers = cell.peers(cli.quick);
        if let Some(asked) = &asked {
            peers = asked.clone();
        }
        let rows = measure::measure(&cell, &peers, &plan, &place);
        table::print(&cell, &rows);
        for verdict in checks::verdicts(&cell, &rows) {
            let Some(seen) = verdict.seen else { continue };
            let mark = if verdict.is_reached { "ok  " } else { "MISS" };
            println!(
                "    {mark} {seen:.2} {} ({})",
                verdict.text, verdict.demanded
            );
        }
        for peer in peers {
            let configuration = Configuration::of(peer, &place);
            store.servers.insert(peer.word().to_owned(), configuration);
        }
        store.put(StoredCell::new(&cell, &plan, rows));
        store.save(runs)?;
    }
    Ok(())
}

impl Cli {
    /// Whether it measures less than the report is made of.
    fn is_trial(&self) -> bool {
        let is_cut = self.rounds.is_some() || self.seconds.is_some();
        self.quick || self.unpinned || is_cut || !self.peers.is_empty()
    }

    /// Whether cells are chosen by their numbers.
    fn has_numbers(&self) -> bool {
        [&self.subscribers, &self.in_flight, &self.bytes]
            .iter()
            .any(|list| !list.is_empty())
    }
}

/// The servers that were asked for; none when the scenarios choose.
fn chosen_peers(cli: &Cli) -> Result<Option<Vec<Peer>>> {
    if cli.peers.is_empty() {
        return Ok(None);
    }
    let mut peers = Vec::new();
    for word in &cli.peers {
        let named = Peer::named(word);
        if named.is_empty() {
            let known: Vec<_> = Peer::ALL.iter().map(|peer| peer.word()).collect();
            bail!(
                "there is no server {word:?}; there are {}",
                known.join(", ")
            );
        }
        peers.extend(named);
    }
    Ok(Some(peers))
}
