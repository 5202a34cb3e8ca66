//! The cells of the comparison: each is one measurement that several servers go through.

use clap::ValueEnum;
use fanfare_bench::scenario::{Connects, FanOut, Idle, Publishing, Replay, Stall, Storm};
use fanfare_bench::stats::thousands;
use serde::{Deserialize, Serialize};

use crate::Cli;
use crate::peers::Peer;
use crate::streams::Streams;

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// One topic, as many events as the server takes
    Saturation,
    /// The same with events of 1,024 bytes
    Large,
    /// One topic at a fixed rate, beside the memory log also the durable one
    Fixed,
    /// As many events as the server takes, durable and in memory
    Durable,
    /// A topic for each subscriber
    Topics,
    /// Memory of idle subscribers
    Idle,
    /// Subscribers accepted a second
    Connects,
    /// All subscribers are cut at once and come back
    Storm,
    /// Readers that do not read, beside readers that do
    Stall,
    /// The same history for many at once
    Replay,
    /// TLS and HTTP/2
    Streams,
}

impl Scenario {
    /// What it is about, as the command line explains it.
    pub fn about(self) -> String {
        let value = self.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help());
        help.map(ToString::to_string).unwrap_or_default()
    }
}

/// What is done with a server.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    FanOut(FanOut),
    /// A topic for each of so many subscribers, with so many publish requests in flight.
    Topics(usize, usize),
    Connects(Connects),
    Idle(Idle),
    Storm(Storm),
    Stall(Stall),
    Replay(Replay),
    Streams(Streams),
}

/// One measurement that several servers go through.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub scenario: Scenario,
    pub work: Work,
    pub payload_bytes: usize,
}

impl Cell {
    /// Which of all cells it is, in words.
    pub fn title(&self) -> String {
        let n = |number: usize| thousands(number as f64);
        match self.work {
            Work::FanOut(it) => {
                let publishing = match it.publishing {
                    Publishing::InFlight(requests) => format!("{} in flight", n(requests)),
                    Publishing::Rate(per_s, _) => format!("{per_s} events/s"),
                };
                format!(
                    "{} subscribers, {publishing}, {} bytes",
                    n(it.subscribers),
                    n(self.payload_bytes)
                )
            }
            Work::Topics(subscribers, in_flight) => {
                format!(
                    "{} subscribers with a topic each, {in_flight} in flight",
                    n(subscribers)
                )
            }
            Work::Connects(it) => format!("{} subscribers, 200 in flight", n(it.subscribers)),
            Work::Idle(it) => format!("from {} to {} subscribers", n(it.few), n(it.many)),
            Work::Storm(it) => {
                format!(
                    "{} subscribers cut at once, {} events/s",
                    n(it.subscribers),
                    it.per_s
                )
            }
            Work::Stall(it) => format!(
                "{} stalled beside {} live, {} events/s, {} bytes",
                n(it.stalled),
                n(it.live),
                it.per_s,
                n(self.payload_bytes)
            ),
            Work::Replay(it) => {
                format!(
                    "{} clients, {} events each",
                    n(it.subscribers),
                    n(it.events as usize)
                )
            }
            Work::Streams(it) => format!(
                "{} streams over {} connections, {} in flight",
                n(it.streams),
                it.connections,
                it.in_flight
            ),
        }
    }

    pub fn subscribers(&self) -> usize {
        match self.work {
            Work::FanOut(it) => it.subscribers,
            Work::Topics(subscribers, _) => subscribers,
            Work::Connects(it) => it.subscribers,
            Work::Idle(it) => it.many,
            Work::Storm(it) => it.subscribers,
            Work::Stall(it) => it.live,
            Work::Replay(it) => it.subscribers,
            Work::Streams(it) => it.streams,
        }
    }

    pub fn in_flight(&self) -> Option<usize> {
        match self.work {
            Work::FanOut(FanOut {
                publishing: Publishing::InFlight(requests),
                ..
            }) => Some(requests),
            _ => None,
        }
    }

