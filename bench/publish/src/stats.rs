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
    pub fn of(runs: impl Iterator<Item = f64>) -> Self {
        let mut runs: Vec<f64> = runs.collect();
        runs.sort_by(f64::total_cmp);
        let at = |place: usize| runs.get(place).copied().unwrap_or(f64::NAN);
        let last = runs.len().saturating_sub(1);
        Self {
            // Of an even number of runs, the mean of the two in the middle.
            median: f64::midpoint(at(last / 2), at(runs.len() / 2)),
            low: at(0),
            high: at(last),
        }
    }
}

/// Latencies, in order.
pub struct Latencies {
    ordered_ns: Vec<u32>,
}

impl Latencies {
    pub fn of(mut ns: Vec<u32>) -> Self {
        ns.sort_unstable();
        Self { ordered_ns: ns }
    }

    /// The latency in microseconds that `share` of all do not exceed.
    pub fn us(&self, share: f64) -> f64 {
        let last = self.ordered_ns.len().saturating_sub(1);
        let place = (self.ordered_ns.len() as f64 * share).ceil() as usize;
        let ns = self.ordered_ns.get(place.saturating_sub(1).min(last));
        ns.map_or(f64::NAN, |ns| f64::from(*ns) / 1e3)
    }
}

/// Writes a whole number with its thousands apart.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let latencies = Latencies::of((1..=100).rev().map(|us| us * 1_000).collect());
        assert_eq!(latencies.us(0.5), 50.0);
        assert_eq!(latencies.us(0.99), 99.0);
        assert_eq!(latencies.us(1.0), 100.0);
    }

    #[test]
    fn the_median_lies_in_the_middle_of_any_number_of_runs() {
        let median = |runs: &[f64]| Spread::of(runs.iter().copied()).median;
        assert_eq!(median(&[5.0]), 5.0);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 4.0]), 4.0);
    }

    #[test]
    fn thousands_are_apart() {
        let texts = [0.0, 999.4, 1_000.0, 1_234_567.0].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
