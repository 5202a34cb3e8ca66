//! How a cell is measured: the servers take turns, and each run has a fresh process.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fanfare_bench::cores::{self, Cores};
use fanfare_bench::scenario::{FanOut, Figures, Publishing, Setting};
use fanfare_bench::stats::Spread;
use serde::{Deserialize, Serialize};

use crate::Cli;
use crate::cells::{Cell, Work};
use crate::peers::{Peer, Transport};
use crate::servers::{Place, Server};

/// Subscribers that connect at once.
const CONNECTING: usize = 200;
/// Pushpin's processes lose track of each other when more connect at once, and answer 500.
const CONNECTING_TO_PUSHPIN: usize = 8;
/// One event after the other to all subscribers of one topic: what it takes when no two events
/// share a send.
const ALONE_PER_S: f64 = 3.0;
/// Another server that takes longer for one run is measured once: where most of it is waiting for
/// what never comes, four more runs say nothing new.
const RUN_MAX: Duration = Duration::from_secs(30);

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
            (1, 0.3, 1.0)
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

/// One run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    pub figures: Figures,
    /// Of topics of one's own: CPU time of a delivery beyond that of the publish, in microseconds,
    /// and of a delivery of one topic that all share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics_cpu_us: Option<[f64; 2]>,
}

/// One server in one cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub peer: Peer,
    pub runs: Vec<Run>,
    /// Why it could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Row {
    pub fn spread(&self, of: impl Fn(&Run) -> Option<f64>) -> Spread {
        Spread::of(self.runs.iter().filter_map(of))
    }

    /// Whether every run gave every subscriber every event once and in order.
    pub fn is_clean(&self) -> bool {
        self.failure.is_none() && self.runs.iter().all(|run| run.figures.is_clean())
    }
}

/// Measures one cell.
pub fn measure(cell: &Cell, peers: &[Peer], plan: &Plan, place: &Place) -> Vec<Row> {
    let mut rows: Vec<_> = peers
        .iter()
        .map(|peer| Row {
            peer: *peer,
            runs: Vec::new(),
            failure: None,
        })
        .collect();
    let mut going: Vec<_> = (0..rows.len()).collect();
    for _ in 0..plan.rounds {
        going.retain(|number| {
            let row = &mut rows[*number];
            let begin = Instant::now();
            // That one server cannot do it is a result, and the others go on.
            match run(cell, row.peer, plan, place) {
                Ok(run) => row.runs.push(run),
                Err(error) => {
                    eprintln!("{}: {}: {error:#}", row.peer.name(), cell.title());
                    row.failure = Some(error.to_string());
                }
            }
            let is_other = matches!(
                row.peer,
                Peer::Axum | Peer::Nchan | Peer::Pushpin | Peer::Express
            );
            row.failure.is_none() && (!is_other || begin.elapsed() < RUN_MAX)
        });
    }
    rows
}

fn run(cell: &Cell, peer: Peer, plan: &Plan, place: &Place) -> Result<Run> {
    let mut setting = Setting {
        target: crate::peers::target(([127, 0, 0, 1], 0).into()),
        pids: Vec::new(),
        payload_bytes: cell.payload_bytes,
        connecting: match peer {
            Peer::Pushpin => CONNECTING_TO_PUSHPIN,
            _ => CONNECTING,
        },
        warm_up: plan.warm_up,
        counted: plan.counted,
    };
    if let Work::Topics(subscribers, in_flight) = cell.work {
        return topics(subscribers, in_flight, &setting, |work, setting| {
            on_fresh(peer, plan, place, setting, work)
        });
    }
    let transport = match cell.work {
        Work::Streams(_) => Transport::Tls,
        _ => Transport::Plain,
    };
    let server = peer.start(place, plan.server, transport)?;
    setting.target = server.target.clone();
    setting.pids = vec![server.pid()];
    if let Work::Replay(_) = cell.work {
        let path = server.history.clone();
        setting.target.subscribe.path = path.context("it has no history")?;
    }
    let figures = cores::on(plan.load, || match cell.work {
        Work::FanOut(it) => it.run(&setting),
        Work::Connects(it) => it.run(&setting),
        Work::Idle(it) => it.run(&setting),
        Work::Storm(it) => {
            setting.connecting = it.subscribers;
            it.run(&setting)
        }
        Work::Stall(it) => it.run(&setting),
        Work::Replay(it) => it.run(&setting),
        Work::Streams(it) => it.run(&setting),
        Work::Topics(..) => unreachable!("it was measured above"),
    });
    stop(server, figures?).map(|figures| Run {
        figures,
        topics_cpu_us: None,
    })
}

/// A server that does not end in time has been measured all the same.
fn stop(server: Server, figures: Result<Figures>) -> Result<Figures> {
    let figures = figures?;
    if let Err(error) = server.stop() {
        eprintln!("{error}");
    }
    Ok(figures)
}

fn on_fresh(
    peer: Peer,
    plan: &Plan,
    place: &Place,
    setting: &Setting,
    work: FanOut,
) -> Result<Figures> {
    let server = peer.start(place, plan.server, Transport::Plain)?;
    let mut setting = setting.clone();
    setting.target = server.target.clone();
    setting.pids = vec![server.pid()];
    let figures = cores::on(plan.load, || work.run(&setting))?;
    stop(server, figures)
}

/// Own topics cost a publish for each delivery, which one topic does not. So what publishing alone
/// takes is measured too, and left out.
fn topics(
    subscribers: usize,
    in_flight: usize,
    setting: &Setting,
    run: impl Fn(FanOut, &Setting) -> Result<Figures>,
) -> Result<Run> {
    let own = FanOut {
        subscribers,
        topics: u32::try_from(subscribers)?,
        publishing: Publishing::InFlight(in_flight),
    };
    let unheard = FanOut {
        subscribers: 0,
        ..own
    };
    let shared = FanOut {
        subscribers,
        topics: 1,
        publishing: Publishing::Rate(ALONE_PER_S, 8),
    };
    let figures = run(own, setting)?;
    let publish_us = run(unheard, setting)?.event_cpu_us.unwrap_or(f64::NAN);
    let shared_us = run(shared, setting)?.cpu_us.unwrap_or(f64::NAN);
    let own_us = figures.cpu_us.unwrap_or(f64::NAN);
    ensure!(own_us.is_finite(), "nothing was delivered");
    Ok(Run {
        topics_cpu_us: Some([own_us - publish_us, shared_us]),
        figures,
    })
}
