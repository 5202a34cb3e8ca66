//! The line on standard error that says how far a measurement is.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use fanfare_bench::scenario::FanOut;
use fanfare_bench::stats::thousands;
use fanfare_bench::{Progress, Watch};

/// Where the line is not written over, it is written this often.
const EVERY: Duration = Duration::from_secs(1);
/// Back to the beginning of an empty line.
const AGAIN: &str = "\r\x1b[K";

/// Shows how far a measurement is. Dropping it takes the line away.
pub(super) struct ProgressLine {
    subscribers: usize,
    counted: Duration,
    is_terminal: bool,
}

/// What was told before.
#[derive(Default)]
struct Before {
    told: Option<Progress>,
    /// When the counting began.
    counts_since: Option<Duration>,
    all_were_there: bool,
}

impl ProgressLine {
    pub(super) fn new(work: &FanOut, counted: Duration) -> Self {
        Self {
            subscribers: work.subscribers,
            counted,
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// What the engine tells how far it is.
    pub(super) fn watch(&self) -> Watch {
        let (subscribers, counted) = (self.subscribers, self.counted);
        let is_terminal = self.is_terminal;
        let mut before = Before::default();
        Box::new(move |now| {
            let last = before.told.map_or(Duration::ZERO, |told| told.elapsed);
            if !is_terminal && now.elapsed - last < EVERY {
                return;
            }
            let text = before.text(now, subscribers, counted);
            // Whoever closed standard error does not want to know.
            let _closed = match is_terminal {
                true => write!(io::stderr(), "{AGAIN}{text}"),
                false => writeln!(io::stderr(), "{text}"),
            };
            before.told = Some(*now);
        })
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.is_terminal {
            let _closed = write!(io::stderr(), "{AGAIN}");
        }
    }
}

impl Before {
    fn text(&mut self, now: &Progress, subscribers: usize, counted: Duration) -> String {
        self.all_were_there |= now.subscribers == subscribers;
        if !self.all_were_there {
            let (open, all) = (now.subscribers as f64, subscribers as f64);
            return format!(
                "connecting: {} of {} subscribers",
                thousands(open),
                thousands(all)
            );
        }
        if now.is_counted {
            self.counts_since.get_or_insert(now.elapsed);
        }
        let step = match self.counts_since {
            None => "warming up".to_owned(),
            Some(_) if !now.is_counted => return "waiting for what is on its way".to_owned(),
            Some(since) => {
                let spent = (now.elapsed - since).as_secs_f64();
                format!("{spent:.0} of {:.0} s", counted.as_secs_f64())
            }
        };
        let Some(told) = self.told else { return step };
        let span = (now.elapsed - told.elapsed).as_secs_f64();
        let per_s = |before: u64, now: u64| thousands((now - before) as f64 / span);
        format!(
            "{step}: {} deliveries/s, {} events/s",
            per_s(told.deliveries, now.deliveries),
            per_s(told.events, now.events)
        )
    }
}
