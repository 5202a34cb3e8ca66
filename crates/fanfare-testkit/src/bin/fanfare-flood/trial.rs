//! One flood: a hub of its own, a neighbour before, during and after it, and the verdict.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::Extent;
use crate::door::Door;
use crate::floods::{Came, Flood};
use crate::hub::{Hub, Seen, Start, Watch, rss_kib};
use crate::probe::{Probe, Testimony};

/// How late an event of the neighbour may come once, on a busy machine.
const LATENESS_MAX: Duration = Duration::from_secs(5);
/// The same for 99 of 100: what a person would call slow.
const LATENESS_P99_MAX: Duration = Duration::from_secs(1);
/// No flood is meant to take longer.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which hub is flooded, and how.
pub(crate) struct Scene {
    pub(crate) hub: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) extent: Extent,
}

/// What a flood has to know.
pub(crate) struct Target {
    pub(crate) door: Door,
    /// The process.
    pub(crate) id: u32,
    pub(crate) extent: Extent,
}

impl Target {
    /// When a flood without end is over.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.extent.while_flooded()
    }
}

impl Extent {
    /// How long a flood without end lasts.
    pub(crate) fn while_flooded(self) -> Duration {
        match self {
            Self::Full => Duration::from_secs(6),
            Self::Short => Duration::from_millis(700),
        }
    }

    /// How long the neighbour is watched before the flood, and after it. The allocator gives back
    /// what was freed within a second or two.
    fn at_rest(self) -> Duration {
        match self {
            Self::Full => Duration::from_secs(2),
            Self::Short => Duration::from_millis(300),
        }
    }
}

/// What came of everything.
pub(crate) struct Report {
    flood: &'static Flood,
    came: Came,
    /// Before, during and after the flood.
    hub: [Seen; 3],
    neighbour: [Testimony; 3],
    rss_before_kib: u64,
    rss_after_kib: u64,
    pub(crate) breaches: Vec<String>,
}

/// Floods a new hub.
pub(crate) async fn run(scene: &Scene, flood: &'static Flood) -> Report {
    let start = Start {
        is_tls: flood.is_tls,
        descriptors: flood.descriptors,
    };
    let mut hub = Hub::start(&scene.hub, &scene.folder.join(flood.name), &start);
    let target = Target {
        door: hub.door().clone(),
        id: hub.id(),
        extent: scene.extent,
    };
    let probe = Probe::start(&target.door);
    let rest = scene.extent.at_rest();
    let (before, calm) = watch(&target, &probe, idle(rest)).await;
    let rss_before_kib = rss_kib(target.id).unwrap_or_default();
    let mut came = Came::default();
    let flooding = async {
        came = timeout(PATIENCE, (flood.work)(&target))
            .await
            .unwrap_or_else(|_| Came::broken("the flood did not come to an end"));
    };
    let (during, flooded) = watch(&target, &probe, flooding).await;
    let (after, relieved) = watch(&target, &probe, idle(rest)).await;
    let rss_after_kib = rss_kib(target.id).unwrap_or_default();
    probe.dismiss();
    let mut report = Report {
        flood,
        came,
        hub: [before, during, after],
        neighbour: [calm, flooded, relieved],
        rss_before_kib,
        rss_after_kib,
        breaches: Vec::new(),
    };
    report.judge(scene.extent, hub.is_alive());
    report
}

/// Watches hub and neighbour while something goes on.
async fn watch(
    target: &Target,
    probe: &Probe,
    work: impl Future<Output = ()>,
) -> (Seen, Testimony) {
    let watch = Watch::of(target.id);
    work.await;
    (watch.end(), probe.take().await)
}

/// Lets time pass: there is no condition to wait for where calm is measured.
pub(crate) async fn idle(time: Duration) {
    timeout(time, std::future::pending::<()>()).await.ok();
}

impl Report {
    /// What takes a second on a machine that others use is no measure of time: lateness and shares
    /// of a processor are judged where the flood goes on for long.
    fn judge(&mut self, extent: Extent, is_alive: bool) {
        let is_timed = extent == Extent::Full;
        let mut breaches = std::mem::take(&mut self.came.breaches);
        let mut ensure = |holds: bool, breach: String| {
            if !holds {
                breaches.push(breach);
            }
        };
        ensure(is_alive, "the hub died".to_owned());
        for (when, testimony) in ["before", "during", "after"].iter().zip(&self.neighbour) {
            // Where there is no descriptor left nobody can come in.
            let is_shut = *when == "during" && self.flood.descriptors.is_some();
            let is_good = testimony.is_good() || is_shut;
            let statuses = &testimony.statuses;
            ensure(
                is_good,
                format!("the neighbour was answered {statuses:?} {when} the flood"),
            );
            let (p99, max) = (testimony.round(990), testimony.round(1_000));
            let is_fast = p99 < LATENESS_P99_MAX && max < LATENESS_MAX;
            ensure(
                is_fast || !is_timed,
                format!("the neighbour waited {max:?}, 99 % {p99:?}, {when} the flood"),
            );
        }
        let grown = mib(self.hub[1].peak_kib.saturating_sub(self.rss_before_kib));
        let bound = self.flood.grown_mib_max;
        ensure(
            grown <= bound,
            format!("grew by {grown:.1} MiB, more than {bound}"),
        );
        let share = self.hub[1].cpu_share;
        let is_cheap = self.flood.cpu_share_max.is_none_or(|max| share < max);
        ensure(
            is_cheap || !is_timed,
            format!("took {:.0} % of a processor", 100.0 * share),
        );
        self.breaches = breaches;
    }

    pub(crate) fn to_json(&self) -> Value {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let neighbour = |testimony: &Testimony| {
            let statuses = testimony.statuses.iter();
            let statuses: serde_json::Map<_, _> = statuses
                .map(|(status, count)| (status.to_string(), json!(count)))
                .collect();
            json!({
                "statuses": statuses,
                "p50_us": micros(testimony.round(500)),
                "p99_us": micros(testimony.round(990)),
                "max_us": micros(testimony.round(1_000)),
                "newcomer_max_us": micros(testimony.slowest_newcomer()),
            })
        };
        let during = &self.hub[1];
        let shares = self
            .hub
            .map(|seen| (1_000.0 * seen.cpu_share).round() / 10.0);
        json!({
            "name": self.flood.name,
            "sent": self.flood.sent,
            "expected": self.flood.expected,
            "seen": self.came.seen,
            "took_ms": u64::try_from(during.took.as_millis()).unwrap_or(u64::MAX),
            "rss_kib": { "before": self.rss_before_kib, "peak": during.peak_kib, "after": self.rss_after_kib },
            "cpu_percent": shares,
            "before": neighbour(&self.neighbour[0]),
            "during": neighbour(&self.neighbour[1]),
            "after": neighbour(&self.neighbour[2]),
            "breaches": self.breaches,
        })
    }
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}
