//! One restart: SIGTERM, the end of the process, a new one, and everybody back.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::campaign::hub::{Hub, KEEP_ALL};
use crate::campaign::load::{Load, count};

/// How long everybody follows before the hub is stopped: long enough that all have seen events.
const WHILE: Duration = Duration::from_secs(3);
/// How often readiness is asked for; a load balancer asks once in some seconds.
const POLL: Duration = Duration::from_millis(2);
/// Of the histogram.
pub(super) const BUCKET: Duration = Duration::from_millis(500);

/// What one restart showed. All times count from SIGTERM.
pub(super) struct Round {
    pub(super) exit: Duration,
    ready: Duration,
    pub(super) probe: Probe,
    /// When each was back, soonest first.
    back: Vec<Duration>,
    /// Attempts to come back that found nobody.
    failed: u64,
}

/// What readiness was asked and answered between SIGTERM and the end of the process.
#[derive(Default)]
pub(super) struct Probe {
    /// The last answer 200. The signal needs a moment to arrive.
    last_ready: Option<Duration>,
    /// An answer 200 after one that was none.
    pub(super) late_ready: Option<Duration>,
    /// Answers 503.
    stopping: u32,
    /// Connections that were not let in, and the first of them.
    refused: u32,
    first_refused: Option<Duration>,
}

impl Round {
    /// Restarts the hub under its crowd, and gives the new one.
    pub(super) fn run(mut hub: Hub, folder: &Path, crowd: &mut Load) -> Result<(Self, Hub)> {
        sleep(WHILE);
        crowd.tell("mark")?;
        hub.ask_to_stop()?;
        let began = Instant::now();
        let mut probe = Probe::default();
        while hub.is_alive()? {
            probe.ask(&hub, began);
            sleep(POLL);
        }
        let exit = began.elapsed();
        hub.check_end()?;
        let next = hub.start_again(folder, KEEP_ALL)?;
        let ready = began.elapsed();
        let answer = crowd.tell("back")?;
        let round = Self {
            exit,
            ready,
            probe,
            back: times(&answer).context("nobody says when")?,
            failed: count(&answer, "failed")?,
        };
        Ok((round, next))
    }

    pub(super) fn last_back(&self) -> Duration {
        self.back.last().copied().unwrap_or_default()
    }

    /// When so many of a thousand were back.
    fn quantile(&self, of_1000: usize) -> Duration {
        let place = self.back.len().saturating_sub(1) * of_1000 / 1000;
        self.back.get(place).copied().unwrap_or_default()
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "ended after {} ms, ready after {} ms; {}\n         back after {} ms (first), {} (median), {} (99 %), {} (last), {} attempts found nobody\n         back in each {} ms: {}",
            self.exit.as_millis(),
            self.ready.as_millis(),
            self.probe.describe(),
            self.quantile(0).as_millis(),
            self.quantile(500).as_millis(),
            self.quantile(990).as_millis(),
            self.last_back().as_millis(),
            self.failed,
            BUCKET.as_millis(),
            self.histogram()
        )
    }

    /// The cells of the table.
    pub(super) fn row(&self) -> String {
        let times = [
            self.exit,
            self.ready,
            self.quantile(0),
            self.quantile(500),
            self.quantile(990),
            self.last_back(),
        ];
        let times = times.map(|time| format!("{} ms", time.as_millis()));
        format!("{} | {}", times.join(" | "), self.failed)
    }

    /// How many were back in each bucket.
    pub(super) fn histogram(&self) -> String {
        let mut buckets = Vec::new();
        for back in &self.back {
            let bucket = (back.as_millis() / BUCKET.as_millis()) as usize;
            if buckets.len() <= bucket {
                buckets.resize(bucket + 1, 0_u32);
            }
            buckets[bucket] += 1;
        }
        let buckets: Vec<_> = buckets.iter().map(u32::to_string).collect();
        buckets.join(" ")
    }
}

fn times(answer: &Value) -> Option<Vec<Duration>> {
    let times = answer["after_ms"].as_array()?.iter();
    times
        .map(|time| time.as_u64().map(Duration::from_millis))
        .collect()
}

impl Probe {
    fn ask(&mut self, hub: &Hub, began: Instant) {
        let asked = began.elapsed();
        match hub.fetch("/-/health/ready") {
            Ok((200, _)) => {
                self.last_ready = Some(asked);
                if self.stopping + self.refused > 0 {
                    self.late_ready = Some(asked);
                }
            }
            Ok(_) => self.stopping += 1,
            Err(_) => {
                self.refused += 1;
                self.first_refused.get_or_insert(asked);
            }
        }
    }

    pub(super) fn describe(&self) -> String {
        let last = match self.last_ready {
            Some(last) => format!("last 200 after {} ms", last.as_millis()),
            None => "never 200".to_owned(),
        };
        let first = match self.first_refused {
            Some(first) => format!(", the first after {} ms", first.as_millis()),
            None => String::new(),
        };
        format!(
            "{last}, {} times 503, {} times not let in{first}",
            self.stopping, self.refused
        )
    }
}