    /// The servers that can do it, of which each says something in it.
    pub fn peers(&self, is_quick: bool) -> Vec<Peer> {
        use Peer::*;
        match self.scenario {
            Scenario::Saturation if is_quick && self.in_flight() == Some(32) => {
                vec![CursorFloor, Fanfare]
            }
            // Others take minutes to deliver what is in flight.
            Scenario::Saturation if is_quick && self.subscribers() == 10_000 => {
                vec![CursorFloor, Fanfare, Axum, Nchan]
            }
            Scenario::Saturation => {
                let mut peers = vec![CursorFloor, Fanfare, Axum, Nchan, Pushpin, Express];
                if self.subscribers() == 1_000 {
                    // Its figure is much the same in all of them.
                    peers.insert(1, OneSendFloor);
                }
                peers
            }
            // What larger events change is seen in one of them.
            Scenario::Large if self.subscribers() != 1_000 => vec![CursorFloor, Fanfare],
            Scenario::Large => vec![CursorFloor, Fanfare, Axum, Nchan],
            Scenario::Fixed => Peer::ALL.to_vec(),
            Scenario::Durable => vec![Fanfare, FanfareDisk],
            Scenario::Topics => vec![Fanfare, CursorFloor, Axum, Nchan],
            Scenario::Idle if is_quick => vec![CursorFloor, Fanfare, Nchan],
            Scenario::Idle => vec![CursorFloor, Fanfare, Axum, Nchan, Pushpin, Express],
            Scenario::Connects => vec![CursorFloor, Fanfare, Axum, Nchan],
            Scenario::Storm => vec![Fanfare, Nchan],
            Scenario::Stall => vec![CursorFloor, Fanfare, Axum, Nchan],
            Scenario::Replay => vec![CursorFloor, Fanfare, Nchan],
            Scenario::Streams => vec![Fanfare, Axum],
        }
    }
}

/// The cells that were asked for.
pub fn chosen(cli: &Cli) -> Vec<Cell> {
    let is_in = |list: &[usize], number| list.is_empty() || list.contains(&number);
    let wanted = |cell: &Cell| {
        let is_named = cli.only.is_empty() || cli.only.contains(&cell.scenario);
        // What is asked for by its numbers is measured although it is not quick.
        let is_fit = !cli.quick || cli.has_numbers() || is_quick(cell);
        is_named
            && is_fit
            && is_in(&cli.subscribers, cell.subscribers())
            && is_in(&cli.bytes, cell.payload_bytes)
            && cell
                .in_flight()
                .is_none_or(|number| is_in(&cli.in_flight, number))
    };
    all().into_iter().filter(wanted).collect()
}

/// Whether a cell belongs to those that show the order of things.
fn is_quick(cell: &Cell) -> bool {
    match cell.scenario {
        Scenario::Saturation => matches!(cell.subscribers(), 1_000 | 10_000),
        Scenario::Large => cell.subscribers() == 1_000 && cell.in_flight() == Some(1_024),
        Scenario::Durable => cell.subscribers() == 1_000 && cell.in_flight() == Some(1_024),
        _ => true,
    }
}

/// All cells, in the order of the report.
pub fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut add = |scenario, work, payload_bytes| {
        cells.push(Cell {
            scenario,
            work,
            payload_bytes,
        });
    };
    let one_topic = |subscribers, publishing| {
        Work::FanOut(FanOut {
            subscribers,
            topics: 1,
            publishing,
        })
    };
    for (scenario, bytes) in [
        (Scenario::Saturation, 100),
        (Scenario::Large, 1_024),
        (Scenario::Durable, 100),
    ] {
        for subscribers in [100, 1_000, 10_000, 18_000] {
            for in_flight in [32, 1_024] {
                let publishing = Publishing::InFlight(in_flight);
                add(scenario, one_topic(subscribers, publishing), bytes);
            }
        }
    }
    for (subscribers, per_s) in [(1_000, 50.0), (10_000, 5.0)] {
        let publishing = Publishing::Rate(per_s, 8);
        add(Scenario::Fixed, one_topic(subscribers, publishing), 100);
    }
    add(Scenario::Topics, Work::Topics(15_000, 64), 100);
    let (few, many) = (2_000, 18_000);
    add(Scenario::Idle, Work::Idle(Idle { few, many }), 100);
    let subscribers = 10_000;
    add(
        Scenario::Connects,
        Work::Connects(Connects { subscribers }),
        100,
    );
    let storm = Storm {
        subscribers: 15_000,
        per_s: 500.0,
        publishers: 16,
    };
    add(Scenario::Storm, Work::Storm(storm), 100);
    let stall = Stall {
        live: 8_000,
        stalled: 2_000,
        burst: 1_024,
        per_s: 5.0,
        publishers: 8,
    };
    add(Scenario::Stall, Work::Stall(stall), 1_024);
    let replay = Replay {
        subscribers: 1_000,
        events: 1_000,
        waves: 5,
    };
    add(Scenario::Replay, Work::Replay(replay), 100);
    let streams = Streams {
        streams: 1_000,
        connections: 10,
        in_flight: 32,
    };
    add(Scenario::Streams, Work::Streams(streams), 100);
    cells
}
