//! The report, as Markdown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use bench_origin::{commit, machine, minute};

use crate::compare::{BODY_BYTES, CONNECTIONS, Plan, Row, TOPICS, Table};
use crate::cores::Cores;
use crate::servers::Kind;
use crate::stats::thousands;

/// What a person wrote below this heading survives the next run.
const PROSE: &str = "\n## What it says\n";

/// Writes the tables, and keeps what was said about them.
pub fn write(path: &Path, plan: &Plan, tables: &[Table]) -> Result<()> {
    let old = fs::read_to_string(path).unwrap_or_default();
    let prose = old.find(PROSE).map_or("", |place| &old[place..]);
    let mut text = head(plan);
    for table in tables {
        section(&mut text, table)?;
    }
    text.push_str(prose);
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn head(plan: &Plan) -> String {
    format!(
        "# Publishing\n\n\
        How many POSTs a second are acknowledged, beside Nchan.\n\n\
        ```sh\ncargo xtask bench publish\n```\n\n\
        - Commit {}, {}.\n\
        - Machine: {}.\n\
        - Peer: {} with the Nchan module of the same distribution, in memory, configured as its README recommends, 1,000 messages kept a channel, no access log.\n\
        - Load: {BODY_BYTES}-byte events to {TOPICS} topics over kept connections, one POST in flight on each; every answer is read whole and must be a 2xx.\n  \
          One thread sends it, over epoll.\n\
        - A cell is the median of {} runs of {} s, in which the servers take turns, and in brackets the range.\n\
        - Fanfare answers `memory` from memory, `written` after the write, `disk` after `fdatasync`; Nchan keeps its messages in memory alone.\n\
        - CPU is that of the server's processes, kernel included, for each acknowledged event.\n",
        commit(),
        minute(),
        machine(),
        nginx(),
        plan.rounds,
        plan.counted.as_secs_f64(),
    )
}

fn section(text: &mut String, table: &Table) -> Result<()> {
    let title = match table.pinning.server {
        Cores::All => "Unpinned: servers and load share all cores".to_owned(),
        core => format!("Pinned: servers on {core}, load on {}", table.pinning.load),
    };
    write!(text, "\n## {title}\n\n")?;
    for connections in CONNECTIONS {
        let plural = if connections == 1 { "" } else { "s" };
        write!(text, "### {connections} connection{plural}\n\n")?;
        text.push_str("| server | acks/s | times Nchan | p50 us | p99 us | CPU us |\n");
        text.push_str("|---|--:|--:|--:|--:|--:|\n");
        let rows = table.rows.iter();
        let rows: Vec<_> = rows.filter(|row| row.connections == connections).collect();
        let nchan = best_of_nchan(&rows);
        for row in rows {
            line(text, row, nchan)?;
        }
        text.push('\n');
    }
    text.pop();
    Ok(())
}

/// The rate to reach: that of the number of workers with which Nchan is faster.
fn best_of_nchan(rows: &[&Row]) -> f64 {
    let peers = rows.iter().filter(|row| matches!(row.kind, Kind::Nchan(_)));
    let rates = peers.map(|row| row.spread(|run| run.acks_per_s).median);
    rates.fold(f64::NAN, f64::max)
}

fn line(text: &mut String, row: &Row, nchan: f64) -> Result<()> {
    let rate = row.spread(|run| run.acks_per_s);
    writeln!(
        text,
        "| {} | {} ({}-{}) | {:.2} | {:.0} | {:.0} | {:.1} |",
        row.kind.name(),
        thousands(rate.median),
        thousands(rate.low),
        thousands(rate.high),
        rate.median / nchan,
        row.spread(|run| run.p50_us).median,
        row.spread(|run| run.p99_us).median,
        row.spread(|run| run.cpu_us).median,
    )?;
    Ok(())
}

/// nginx says its version on the wrong stream.
fn nginx() -> String {
    let output = Command::new("nginx").arg("-v").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    let text = text.unwrap_or_default();
    text.rsplit("version: ")
        .next()
        .unwrap_or_default()
        .to_owned()
}
