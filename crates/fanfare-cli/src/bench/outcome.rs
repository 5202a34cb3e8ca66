//! What a measurement found, as a table for people and as JSON for programs.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::Result;
use fanfare_bench::scenario::{FanOut, Figures, Publishing, Setting};
use fanfare_bench::stats::{Percentiles, thousands};
use serde::Serialize;

/// The load keeps one core busy at most; from here on it may be what limits.
const LOAD_CORES_BUSY: f64 = 0.9;
/// So much of the rate that was asked for has to be reached.
const RATE_SHARE_MIN: f64 = 0.98;

/// What was measured, and how.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    subscribe: String,
    publish: String,
    subscribers: usize,
    topics: u32,
    payload_bytes: usize,
    in_flight: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    warmup_s: f64,
    /// Whether every subscriber got every event once and in order.
    is_clean: bool,
    #[serde(flatten)]
    figures: Figures,
}

impl Outcome {
    pub(super) fn of(work: &FanOut, setting: &Setting, figures: Figures) -> Self {
        let (subscribe, publish) = (&setting.target.subscribe, &setting.target.publish);
        let (rate, in_flight) = match work.publishing {
            Publishing::InFlight(in_flight) => (None, in_flight),
            Publishing::Rate(per_s, in_flight) => (Some(per_s), in_flight),
        };
        Self {
            subscribe: format!("GET http://{}{}", subscribe.host, subscribe.path),
            publish: format!("{} http://{}{}", publish.method, publish.host, publish.path),
            subscribers: work.subscribers,
            topics: work.topics,
            payload_bytes: setting.payload_bytes,
            in_flight,
            rate,
            warmup_s: setting.warm_up.as_secs_f64(),
            is_clean: figures.is_clean(),
            figures,
        }
    }

    /// Prints it; a reader that went away does not want it.
    pub(super) fn print(&self, as_json: bool) -> Result<()> {
        let text = match as_json {
            true => serde_json::to_string(self)? + "\n",
            false => self.table()?,
        };
        match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// What the server did wrong, in words.
    pub(super) fn fault(&self) -> Option<String> {
        let Figures { tally, missing, .. } = &self.figures;
        let counts = [
            (tally.lost + missing, "lost"),
            (tally.repeated, "repeated"),
            (tally.out_of_order, "out of order"),
            (tally.foreign, "never published here"),
            (self.figures.refused, "publishes refused"),
            (self.figures.hung_up, "subscribers hung up on"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let texts: Vec<_> = counts
            .map(|(count, what)| format!("{} {what}", thousands(*count as f64)))
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    fn table(&self) -> Result<String> {
        let figures = &self.figures;
        let mut text = format!(
            "{:<13}{}\n{:13}{}\n\n",
            "", self.subscribe, "", self.publish
        );
        writeln!(text, "{:<13}{}", "load", self.load())?;
        for (name, count, per_s) in [
            ("deliveries", figures.deliveries, figures.deliveries_per_s),
            ("events", figures.events, figures.events_per_s),
        ] {
            let (count, per_s) = (thousands(count as f64), thousands(per_s.unwrap_or(0.0)));
            writeln!(text, "{name:<13}{count:>15} {per_s:>15}/s")?;
        }
        let titles = ["p50", "p90", "p99", "p99.9", "max"].map(|title| format!("{title:>10}"));
        writeln!(text, "\n{:<13}{}", "milliseconds", titles.concat())?;
        for (name, percentiles) in [
            ("delivered", figures.latency_ms),
            ("acknowledged", figures.answer_ms),
        ] {
            writeln!(
                text,
                "{name:<13}{}",
                percentiles.map_or_else(String::new, row)
            )?;
        }
        text.push('\n');
        if let Some(server) = self.server() {
            writeln!(text, "{:<13}{server}", "server")?;
        }
        for line in self
            .sequence()
            .lines()
            .chain(self.doubts().iter().map(String::as_str))
        {
            writeln!(text, "{line}")?;
        }
        Ok(text)
    }

    fn load(&self) -> String {
        let n = |number: usize| thousands(number as f64);
        let publishing = match self.rate {
            Some(rate) => format!("{rate} events/s"),
            None => format!("{} publishes in flight", n(self.in_flight)),
        };
        let topics = match self.topics {
            1 => String::new(),
            topics => format!(" of {} topics", n(topics as usize)),
        };
        format!(
            "{} subscribers{topics}, {publishing}, {} bytes, {:.1} s",
            n(self.subscribers),
            n(self.payload_bytes),
            self.figures.counted_s
        )
    }

    fn server(&self) -> Option<String> {
        let figures = &self.figures;
        let mut text = format!("{:.2} cores", figures.server_cores?);
        if let Some(us) = figures.cpu_us {
            text += &format!(", {us:.3} us of CPU for a delivery");
        }
        if let Some(bytes) = figures.memory_bytes {
            text += &format!(", {:.1} MiB of memory", bytes / 1_048_576.0);
        }
        Some(text)
    }

    fn sequence(&self) -> String {
        match self.fault() {
            None => format!(
                "{:<13}every subscriber got every event once and in order",
                "sequence"
            ),
            Some(fault) => format!("{:<13}{fault}", "sequence"),
        }
    }

    /// Why the figures may say less than they seem to.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.figures.late > 0 {
            doubts.push(format!(
                "{:<13}{} deliveries were still on their way when the wait for them ended",
                "note",
                thousands(self.figures.late as f64)
            ));
        }
        // One event more or less lies at the edges of what is counted.
        let reached = (self.figures.events + 1) as f64 / self.figures.counted_s;
        if let Some(rate) = self.rate.filter(|rate| reached < rate * RATE_SHARE_MIN) {
            doubts.push(format!(
                "{:<13}{rate} events/s were asked for: the server took fewer, or --in-flight is too low",
                "note"
            ));
        }
        if let Some(cores) = self.figures.load_cores.filter(|it| *it > LOAD_CORES_BUSY) {
            doubts.push(format!(
                "{:<13}the load kept {cores:.2} of one core busy: it may be what limits, not the server",
                "note"
            ));
        }
        doubts
    }
}

fn row(it: Percentiles) -> String {
    let cells = [it.p50, it.p90, it.p99, it.p999, it.max];
    cells.map(|ms| format!("{ms:>10.2}")).concat()
}
