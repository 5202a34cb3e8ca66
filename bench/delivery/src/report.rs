//! The report: a page of Markdown, made of stored runs alone.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cells::{Cell, Scenario};
use crate::checks::{Verdict, verdicts};
use crate::measure::Row;
use crate::origin::Origin;
use crate::peers::Peer;
use crate::plots::{self, Plot};
use crate::store::{Store, StoredCell};
use crate::table::{columns, wrong};

/// What a person wrote below this heading survives the next run.
const PROSE: &str = "\n## What it says\n";

/// Writes `delivery.md` into a folder, and the plots into one beside it.
pub fn write(folder: &Path, store: &Store) -> Result<()> {
    let path = folder.join("delivery.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    let prose = old.find(PROSE).map_or("", |place| &old[place..]);
    let measured = store.measured();
    let mut text = head(&measured)?;
    demands(&mut text, &measured)?;
    text.push_str("\n## Plots\n");
    for plot in plots::draw(&measured, &folder.join("delivery"))? {
        let Plot { file, title, says } = plot;
        write!(text, "\n![{title}](delivery/{file})\n\n{says}\n")?;
    }
    let mut last = None;
    for (cell, stored) in &measured {
        if last.replace(cell.scenario) != Some(cell.scenario) {
            write!(text, "\n## {}\n", name(cell.scenario))?;
        }
        section(&mut text, cell, stored)?;
    }
    servers(&mut text, store)?;
    text.push_str(prose);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A scenario as a heading.
fn name(scenario: Scenario) -> String {
    format!("{scenario:?}: {}", scenario.about())
}

fn head(measured: &[(Cell, &StoredCell)]) -> Result<String> {
    let mut text = "# Delivery\n\n\
        How fast events reach their subscribers, beside the floor that no server can be below, and other servers.\n\n\
        ```sh\n\
        cargo xtask bench delivery                 # measures everything, writes this page and its plots\n\
        cargo xtask bench delivery --report-only   # writes them again from delivery/runs.json\n\
        cargo xtask bench --quick                  # the order of things, in five minutes\n\
        ```\n\n"
        .to_owned();
    let places = measured.iter().map(|(_, it)| place(&it.origin));
    for place_of_some in distinct(places) {
        let there = measured.iter().map(|(_, it)| &it.origin);
        let there = there.filter(|origin| place(origin) == place_of_some);
        let commits = distinct(there.map(|origin| origin.commit.clone()));
        writeln!(text, "- Commit {}; {place_of_some}.", commits.join("; "))?;
    }
    for line in distinct(measured.iter().map(|(_, it)| {
        let [server, load] = &it.cores;
        format!(
            "Servers run on {server}, the load on {load}; a figure is the median of {} runs of {} s after a warm-up of {} s, in which the servers take turns, each in a fresh process; the range is in brackets. Where it is missing, there was one run, of which most was waiting for what never came.",
            it.rounds, it.counted_s, it.warm_up_s
        )
    })) {
        writeln!(text, "- {line}")?;
    }
    text.push_str(
        "- The load is `crates/fanfare-bench`, which `fanfare bench` drives too: one thread, epoll, every subscriber's sequence checked; near 1 core in the column `load`, it may be what limits.\n\
         - Latency counts from when an event was due, not from when it could be sent at last.\n\
         - CPU is that of the server's processes, kernel included, for each delivery; memory is resident, without files.\n",
    );
    Ok(text)
}

/// Where and when something was measured.
fn place(origin: &Origin) -> String {
    format!("{}; {}", origin.date, origin.machine)
}

/// Each text once, in the order of their coming.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}

fn demands(text: &mut String, measured: &[(Cell, &StoredCell)]) -> Result<()> {
    let mut rows = String::new();
    let (mut reached, mut missed, mut unknown) = (0, 0, 0);
    for (cell, stored) in measured {
        for verdict in verdicts(cell, &stored.rows) {
            match (verdict.seen, verdict.is_reached) {
                (None, _) => unknown += 1,
                (_, true) => reached += 1,
                (_, false) => missed += 1,
            }
            demand(&mut rows, cell, &verdict)?;
        }
    }
    write!(
        text,
        "\n## What is demanded\n\n{reached} demands are reached, {missed} are not reached, {unknown} could not be measured.\n\n\
        | where | demanded of Fanfare | seen | |\n|---|---|--:|---|\n{rows}"
    )?;
    Ok(())
}

fn demand(rows: &mut String, cell: &Cell, verdict: &Verdict) -> Result<()> {
    let (seen, word) = match (verdict.seen, verdict.is_reached) {
        (None, _) => ("-".to_owned(), "not measured"),
        (Some(seen), is_reached) => {
            let word = if is_reached {
                "reached"
            } else {
                "**not reached**"
            };
            (short(seen), word)
        }
    };
    let (scenario, title) = (cell.scenario, cell.title());
    let (demanded, what) = (&verdict.demanded, &verdict.text);
    writeln!(
        rows,
        "| {scenario:?}: {title} | {demanded} {what} | {seen} | {word} |"
    )?;
    Ok(())
}

/// Three digits that matter.
fn short(value: f64) -> String {
    match value {
        _ if value.fract() == 0.0 || value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn section(text: &mut String, cell: &Cell, stored: &StoredCell) -> Result<()> {
    let columns = columns(cell.scenario);
    let titles: Vec<_> = columns.iter().map(|column| column.title).collect();
    write!(
        text,
        "\n### {}\n\n| server | {} | wrong |\n|---|{}---|\n",
        cell.title(),
        titles.join(" | "),
        "--:|".repeat(columns.len())
    )?;
    for row in &stored.rows {
        let cells = match row.failure {
            Some(_) => vec!["-".to_owned(); columns.len()],
            None => figures(cell, row),
        };
        let wrong = match &row.failure {
            Some(failure) => failure.lines().next().unwrap_or_default().to_owned(),
            None => wrong(row),
        };
        let (name, cells) = (row.peer.name(), cells.join(" | "));
        writeln!(text, "| {name} | {cells} | {wrong} |")?;
    }
    Ok(())
}

/// Medians, each with its range where there is one.
fn figures(cell: &Cell, row: &Row) -> Vec<String> {
    let columns = columns(cell.scenario).iter();
    let text = columns.map(|column| {
        let spread = row.spread(column.of);
        let [median, low, high] =
            [spread.median, spread.low, spread.high].map(|value| column.text(value));
        match low == high {
            true => median,
            false => format!("{median} ({low}-{high})"),
        }
    });
    text.collect()
}

fn servers(text: &mut String, store: &Store) -> Result<()> {
    text.push_str("\n## Servers\n");
    for peer in Peer::ALL {
        let Some(server) = store.servers.get(peer.word()) else {
            continue;
        };
        let (name, version, summary) = (peer.name(), &server.version, &server.summary);
        write!(text, "\n### {name}\n\n{version}.\n{summary}\n")?;
        if let Some(file) = &server.file {
            write!(text, "\n```\n{}\n```\n", file.trim_end())?;
        }
    }
    Ok(())
}
