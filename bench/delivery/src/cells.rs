//! The cells of the comparison, and how one is measured: the servers take turns, each run on a
//! fresh process.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use fanfare_bench::cores::{self, Cores};
use fanfare_bench::scenario::{FanOut, Figures, Publishing, Setting};
use fanfare_bench::stats::{Spread, thousands};

use crate::Cli;
use crate::peers::Peer;
use crate::servers::Place;

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// As many events as the server takes
    Saturation,
    /// The same with events of a kilobyte
    Large,
    /// A fixed rate
    Fixed,
}

/// One measurement that all servers go through.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub scenario: Scenario,
    pub fan_out: FanOut,
    pub payload_bytes: usize,
}

impl Cell {
    pub fn title(&self) -> String {
        let FanOut {
            subscribers,
            publishing,
            ..
        } = self.fan_out;
        let publishing = match publishing {
            Publishing::InFlight(requests) => format!("{requests} in flight"),
            Publishing::Rate(per_s, _) => format!("{per_s} events/s"),
        };
        let scenario = self.scenario.to_possible_value();
        let name = scenario.map_or_else(String::new, |it| it.get_name().to_owned());
        let subscribers = thousands(subscribers as f64);
        format!(
            "{name}: {subscribers} subscribers, {publishing}, {} bytes",
            self.payload_bytes
        )
    }

    fn in_flight(&self) -> Option<usize> {
        match self.fan_out.publishing {
            Publishing::InFlight(requests) => Some(requests),
            Publishing::Rate(..) => None,
        }
    }
}

/// How much is measured.
pub struct Plan {
    pub rounds: usize,
    pub warm_up: Duration,
    pub counted: Duration,
    pub server: Cores,
    pub load: Cores,
}

impl Plan {
    pub fn of(cli: &Cli) -> Self {
        let (rounds, warm_up, counted) = if cli.quick {
            (1, 0.5, 1.0)
        } else {
            (5, 1.0, 3.0)
        };
        let (server, load) = match cli.unpinned {
            true => (Cores::All, Cores::All),
            false => (Cores::One(0), Cores::One(1)),
        };
        Self {
            rounds: cli.rounds.unwrap_or(rounds),
            warm_up: Duration::from_secs_f64(warm_up),
            counted: Duration::from_secs_f64(cli.seconds.unwrap_or(counted)),
            server,
            load,
        }
    }
}

/// The cells that were asked for.
pub fn chosen(cli: &Cli) -> Vec<Cell> {
    let wanted = |cell: &Cell| {
        let is_in = |list: &[usize], number| list.is_empty() || list.contains(&number);
        (cli.only.is_empty() || cli.only.contains(&cell.scenario))
            && is_in(&cli.subscribers, cell.fan_out.subscribers)
            && is_in(&cli.bytes, cell.payload_bytes)
            && cell
                .in_flight()
                .is_none_or(|number| is_in(&cli.in_flight, number))
    };
    all().into_iter().filter(wanted).collect()
}

fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut add = |scenario, subscribers, publishing, payload_bytes| {
        cells.push(Cell {
            scenario,
            fan_out: FanOut {
                subscribers,
                topics: 1,
                publishing,
            },
            payload_bytes,
        });
    };
    for (scenario, bytes) in [(Scenario::Saturation, 100), (Scenario::Large, 1_024)] {
        for subscribers in [100, 1_000, 10_000, 18_000] {
            for in_flight in [32, 1_024] {
                add(
                    scenario,
                    subscribers,
                    Publishing::InFlight(in_flight),
                    bytes,
                );
            }
        }
    }
    for (subscribers, per_s) in [(1_000, 50.0), (10_000, 5.0)] {
        add(
            Scenario::Fixed,
            subscribers,
            Publishing::Rate(per_s, 8),
            100,
        );
    }
    cells
}

/// One server in one cell.
pub struct Row {
    pub peer: Peer,
    pub runs: Vec<Figures>,
}

impl Row {
    pub fn spread(&self, of: impl Fn(&Figures) -> Option<f64>) -> Spread {
        Spread::of(self.runs.iter().filter_map(of))
    }
}

/// Measures one cell: the servers take turns.
pub fn measure(cell: &Cell, peers: &[Peer], plan: &Plan, place: &Place) -> Result<Vec<Row>> {
    let mut rows: Vec<_> = peers
        .iter()
        .map(|peer| Row {
            peer: *peer,
            runs: Vec::new(),
        })
        .collect();
    for _ in 0..plan.rounds {
        for row in &mut rows {
            let run = run(cell, row.peer, plan, place);
            let run = run.with_context(|| format!("{}, {}", row.peer.name(), cell.title()))?;
            row.runs.push(run);
        }
    }
    Ok(rows)
}

fn run(cell: &Cell, peer: Peer, plan: &Plan, place: &Place) -> Result<Figures> {
    let server = peer.start(place, plan.server)?;
    let setting = Setting {
        target: server.target.clone(),
        pids: vec![server.pid()],
        payload_bytes: cell.payload_bytes,
        connecting: 200,
        warm_up: plan.warm_up,
        counted: plan.counted,
    };
    let figures = cores::on(plan.load, || cell.fan_out.run(&setting))??;
    server.stop()?;
    Ok(figures)
}

/// Prints one cell as a table.
pub fn print(cell: &Cell, rows: &[Row]) {
    println!("\n{}", cell.title());
    println!(
        "  {:<24}{:>14}{:>26}{:>10}{:>9}{:>9}{:>9}{:>7}{:>7}  wrong",
        "", "deliveries/s", "range", "events/s", "CPU us", "p50 ms", "p99 ms", "server", "load"
    );
    for row in rows {
        let rate = row.spread(|run| run.deliveries_per_s);
        let range = format!("{}-{}", thousands(rate.low), thousands(rate.high));
        let median = |of: &dyn Fn(&Figures) -> Option<f64>| row.spread(of).median;
        println!(
            "  {:<24}{:>14}{range:>26}{:>10}{:>9.3}{:>9.2}{:>9.2}{:>7.2}{:>7.2}  {}",
            row.peer.name(),
            thousands(rate.median),
            thousands(median(&|run| run.events_per_s)),
            median(&|run| run.cpu_us),
            median(&|run| run.latency_ms.map(|it| it[0])),
            median(&|run| run.latency_ms.map(|it| it[1])),
            median(&|run| run.server_cores),
            median(&|run| run.load_cores),
            wrong(row),
        );
    }
}

/// What went wrong in any run, in words.
fn wrong(row: &Row) -> String {
    let mut text = Vec::new();
    let mut add = |name: &str, of: &dyn Fn(&Figures) -> u64| {
        let sum: u64 = row.runs.iter().map(of).sum();
        if sum > 0 {
            text.push(format!("{} {name}", thousands(sum as f64)));
        }
    };
    add("lost", &|run| run.tally.lost);
    add("repeated", &|run| run.tally.repeated);
    add("out of order", &|run| run.tally.out_of_order);
    add("foreign", &|run| run.tally.foreign);
    add("missing", &|run| run.missing);
    add("refused", &|run| run.refused);
    add("hung up", &|run| run.hung_up);
    text.join(", ")
}
