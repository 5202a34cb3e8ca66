//! Measures how fast hubs deliver: Fanfare, its peers, and the floor that none can be below.

mod cells;
mod checks;
mod measure;
mod nchan;
mod peers;
mod pushpin;
mod servers;
mod streams;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;

use crate::cells::Scenario;
use crate::measure::Plan;
use crate::peers::Peer;
use crate::servers::Place;

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

fn main() -> Result<()> {
    let cli = Cli::parse();
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
    let plan = Plan::of(&cli);
    let asked = chosen_peers(&cli)?;
    if asked
        .as_ref()
        .is_none_or(|peers| peers.contains(&Peer::Express))
    {
        peers::install_express(&place)?;
    }
    for cell in cells::chosen(&cli) {
        let mut peers = cell.peers(cli.quick);
        if let Some(asked) = &asked {
            peers = asked.clone();
        }
        let rows = measure::measure(&cell, &peers, &plan, &place);
        table::print(&cell, &rows);
        for verdict in checks::verdicts(&cell, &rows) {
            let mark = if verdict.is_passed { "ok  " } else { "MISS" };
            let (text, reached) = (&verdict.text, verdict.reached);
            println!("    {mark} {reached:.2} {text} ({})", verdict.demanded);
        }
    }
    Ok(())
}

impl Cli {
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
