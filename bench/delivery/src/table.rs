//! The figures of a cell as rows of text, for the terminal and for the report.

use fanfare_bench::stats::thousands;

use crate::cells::{Cell, Scenario};
use crate::measure::{Row, Run};

/// One figure of a run.
pub type Of = fn(&Run) -> Option<f64>;

/// A column: its title, its figure, and how that is written.
pub struct Column {
    pub title: &'static str,
    pub of: Of,
    write: fn(f64) -> String,
}

impl Column {
    /// A figure as it is written; a dash when there is none.
    pub fn text(&self, value: f64) -> String {
        match value.is_finite() {
            true => (self.write)(value),
            false => "-".to_owned(),
        }
    }
}

const RATE: Column = Column {
    title: "deliveries/s",
    of: |run| run.figures.deliveries_per_s,
    write: thousands,
};
const EVENTS: Column = Column {
    title: "events/s",
    of: |run| run.figures.events_per_s,
    write: thousands,
};
const CPU: Column = Column {
    title: "CPU us",
    of: |run| run.figures.cpu_us,
    write: |value| match value < 1.0 {
        true => format!("{value:.3}"),
        false => format!("{value:.2}"),
    },
};
const P50: Column = Column {
    title: "p50 ms",
    of: |run| run.figures.latency_ms.map(|it| it.p50),
    write: |value| format!("{value:.1}"),
};
const P99: Column = Column {
    title: "p99 ms",
    of: |run| run.figures.latency_ms.map(|it| it.p99),
    write: |value| format!("{value:.1}"),
};
const SERVER: Column = Column {
    title: "server",
    of: |run| run.figures.server_cores,
    write: |value| format!("{value:.2}"),
};
const LOAD: Column = Column {
    title: "load",
    of: |run| run.figures.load_cores,
    write: |value| format!("{value:.2}"),
};
const MEMORY: Column = Column {
    title: "memory MiB",
    of: |run| run.figures.memory_bytes.map(|bytes| bytes / 1_048_576.0),
    write: |value| format!("{value:.1}"),
};
const EACH: Column = Column {
    title: "bytes each",
    of: |run| run.figures.bytes_per_subscriber,
    write: thousands,
};
const CONNECTS: Column = Column {
    title: "connects/s",
    of: |run| run.figures.connects_per_s,
    write: thousands,
};
const ACCEPTED: Column = Column {
    title: "accepted s",
    of: |run| run.figures.accepted_s,
    write: |value| format!("{value:.2}"),
};
const LIVE: Column = Column {
    title: "live s",
    of: |run| run.figures.live_s,
    write: |value| format!("{value:.2}"),
};
const ALONE: Column = Column {
    title: "p99 ms before",
    of: |run| run.figures.alone_p99_ms,
    write: |value| format!("{value:.1}"),
};
const STALLED: Column = Column {
    title: "bytes per stalled",
    of: |run| run.figures.bytes_per_stalled,
    write: thousands,
};
const REPLAYED: Column = Column {
    title: "events/s",
    of: |run| run.figures.replayed_per_s,
    write: thousands,
};
const OWN: Column = Column {
    title: "CPU us, own topic",
    of: |run| run.topics_cpu_us.map(|it| it[0]),
    write: |value| format!("{value:.2}"),
};
const SHARED: Column = Column {
    title: "CPU us, one topic",
    of: |run| run.topics_cpu_us.map(|it| it[1]),
    write: |value| format!("{value:.2}"),
};

/// The columns of a scenario; the first is what it is about.
pub fn columns(scenario: Scenario) -> &'static [Column] {
    match scenario {
        Scenario::Fixed => &[CPU, RATE, P50, P99, SERVER, LOAD],
        Scenario::Saturation | Scenario::Large | Scenario::Durable | Scenario::Streams => {
            &[RATE, EVENTS, CPU, P50, P99, SERVER, LOAD]
        }
        Scenario::Topics => &[OWN, SHARED, RATE, SERVER, LOAD],
        Scenario::Idle => &[EACH, MEMORY],
        Scenario::Connects => &[CONNECTS, LOAD],
        Scenario::Storm => &[LIVE, ACCEPTED, P99, LOAD],
        Scenario::Stall => &[P99, ALONE, STALLED, LOAD],
        Scenario::Replay => &[REPLAYED, LOAD],
    }
}

/// The texts of a row: the name, the first figure with its range, the others, what went wrong.
pub fn texts(cell: &Cell, row: &Row) -> Vec<String> {
    let mut texts = vec![row.peer.name().to_owned()];
    if let Some(failure) = &row.failure {
        texts.resize(columns(cell.scenario).len() + 2, String::new());
        texts.push(failure.lines().next().unwrap_or_default().to_owned());
        return texts;
    }
    for (place, column) in columns(cell.scenario).iter().enumerate() {
        let spread = row.spread(column.of);
        texts.push(column.text(spread.median));
        if place == 0 {
            let (low, high) = (column.text(spread.low), column.text(spread.high));
            texts.push(format!("{low}-{high}"));
        }
    }
    texts.push(wrong(row));
    texts
}

/// The titles of a scenario's columns.
pub fn titles(scenario: Scenario) -> Vec<&'static str> {
    let mut titles = vec!["server"];
    titles.extend(columns(scenario).iter().map(|column| column.title));
    titles.insert(2, "range");
    titles.push("wrong");
    titles
}

/// Prints one cell.
pub fn print(cell: &Cell, rows: &[Row]) {
    println!("\n{:?}: {}", cell.scenario, cell.title());
    let mut lines = vec![
        titles(cell.scenario)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    ];
    lines.extend(rows.iter().map(|row| texts(cell, row)));
    let count = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths: Vec<_> = (0..count).map(|it| width(it).unwrap_or(0)).collect();
    for line in &lines {
        let (name, rest) = (&line[0], &line[1..count - 1]);
        print!("  {name:<0$}", widths[0]);
        for (text, width) in rest.iter().zip(&widths[1..]) {
            print!("  {text:>width$}");
        }
        println!("  {}", line[count - 1]);
    }
}

/// What went wrong in any run, in words.
pub fn wrong(row: &Row) -> String {
    let mut text = Vec::new();
    let mut add = |name: &str, of: fn(&Run) -> u64| {
        let sum: u64 = row.runs.iter().map(of).sum();
        if sum > 0 {
            text.push(format!("{} {name}", thousands(sum as f64)));
        }
    };
    add("lost", |run| run.figures.tally.lost);
    add("repeated", |run| run.figures.tally.repeated);
    add("out of order", |run| run.figures.tally.out_of_order);
    add("foreign", |run| run.figures.tally.foreign);
    add("missing", |run| run.figures.missing);
    add("still on their way", |run| run.figures.late);
    add("refused", |run| run.figures.refused);
    add("hung up", |run| run.figures.hung_up);
    text.join(", ")
}
