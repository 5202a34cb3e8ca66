//! Bounds on the command line: `NAME=VALUE`, by the names that the hub gives them.

use std::str::FromStr;

use fanfare::Limits;
use fanfare::limits::{Bound, Measure};

/// One bound that the operator sets.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    bound: &'static Bound,
    value: Measure,
}

impl Limit {
    /// The limits with all of these set.
    pub(crate) fn apply(all: &[Self], limits: &mut Limits) {
        for limit in all {
            // Was tried when it was read.
            let set = limit.bound.set(limits, limit.value);
            debug_assert!(set.is_ok());
        }
    }
}

impl PartialEq for Limit {
    fn eq(&self, other: &Self) -> bool {
        self.bound.name == other.bound.name && self.value == other.value
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("a limit is NAME=VALUE, such as topics_max=1000")?;
        let mut bounds = Limits::ALL.iter();
        let bound = bounds.find(|bound| bound.name == name).ok_or_else(|| {
            format!("there is no limit {name:?}; `fanfare check` lists all there are")
        })?;
        let value = match bound.of(&Limits::default()) {
            Measure::Number(_) => number(value).map(Measure::Number),
            Measure::Span(_) => humantime::parse_duration(value).ok().map(Measure::Span),
        };
        let value = value.ok_or_else(|| match bound.of(&Limits::default()) {
            Measure::Number(_) => format!("{name} is a number, such as 1000 or 64KiB"),
            Measure::Span(_) => format!("{name} is a time, such as 30s"),
        })?;
        let tried = bound.set(&mut Limits::default(), value);
        tried.map_err(|error| error.to_string())?;
        Ok(Self { bound, value })
    }
}

/// A number, which may be grouped by `_` and end in a unit of bytes.
fn number(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let text = text.replace('_', "");
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (digits, times) = match unit {
        Some((unit, times)) => (text.trim_end_matches(unit).trim_end(), *times),
        None => (text.as_str(), 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(times)
}

/// A bound as it is written.
pub(crate) fn show(measure: Measure) -> String {
    match measure {
        Measure::Number(number) => number.to_string(),
        Measure::Span(span) => humantime::format_duration(span).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_name_and_a_value_of_its_kind() {
        let mut limits = Limits::default();
        let set = [
            "topics_max=1_000",
            "event_bytes_max=64 KiB",
            "heartbeat=10s",
        ];
        let set: Vec<Limit> = set.iter().map(|text| text.parse().unwrap()).collect();
        Limit::apply(&set, &mut limits);
        assert_eq!(limits.topics_max, 1_000);
        assert_eq!(limits.event_bytes_max, 64 << 10);
        assert_eq!(limits.heartbeat.as_secs(), 10);
        for text in [
            "",
            "topics_max",
            "topics_max=",
            "topics_max=-1",
            "topics_max=0",
            "topics_max=10s",
            "topics_max=99999999999999GiB",
            "heartbeat=15",
            "topic_max=1",
        ] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_bound_can_be_set_to_what_it_is() {
        for bound in Limits::ALL {
            let text = format!("{}={}", bound.name, show(bound.of(&Limits::default())));
            let limit: Limit = text.parse().unwrap();
            assert_eq!(limit.value, bound.of(&Limits::default()), "{text}");
        }
    }
}
