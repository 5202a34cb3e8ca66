//! What Fanfare must reach, as ratios to others in the same run.

use crate::cells::{Cell, Scenario};
use crate::measure::{Row, Run};
use crate::peers::Peer;
use crate::table::{Of, columns};

/// One line of what must be reached.
pub struct Verdict {
    /// What is compared with what.
    pub text: String,
    /// `None` when it was not measured.
    pub seen: Option<f64>,
    pub demanded: String,
    pub is_reached: bool,
}

const P50: Of = |run| run.figures.latency_ms.map(|it| it.p50);
const P99: Of = |run| run.figures.latency_ms.map(|it| it.p99);
/// The durable log may add so much to the time until an event is received.
const DURABLE_MS_MAX: f64 = 2.0;
const IDLE_BYTES_MAX: f64 = 400.0;
const LIVE_S_MAX: f64 = 3.0;
const STALL_MAX: f64 = 2.0;
const TOPICS_MAX: f64 = 1.5;

/// What of a cell is demanded, and whether it is reached.
pub fn verdicts(cell: &Cell, rows: &[Row]) -> Vec<Verdict> {
    let main = columns(cell.scenario)[0].of;
    let rate: Of = |run| run.figures.deliveries_per_s;
    let mut list = List {
        rows,
        verdicts: Vec::new(),
    };
    match cell.scenario {
        Scenario::Saturation => {
            list.at_least(rate, 0.8, Peer::CursorFloor);
            list.at_least(rate, 2.5, Peer::Axum);
            list.at_least(rate, 15.0, Peer::Nchan);
            list.at_least(rate, 15.0, Peer::Pushpin);
            list.at_least(rate, 25.0, Peer::Express);
        }
        Scenario::Large => list.at_least(rate, 0.8, Peer::CursorFloor),
        Scenario::Fixed => {
            list.at_most(main, "CPU", (1.15, Peer::OneSendFloor));
            list.at_most(P99, "p99", (1.25, Peer::OneSendFloor));
            for peer in [Peer::Axum, Peer::Nchan, Peer::Pushpin, Peer::Express] {
                list.at_most(main, "CPU", (1.0, peer));
            }
            let p50 = |peer| list.median(peer, P50);
            let added = p50(Peer::FanfareDisk).zip(p50(Peer::Fanfare));
            let added = added.map(|(disk, memory)| disk - memory);
            list.bound("ms that the durable log adds to p50", added, DURABLE_MS_MAX);
        }
        Scenario::Durable => {
            let of = |peer| list.median(peer, rate);
            let kept = of(Peer::FanfareDisk).zip(of(Peer::Fanfare));
            list.push(Demand {
                text: "times the deliveries/s of the memory log".to_owned(),
                seen: kept.map(|(disk, memory)| disk / memory),
                bound: Bound::AtLeast(0.8),
            });
        }
        Scenario::Topics => {
            let ratio: Of = |run| run.topics_cpu_us.map(|[own, shared]| own / shared);
            let reached = list.median(Peer::Fanfare, ratio);
            list.bound(
                "times the CPU of a delivery of one topic",
                reached,
                TOPICS_MAX,
            );
        }
        Scenario::Idle => {
            let reached = list.median(Peer::Fanfare, main);
            list.bound("bytes for an idle subscriber", reached, IDLE_BYTES_MAX);
        }
        Scenario::Connects => list.at_least(main, 0.8, Peer::Nchan),
        Scenario::Storm => {
            let reached = list.median(Peer::Fanfare, main);
            list.bound("s until all are live", reached, LIVE_S_MAX);
        }
        Scenario::Stall => {
            let ratio: Of = |run| {
                let after = run.figures.latency_ms?.p99;
                Some(after / run.figures.alone_p99_ms?)
            };
            let reached = list.median(Peer::Fanfare, ratio);
            list.bound("times the p99 before", reached, STALL_MAX);
        }
        Scenario::Replay => list.at_least(main, 0.7, Peer::CursorFloor),
        Scenario::Streams => list.at_least(rate, 2.0, Peer::Axum),
    }
    list.nothing_wrong();
    list.verdicts
}

/// What is demanded of one number.
struct Demand {
    text: String,
    seen: Option<f64>,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

struct List<'a> {
    rows: &'a [Row],
    verdicts: Vec<Verdict>,
}

impl List<'_> {
    fn row(&self, peer: Peer) -> Option<&Row> {
        self.rows.iter().find(|row| row.peer == peer)
    }

    fn median(&self, peer: Peer, of: fn(&Run) -> Option<f64>) -> Option<f64> {
        let median = self.row(peer)?.spread(of).median;
        median.is_finite().then_some(median)
    }

    /// None beside a server that could not do it in every run, or did nothing.
    fn ratio(&self, of: Of, other: Peer) -> Option<f64> {
        self.row(other).filter(|row| row.failure.is_none())?;
        let ratio = self.median(Peer::Fanfare, of)? / self.median(other, of)?;
        ratio.is_finite().then_some(ratio)
    }

    fn at_least(&mut self, of: Of, ratio: f64, other: Peer) {
        self.push(Demand {
            text: format!("times {}", other.name()),
            seen: self.ratio(of, other),
            bound: Bound::AtLeast(ratio),
        });
    }

    fn at_most(&mut self, of: Of, what: &str, (ratio, other): (f64, Peer)) {
        self.push(Demand {
            text: format!("times the {what} of {}", other.name()),
            seen: self.ratio(of, other),
            bound: Bound::AtMost(ratio),
        });
    }

    fn bound(&mut self, text: &str, seen: Option<f64>, most: f64) {
        self.push(Demand {
            text: text.to_owned(),
            seen,
            bound: Bound::AtMost(most),
        });
    }

    fn push(&mut self, demand: Demand) {
        let Demand { text, seen, bound } = demand;
        let is_reached = |seen: f64| match bound {
            Bound::AtLeast(least) => seen >= least,
            Bound::AtMost(most) => seen <= most,
        };
        self.verdicts.push(Verdict {
            text,
            seen,
            demanded: match bound {
                Bound::AtLeast(least) => format!("at least {least}"),
                Bound::AtMost(most) => format!("at most {most}"),
            },
            is_reached: seen.is_some_and(is_reached),
        });
    }

    /// However fast: each event once, in order, to everybody.
    fn nothing_wrong(&mut self) {
        for peer in [Peer::Fanfare, Peer::FanfareDisk] {
            let Some(row) = self.row(peer) else { continue };
            let (is_reached, runs) = (row.is_clean(), row.runs.len());
            let clean = row.runs.iter().filter(|run| run.figures.is_clean()).count();
            self.verdicts.push(Verdict {
                text: format!("runs of {} without a fault", peer.name()),
                seen: Some(clean as f64),
                demanded: format!("all {runs}"),
                is_reached,
            });
        }
    }
}
