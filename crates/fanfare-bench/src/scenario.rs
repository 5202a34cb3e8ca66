//! The measurements: each opens its subscribers on a fresh load, does what its name says, and
//! returns figures.

mod crowd;
mod fan_out;
mod readers;

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::ledger::Tally;
use crate::load::{Load, Moment, Rest};
use crate::refusal::Refusal;
use crate::stats::Percentiles;
use crate::target::Target;
use crate::usage;

pub use self::crowd::{Connects, Idle, Storm};
pub use self::fan_out::{FanOut, Publishing};
pub use self::readers::{Replay, Stall};

/// What every measurement needs to know.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The server.
    pub target: Target,
    /// Its processes, whose CPU time and memory are read; their children are found.
    pub pids: Vec<u32>,
    /// Bytes of an event's payload.
    pub payload_bytes: usize,
    /// Subscribers that connect at once.
    pub connecting: usize,
    /// What is not counted, before.
    pub warm_up: Duration,
    /// What is counted.
    pub counted: Duration,
}

/// What was measured. A field is there when the measurement has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Seconds that were counted.
    pub counted_s: f64,
    /// Deliveries that were counted.
    pub deliveries: u64,
    /// Events that were acknowledged meanwhile.
    pub events: u64,
    /// Deliveries to subscribers each second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliveries_per_s: Option<f64>,
    /// Events that the server acknowledged each second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_s: Option<f64>,
    /// CPU time of the server for each delivery, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<f64>,
    /// Cores that the server kept busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cores: Option<f64>,
    /// Cores that the load kept busy; near 1, the load is what limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_cores: Option<f64>,
    /// From when an event was due to when a subscriber had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Percentiles>,
    /// From when an event was due to when it was acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_ms: Option<Percentiles>,
    /// Memory of the server at the end, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<f64>,
    /// CPU time of the server for each event that it acknowledged, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_cpu_us: Option<f64>,
    /// Subscribers accepted each second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connects_per_s: Option<f64>,
    /// Memory of the server for one idle subscriber, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_subscriber: Option<f64>,
    /// Memory of the server for one reader that does not read, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_stalled: Option<f64>,
    /// Milliseconds that 99 % of deliveries did not exceed before others stalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alone_p99_ms: Option<f64>,
    /// Seconds from a cut until all subscribers were accepted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_s: Option<f64>,
    /// Seconds from a cut until all subscribers had all but the last quarter of a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_s: Option<f64>,
    /// Events of history received each second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_per_s: Option<f64>,
    /// What went wrong.
    pub tally: Tally,
    /// Deliveries that did not come at all.
    pub missing: u64,
    /// Deliveries that were still on their way when the wait for them ended.
    pub late: u64,
    /// Events that the server did not take.
    pub refused: u64,
    /// What it said to the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// Subscribers that the server hung up on.
    pub hung_up: u64,
}

impl Figures {
    /// Of a measurement in which deliveries come and go, no rate of them says anything.
    fn without_rates(mut self) -> Self {
        self.deliveries_per_s = None;
        self.events_per_s = None;
        self.cpu_us = None;
        self
    }

    /// Whether every subscriber got every event once and in order.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.tally.is_clean() && [self.missing, self.refused, self.hung_up] == [0; 3]
    }
}

/// What is counted, from its beginning to its end.
struct Window {
    begin: Moment,
    server: Duration,
    load: Duration,
}

impl Window {
    fn begin(load: &mut Load, setting: &Setting) -> Result<Self> {
        load.begin_window();
        Ok(Self {
            begin: load.moment(),
            server: usage::cpu(&setting.pids)?,
            load: usage::own_cpu()?,
        })
    }

    /// Ends what is counted, waits for what is still on its way, and says what came of it.
    fn end(self, load: &mut Load, setting: &Setting) -> Result<Figures> {
        load.end_window();
        let end = load.moment();
        let span = Duration::from_nanos(end.at_ns - self.begin.at_ns).as_secs_f64();
        let deliveries = end.deliveries - self.begin.deliveries;
        let events = end.stored - self.begin.stored;
        let server = usage::cpu(&setting.pids)?.saturating_sub(self.server);
        let own = usage::own_cpu()?.saturating_sub(self.load);
        let has_pids = !setting.pids.is_empty();
        let server = has_pids.then_some(server.as_secs_f64());
        let memory_bytes = match has_pids {
            true => Some(usage::memory(&setting.pids)? as f64),
            false => None,
        };
        let (missing, late) = match load.settle()? {
            Rest::Nothing => (0, 0),
            Rest::Missing(missing) => (missing, 0),
            Rest::Late(late) => (0, late),
        };
        let (latencies, answers) = load.latencies();
        let (refused, refusal) = load.refused();
        let per = |count: u64| {
            server
                .filter(|_| count > 0)
                .map(|it| it * 1e6 / count as f64)
        };
        Ok(Figures {
            counted_s: span,
            deliveries,
            events,
            deliveries_per_s: Some(deliveries as f64 / span),
            events_per_s: Some(events as f64 / span),
            cpu_us: per(deliveries),
            event_cpu_us: per(events),
            server_cores: server.map(|server| server / span),
            load_cores: Some(own.as_secs_f64() / span),
            latency_ms: latencies.percentiles(),
            answer_ms: answers.percentiles(),
            memory_bytes,
            tally: load.tally(),
            missing,
            late,
            refused,
            refusal: refusal.cloned(),
            hung_up: load.hung_up(),
            ..Figures::default()
        })
    }
}
