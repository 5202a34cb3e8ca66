//! The comparison: the same load on each server, in turns.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::cores::{self, Cores};
use crate::load::{self, Load};
use crate::servers::{Kind, Place, Server};
use crate::stats::{Spread, thousands};

/// Bytes of an event's data.
pub const BODY_BYTES: usize = 512;
/// More than one, so that Nchan's workers share the channels; few, so that none is rare.
pub const TOPICS: usize = 16;
/// From one publisher alone to more than either server has in one turn of its event loop.
pub const CONNECTIONS: [usize; 4] = [1, 8, 64, 512];

/// How much is measured.
pub struct Plan {
    /// Runs of each measurement, of which the median counts.
    pub rounds: usize,
    pub warm_up: Duration,
    pub counted: Duration,
}

impl Plan {
    pub const FULL: Self = Self {
        rounds: 5,
        warm_up: Duration::from_millis(500),
        counted: Duration::from_secs(3),
    };
    /// As much as shows that everything works.
    pub const QUICK: Self = Self {
        rounds: 1,
        warm_up: Duration::from_millis(100),
        counted: Duration::from_millis(300),
    };
}

/// Who runs on which cores.
#[derive(Clone, Copy)]
pub struct Pinning {
    pub server: Cores,
    pub load: Cores,
}

impl Pinning {
    pub const ALL: [Self; 2] = [
        Self {
            server: Cores::All,
            load: Cores::All,
        },
        Self {
            server: Cores::One(0),
            load: Cores::One(1),
        },
    ];
}

/// What was measured in one pinning.
pub struct Table {
    pub pinning: Pinning,
    pub rows: Vec<Row>,
}

/// One server under one number of connections.
pub struct Row {
    pub kind: Kind,
    pub connections: usize,
    pub runs: Vec<Run>,
}

/// One run.
pub struct Run {
    pub acks_per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// CPU time of the server for each acknowledged event.
    pub cpu_us: f64,
}

impl Row {
    pub fn spread(&self, of: impl Fn(&Run) -> f64) -> Spread {
        Spread::of(self.runs.iter().map(of))
    }
}

/// Measures everything. All servers of a table run from its beginning to its end; those that are
/// not measured at the moment are idle.
pub fn run(plan: &Plan, place: &Place) -> Result<Vec<Table>> {
    Pinning::ALL
        .into_iter()
        .map(|pinning| table(plan, place, pinning))
        .collect()
}

fn table(plan: &Plan, place: &Place, pinning: Pinning) -> Result<Table> {
    let mut servers = Vec::new();
    for kind in Kind::ALL {
        let server = Server::start(kind, place, pinning.server);
        servers.push((kind, server.with_context(|| kind.name())?));
    }
    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        let mut of_all: Vec<Row> = Kind::ALL
            .map(|kind| Row {
                kind,
                connections,
                runs: Vec::new(),
            })
            .into();
        for _ in 0..plan.rounds {
            for (row, (_, server)) in of_all.iter_mut().zip(&servers) {
                let run = measure(plan, server, connections, pinning.load);
                row.runs.push(run.with_context(|| row.kind.name())?);
            }
        }
        for row in &of_all {
            let rate = row.spread(|run| run.acks_per_s);
            let (name, rate) = (row.kind.name(), thousands(rate.median));
            println!(
                "server on {}, {connections} connections, {name}: {rate} acks/s",
                pinning.server
            );
        }
        rows.append(&mut of_all);
    }
    for (_, server) in servers {
        server.stop()?;
    }
    Ok(Table { pinning, rows })
}

fn measure(plan: &Plan, server: &Server, connections: usize, cores: Cores) -> Result<Run> {
    let load = Load {
        address: server.address,
        prefix: server.prefix.to_owned(),
        connections,
        topics: TOPICS,
        body_bytes: BODY_BYTES,
        warm_up: plan.warm_up,
        counted: plan.counted,
    };
    let mut cpu = Duration::ZERO;
    let outcome = cores::on(cores, || {
        load::run(&load, || {
            cpu = server.cpu()?.saturating_sub(cpu);
            Ok(())
        })
    })??;
    Ok(Run {
        acks_per_s: outcome.acks_per_s(),
        p50_us: outcome.latencies.us(0.5),
        p99_us: outcome.latencies.us(0.99),
        cpu_us: cpu.as_secs_f64() * 1e6 / outcome.acks as f64,
    })
}
