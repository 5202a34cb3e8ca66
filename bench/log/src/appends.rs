//! Part 1: durable appends with some in flight, Fanfare beside embedded stores.

use std::path::Path;

use anyhow::Result;
use fanfare_hub::{Durability, RetentionRules};

use crate::effort::Effort;
use crate::fanfare::{self, Fanfare};
use crate::folder::Scratch;
use crate::in_flight::{self, Span};
use crate::payload::{EVENT_BYTES, TOPICS};
use crate::peers::{Gather, GroupCommit, Peer};
use crate::report::{Section, stamp};
use crate::stats::{Spread, number};

const DEPTHS: [usize; 4] = [1, 16, 256, 2_048];

/// Who takes the appends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// With the retention that a hub has by default, so that files are recycled.
    Fanfare,
    /// A log that only grows, as those of the others do.
    FanfareGrowing,
    Peer(Peer),
}

impl Target {
    fn all() -> Vec<Self> {
        let ours = [Self::Fanfare, Self::FanfareGrowing];
        ours.into_iter()
            .chain(Peer::all().map(Self::Peer))
            .collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Fanfare => "Fanfare",
            Self::FanfareGrowing => "Fanfare, keeps all",
            Self::Peer(peer) => peer.name(),
        }
    }

    fn run(self, dir: &Path, load: Load, span: Span) -> Result<f64> {
        let scratch = Scratch::new(dir, "appends")?;
        let driven = match self {
            Self::Peer(peer) => {
                let store = peer.open(scratch.path())?;
                let mut target = GroupCommit::new(store, load.gather, load.depth);
                in_flight::drive(&mut target, load.depth, span)?
            }
            Self::Fanfare | Self::FanfareGrowing => {
                let rules = match self {
                    Self::FanfareGrowing => fanfare::keep_everything(),
                    _ => RetentionRules::default(),
                };
                let log = fanfare::open(scratch.path(), Durability::Disk, rules)?;
                let mut target = Fanfare::with_payloads(log)?;
                in_flight::drive(&mut target, load.depth, span)?
            }
        };
        Ok(driven.rate())
    }
}

/// What of it is measured.
pub struct Choice {
    /// Begins the names of the targets that are measured, in lower case.
    pub prefix: String,
    /// Only with so many in flight.
    pub depth: Option<usize>,
}

impl Choice {
    fn targets(&self) -> Vec<Target> {
        let chosen = |target: &Target| target.name().to_lowercase().starts_with(&self.prefix);
        Target::all().into_iter().filter(chosen).collect()
    }

    fn depths(&self) -> Vec<usize> {
        self.depth.map_or(DEPTHS.to_vec(), |depth| vec![depth])
    }
}

/// How a target is loaded.
#[derive(Clone, Copy)]
struct Load {
    depth: usize,
    gather: Gather,
}

pub fn measure(dir: &Path, effort: Effort, choice: &Choice) -> Result<Section> {
    let (depths, targets) = (choice.depths(), choice.targets());
    let mut columns = Vec::new();
    for depth in &depths {
        columns.push(measure_depth(dir, effort, (*depth, &targets))?);
    }
    let mut rows = String::new();
    for (place, target) in targets.iter().enumerate() {
        let cells: Vec<_> = columns.iter().map(|column| column[place].clone()).collect();
        rows.push_str(&format!("| {} | {} |\n", target.name(), cells.join(" | ")));
    }
    for (turn, name) in ["at the same job", "by seq only"].iter().enumerate() {
        let times: Vec<_> = columns
            .iter()
            .map(|column| column[targets.len() + turn].clone())
            .collect();
        rows.push_str(&format!(
            "| Fanfare against the best other {name} | {} |\n",
            times.join(" | ")
        ));
    }
    Ok(Section {
        title: "1. Durable appends",
        body: format!(
            "Thousand appends a second of {EVENT_BYTES}-byte events to {TOPICS} topics, each answered when it is durable (fdatasync), one thread keeping so many in flight.\n\
            Wanted: 4 times the best other at the same job at 256 and 2,048, not slower at 1.\n\n\
            | in flight | {} |\n|---|{}\n{rows}\n\
            - Fanfare goes through `Log::append_to`: topics, encoding of the block, indexes and retention included; answers come by token.\n\
            - Each other store has one writer thread that commits for all who wait, under the seq as key; the value is time, topic and data. Answers reach the driving thread in the same way.\n\
            - A log of topics must tell what lies after a seq in one topic. The others at the same job keep an index by topic and seq in the same transaction (redb: a second table; fjall: a second keyspace; SQLite: an index), with the number of the topic given to them. \
            Those \"by seq only\" keep none, and find the events of a topic by reading all.\n\
            - Whether a store waits for all, for half or for any of those in flight was tried before, and each runs as it was fastest (in the cell).\n\
            - redb 4.4: `Durability::Immediate`. fjall 3.1: batches with `SyncData`, no compression, one worker. \
            SQLite (bundled with rusqlite 0.41): WAL, `synchronous=FULL`, exclusive, as it comes and with 16 KiB pages.\n\n{}",
            depths
                .iter()
                .map(usize::to_string)
                .collect::<Vec<_>>()
                .join(" | "),
            "---:|".repeat(depths.len()),
            stamp(),
        ),
    })
}

/// One column: the cell of each target, then how many times the best other Fanfare is, at the same
/// job and by seq only.
fn measure_depth(
    dir: &Path,
    effort: Effort,
    (depth, targets): (usize, &[Target]),
) -> Result<Vec<String>> {
    let mut loads = Vec::new();
    for &target in targets {
        loads.push(best_load(dir, target, depth)?);
    }
    let mut rates: Vec<_> = loads.iter().map(|_| Vec::new()).collect();
    for _ in 0..effort.rounds {
        for ((target, load), rates) in targets.iter().zip(&loads).zip(&mut rates) {
            rates.push(target.run(dir, *load, effort.span)?);
        }
    }
    let spreads: Vec<_> = rates.into_iter().map(Spread::of).collect();
    let mut cells = Vec::new();
    let mut best_others = [f64::NAN; 2];
    for ((target, load), spread) in targets.iter().zip(&loads).zip(&spreads) {
        let mut cell = spread.cell(1e3);
        if let Target::Peer(peer) = target {
            let best = &mut best_others[usize::from(!peer.is_by_topic)];
            *best = best.max(spread.median);
            cell.push_str(&format!(" {}", load.gather.name()));
        }
        println!("appends {depth} {}: {cell}", target.name());
        cells.push(cell);
    }
    let ours = spreads.first().map_or(f64::NAN, |spread| spread.median);
    let times = best_others.map(|other| number(ours / other));
    println!("appends {depth}: {} and {} times", times[0], times[1]);
    cells.extend(times);
    Ok(cells)
}

/// The way of gathering that suits a store at this depth.
fn best_load(dir: &Path, target: Target, depth: usize) -> Result<Load> {
    let load = |gather| Load { depth, gather };
    let mut best = (0.0, load(Gather::Any));
    if !matches!(target, Target::Peer(_)) || depth == 1 {
        return Ok(best.1);
    }
    for gather in Gather::ALL {
        let rate = target.run(dir, load(gather), Effort::TRIAL)?;
        if rate > best.0 {
            best = (rate, load(gather));
        }
    }
    Ok(best.1)
}
