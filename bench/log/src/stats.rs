//! Medians, percentiles and how they are written.

/// The median of several runs and the range they lay in.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Spread {
    /// Of at least one run.
    pub fn of(mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        let at = |place: usize| runs.get(place).copied().unwrap_or(f64::NAN);
        Self {
            median: at(runs.len() / 2),
            low: at(0),
            high: at(runs.len().saturating_sub(1)),
        }
    }

    /// As a cell of a table: the median, then the range, each divided by `unit`.
    pub fn cell(self, unit: f64) -> String {
        let [median, low, high] = [self.median, self.low, self.high].map(|x| number(x / unit));
        format!("{median} ({low}-{high})")
    }
}

/// Writes a number with three digits that matter.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Latencies, in order.
pub struct Latencies {
    ordered_ns: Vec<u64>,
}

impl Latencies {
    pub fn of(mut ns: Vec<u64>) -> Self {
        ns.sort_unstable();
        Self { ordered_ns: ns }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ordered_ns.len()
    }

    /// The latency in milliseconds that `share` of all do not exceed.
    pub fn ms(&self, share: f64) -> f64 {
        let last = self.ordered_ns.len().saturating_sub(1);
        let place = ((self.ordered_ns.len() as f64 * share).ceil() as usize).saturating_sub(1);
        let ns = self.ordered_ns.get(place.min(last));
        ns.map_or(f64::NAN, |ns| *ns as f64 / 1e6)
    }
}
