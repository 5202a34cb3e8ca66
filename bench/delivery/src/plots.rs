//! The plots of the report: which there are, and what each shows.

mod bars;
mod canvas;
mod lines;

use std::fs;
use std::path::Path;

use anyhow::Result;
use fanfare_bench::stats::{Percentiles, thousands};

use self::bars::{Bar, Bars};
use self::lines::{Axis, Line, Lines, Point};
use crate::cells::{Cell, Scenario};
use crate::measure::{Row, Run};
use crate::store::StoredCell;
use crate::table::Of;

/// A plot that was drawn.
pub struct Plot {
    pub file: &'static str,
    pub title: &'static str,
    /// What there is to see.
    pub says: String,
}

/// One of the percentiles.
type Share = fn(Percentiles) -> f64;
type Measured<'a> = [(Cell, &'a StoredCell)];

/// The number of publish requests at which a server delivers most.
const IN_FLIGHT: usize = 1_024;

/// Draws those whose figures were measured, and says which they are.
pub fn draw(measured: &Measured, folder: &Path) -> Result<Vec<Plot>> {
    fs::create_dir_all(folder)?;
    let all = [
        deliveries(measured, folder)?,
        latency(measured, folder)?,
        memory(measured, folder)?,
        storm(measured, folder)?,
    ];
    Ok(all.into_iter().flatten().collect())
}

fn deliveries(measured: &Measured, folder: &Path) -> Result<Option<Plot>> {
    let cells = measured.iter().filter(|(cell, _)| {
        cell.scenario == Scenario::Saturation && cell.in_flight() == Some(IN_FLIGHT)
    });
    let cells: Vec<_> = cells.collect();
    let rate: Of = |run| run.figures.deliveries_per_s;
    let mut lines: Vec<Line> = Vec::new();
    for (cell, stored) in &cells {
        for row in stored.rows.iter().filter(|row| row.spread(rate).low > 0.0) {
            let point = Point {
                x: cell.subscribers() as f64,
                y: row.spread(rate),
            };
            match lines.iter_mut().find(|line| line.peer == row.peer) {
                Some(line) => line.points.push(point),
                None => lines.push(Line {
                    peer: row.peer,
                    points: vec![point],
                }),
            }
        }
    }
    let says = "One topic, events of 100 bytes, 1,024 publishes in flight; both axes are logarithmic, and a bar through a point is the range of its runs.";
    let title = "Deliveries a second over subscribers";
    let ticks: Vec<_> = cells
        .iter()
        .map(|(cell, _)| cell.subscribers() as f64)
        .collect();
    let plot = Lines {
        title: "Deliveries a second, one topic, each server on one core".to_owned(),
        x: Axis {
            name: "subscribers",
            ticks,
            is_log: true,
            write: thousands,
        },
        y: "deliveries/s",
        write_y: short,
        lines,
    };
    let plots: Vec<_> = (!plot.lines.is_empty())
        .then_some(plot)
        .into_iter()
        .collect();
    lines::save(&plots, &folder.join("deliveries.svg"))?;
    Ok((!plots.is_empty()).then(|| Plot {
        file: "deliveries.svg",
        title,
        says: says.to_owned(),
    }))
}

fn latency(measured: &Measured, folder: &Path) -> Result<Option<Plot>> {
    const SHARES: [(&str, Share); 5] = [
        ("p50", |it| it.p50),
        ("p90", |it| it.p90),
        ("p99", |it| it.p99),
        ("p99.9", |it| it.p999),
        ("max", |it| it.max),
    ];
    let line = |row: &Row| {
        let points = SHARES.iter().enumerate().map(|(place, (_, of))| Point {
            x: place as f64,
            y: row.spread(|run| run.figures.latency_ms.map(of)),
        });
        let points: Vec<_> = points.filter(|point| point.y.low > 0.0).collect();
        (!points.is_empty()).then_some(Line {
            peer: row.peer,
            points,
        })
    };
    let cells = measured
        .iter()
        .filter(|(cell, _)| cell.scenario == Scenario::Fixed);
    let plots = cells.map(|(cell, stored)| Lines {
        title: cell.title(),
        x: Axis {
            name: "share of deliveries",
            ticks: (0..SHARES.len()).map(|place| place as f64).collect(),
            is_log: false,
            write: |place| SHARES[place as usize].0.to_owned(),
        },
        y: "milliseconds since due",
        write_y: short,
        lines: stored.rows.iter().filter_map(line).collect(),
    });
    let plots: Vec<_> = plots.filter(|plot| !plot.lines.is_empty()).collect();
    lines::save(&plots, &folder.join("latency.svg"))?;
    Ok((!plots.is_empty()).then(|| Plot {
        file: "latency.svg",
        title: "Latency at a fixed rate",
        says: "At a rate that every server can deliver: milliseconds from when an event was due to when a subscriber had it, on a logarithmic axis.".to_owned(),
    }))
}

fn memory(measured: &Measured, folder: &Path) -> Result<Option<Plot>> {
    let of: Of = |run| run.figures.bytes_per_subscriber;
    let text = |bytes: f64| format!("{} B", thousands(bytes));
    let bars = bars(measured, Scenario::Idle, (of, text));
    let plot = Bars {
        title: "Memory of the server for one idle subscriber",
        axis: "bytes",
        bars,
    };
    plot.save(&folder.join("memory.svg"))?;
    Ok((!plot.bars.is_empty()).then(|| Plot {
        file: "memory.svg",
        title: plot.title,
        says: "The slope of resident memory from 2,000 to 18,000 subscribers; what the kernel keeps for a socket is the same for all and not in it.".to_owned(),
    }))
}

fn storm(measured: &Measured, folder: &Path) -> Result<Option<Plot>> {
    let of: Of = |run: &Run| run.figures.live_s;
    let bars = bars(measured, Scenario::Storm, (of, |s| format!("{s:.2} s")));
    let plot = Bars {
        title: "After all 15,000 subscribers were cut: until all are live again",
        axis: "seconds",
        bars,
    };
    plot.save(&folder.join("storm.svg"))?;
    Ok((!plot.bars.is_empty()).then(|| Plot {
        file: "storm.svg",
        title: plot.title,
        says: "All come back at once, each with the id of its last event, while 500 events a second are published; live is who has everything up to the last quarter of a second.".to_owned(),
    }))
}

/// One bar for each server of a scenario that has one cell.
fn bars(measured: &Measured, scenario: Scenario, (of, text): (Of, fn(f64) -> String)) -> Vec<Bar> {
    let cell = measured.iter().find(|(cell, _)| cell.scenario == scenario);
    let rows = cell.map_or(&[][..], |(_, stored)| &stored.rows);
    let bars = rows.iter().map(|row| {
        let spread = row.spread(of);
        Bar {
            peer: row.peer,
            text: text(spread.median),
            spread,
        }
    });
    let bars = bars.filter(|bar| bar.spread.median.is_finite());
    bars.collect()
}

/// A tick of a logarithmic axis: 1, 2 or 5 times a power of ten.
fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{:.0} M", value / 1e6),
        _ if value >= 1e3 => format!("{:.0} k", value / 1e3),
        _ if value >= 1.0 => format!("{value:.0}"),
        _ => format!("{value:.3}").trim_end_matches('0').to_owned(),
    }
}
