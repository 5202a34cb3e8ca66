//! Medians with their spread, latencies with their percentiles, and how numbers are written.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The median of several runs and the range they lay in.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// Of an even number of runs, the mean of the two in the middle.
    pub median: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Spread {
    /// Of some runs; of none, everything is not a number.
    pub fn of(runs: impl IntoIterator<Item = f64>) -> Self {
        let mut runs: Vec<f64> = runs.into_iter().collect();
        runs.sort_by(f64::total_cmp);
        let at = |place: usize| runs.get(place).copied().unwrap_or(f64::NAN);
        let last = runs.len().saturating_sub(1);
        Self {
            median: f64::midpoint(at(last / 2), at(runs.len() / 2)),
            low: at(0),
            high: at(last),
        }
    }
}

/// Milliseconds that a share of all latencies did not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of all.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// The longest that is told apart; what takes longer counts as this.
const LATENCY_NS_MAX: u64 = 300_000_000_000;
/// Digits that are exact.
const PRECISION: u8 = 3;

/// Latencies, each from when an event was due.
#[derive(Clone, Debug)]
pub struct Latencies {
    ns: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        // 1 us to 5 minutes.
        let ns = Histogram::new_with_bounds(1_000, LATENCY_NS_MAX, PRECISION);
        Self {
            ns: ns.unwrap_or_else(|_| unreachable!("the bounds are constants and valid")),
        }
    }
}

impl Latencies {
    /// Counts one latency so many times.
    #[inline]
    pub(crate) fn record(&mut self, ns: u64, times: u64) {
        self.ns.saturating_record_n(ns, times);
    }

    pub(crate) fn clear(&mut self) {
        self.ns.reset();
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ns.len()
    }

    /// What shares of all do not exceed; `None` when there are none.
    #[must_use]
    pub fn percentiles(&self) -> Option<Percentiles> {
        let ms = |share| self.ns.value_at_quantile(share) as f64 / 1e6;
        (!self.ns.is_empty()).then(|| Percentiles {
            p50: ms(0.5),
            p90: ms(0.9),
            p99: ms(0.99),
            p999: ms(0.999),
            max: ms(1.0),
        })
    }
}

/// Writes a whole number with its thousands apart.
#[must_use]
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
    fn the_median_lies_in_the_middle_of_any_number_of_runs() {
        let median = |runs: &[f64]| Spread::of(runs.iter().copied()).median;
        assert_eq!(median(&[5.0]), 5.0);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 4.0]), 4.0);
    }

    #[test]
    fn percentiles_are_exact_to_a_thousandth() {
        let mut latencies = Latencies::default();
        (1..=1_000).for_each(|ms| latencies.record(ms * 1_000_000, 1));
        let seen = latencies.percentiles().unwrap();
        for (seen, ms) in [(seen.p50, 500.0), (seen.p99, 990.0), (seen.max, 1_000.0)] {
            assert!((seen / ms - 1.0).abs() < 0.001);
        }
        assert_eq!(Latencies::default().percentiles(), None);
    }

    #[test]
    fn thousands_are_apart() {
        let texts = [0.0, 999.4, 1_000.0, 1_234_567.0].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
