//! Bounds as operators see them: a name, a value and a reason. A field of the limits is written
//! once, and everything else follows from it.

use std::time::Duration;

use super::Limits;

/// One bound: what it is called, why it is what it is, and how it is read and set.
#[derive(Debug)]
pub struct Bound {
    /// What it bounds things of.
    pub group: &'static str,
    /// Its name, that of the field.
    pub name: &'static str,
    /// What it counts, and why its default is this number: the lines of its documentation.
    pub reason: &'static [&'static str],
    /// What a change of it waits for, if it does.
    pub(super) waits: &'static [&'static str],
    pub(super) get: fn(&Limits) -> Measure,
    pub(super) set: fn(&mut Limits, Measure) -> Option<()>,
}

/// The value of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// So many of something.
    Number(u64),
    /// So long.
    Span(Duration),
}

/// Why a bound cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BoundError {
    /// Nothing would be let through.
    #[error("{0} cannot be zero")]
    Zero(&'static str),
    /// A time where a number belongs, or the reverse.
    #[error("{0} is {1}")]
    Kind(&'static str, &'static str),
    /// More than the machine counts to.
    #[error("{0} cannot be that large")]
    TooLarge(&'static str),
}

impl Bound {
    /// Its value among these limits.
    #[must_use]
    pub fn of(&self, limits: &Limits) -> Measure {
        (self.get)(limits)
    }

    /// Sets it among these limits.
    ///
    /// # Errors
    /// When the value is not of its kind, too large, or zero where that would let nothing through.
    pub fn set(&self, limits: &mut Limits, value: Measure) -> Result<(), BoundError> {
        let kind = match (self.of(limits), value) {
            (Measure::Number(_), Measure::Span(_)) => Some("a number"),
            (Measure::Span(_), Measure::Number(_)) => Some("a time, such as 30s"),
            _ => None,
        };
        if let Some(kind) = kind {
            return Err(BoundError::Kind(self.name, kind));
        }
        let is_zero = matches!(value, Measure::Number(0) | Measure::Span(Duration::ZERO));
        if is_zero && !self.may_be_zero() {
            return Err(BoundError::Zero(self.name));
        }
        (self.set)(limits, value).ok_or(BoundError::TooLarge(self.name))
    }

    /// Whether what it bounds is set up when the hub starts, so that a change waits for a restart.
    #[must_use]
    pub fn waits_for_restart(&self) -> bool {
        !self.waits.is_empty()
    }

    /// Rates are bounded only where the operator bounds them: none is their default.
    fn may_be_zero(&self) -> bool {
        self.of(&Limits::default()) == Measure::Number(0)
    }
}

/// What a field of the limits can be.
pub(super) trait Measured: Copy {
    fn measure(self) -> Measure;
    fn from_measure(measure: Measure) -> Option<Self>;
}

macro_rules! numbers {
    ($($kind:ty),+) => {$(
        impl Measured for $kind {
            fn measure(self) -> Measure {
                Measure::Number(self as u64)
            }

            fn from_measure(measure: Measure) -> Option<Self> {
                match measure {
                    Measure::Number(number) => number.try_into().ok(),
                    Measure::Span(_) => None,
                }
            }
        }
    )+};
}

numbers!(usize, u64, u32);

impl Measured for Duration {
    fn measure(self) -> Measure {
        Measure::Span(self)
    }

    fn from_measure(measure: Measure) -> Option<Self> {
        match measure {
            Measure::Span(span) => Some(span),
            Measure::Number(_) => None,
        }
    }
}

/// Declares the limits: each field with its reason, its kind and its default, in groups. One that
/// is set up when the hub starts says so behind its default.
macro_rules! declare {
    ($($group:literal {
        $($(#[doc = $reason:literal])+ $name:ident: $kind:ty = $default:expr $(, $waits:ident)?;)+
    })+) => {
        /// Every bound of the hub. What is not bounded here does not exist.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($($(#[doc = $reason])+ pub $name: $kind,)+)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($($name: $default,)+)+ }
            }
        }

        impl Limits {
            /// These limits as a hub can keep them that runs with others, and the names of those
            /// that stay as they were.
            #[must_use]
            pub fn for_running(mut self, current: &Self) -> (Self, Vec<&'static str>) {
                let stays = |bound: &&Bound| bound.waits_for_restart();
                let mut kept = Vec::new();
                for bound in Self::ALL.iter().filter(stays) {
                    let value = bound.of(current);
                    if bound.of(&self) != value && (bound.set)(&mut self, value).is_some() {
                        kept.push(bound.name);
                    }
                }
                (self, kept)
            }

            /// Every bound by its name, in the order in which they are documented.
            pub const ALL: &[Bound] = &[$($(Bound {
                group: $group,
                name: stringify!($name),
                reason: &[$($reason),+],
                waits: &[$(stringify!($waits))?],
                get: |limits| limits.$name.measure(),
                set: |limits, value| {
                    limits.$name = Measured::from_measure(value)?;
                    Some(())
                },
            },)+)+];
        }
    };
}

pub(super) use declare;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_reason_and_is_set_by_its_name() {
        let defaults = Limits::default();
        for bound in Limits::ALL {
            let mut limits = Limits::default();
            let value = match bound.of(&limits) {
                Measure::Number(number) => Measure::Number(number + 1),
                Measure::Span(span) => Measure::Span(span * 2),
            };
            bound.set(&mut limits, value).unwrap();
            assert_eq!(bound.of(&limits), value, "{}", bound.name);
            for other in Limits::ALL.iter().filter(|other| other.name != bound.name) {
                assert_eq!(other.of(&limits), other.of(&defaults), "{}", bound.name);
            }
            assert!(bound.reason.concat().len() > 20, "{}", bound.name);
        }
    }

    #[test]
    fn a_running_hub_keeps_what_it_was_set_up_with() {
        let current = Limits::default();
        let wanted = Limits {
            topics_max: 7,
            selectors_max: 7,
            ..Limits::default()
        };
        let (limits, kept) = wanted.for_running(&current);
        assert_eq!(kept, ["topics_max"]);
        assert_eq!(limits.topics_max, current.topics_max);
        assert_eq!(limits.selectors_max, 7);
    }

    #[test]
    fn what_is_no_value_of_a_bound_changes_nothing() {
        let find = |name| Limits::ALL.iter().find(|bound| bound.name == name).unwrap();
        let mut limits = Limits::default();
        for (name, value) in [
            ("topics_max", Measure::Number(0)),
            ("topics_max", Measure::Span(Duration::from_secs(1))),
            ("h2_streams_max", Measure::Number(u64::MAX)),
            ("heartbeat", Measure::Number(15)),
            ("heartbeat", Measure::Span(Duration::ZERO)),
        ] {
            assert!(find(name).set(&mut limits, value).is_err(), "{name}");
        }
        assert_eq!(limits, Limits::default());
    }
}
