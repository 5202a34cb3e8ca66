//! Events to many subscribers of one topic, or of a topic each: as many as the server takes, or at
//! a fixed rate.

use anyhow::Result;

use super::{Figures, Setting, Window};
use crate::load::{Load, Opening, Pace, Start, Watch};

/// How much is published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Publishing {
    /// This many requests are in flight at all times.
    InFlight(usize),
    /// Events a second, over so many publishers.
    Rate(f64, usize),
}

impl Publishing {
    fn publishers(self) -> usize {
        match self {
            Self::InFlight(publishers) | Self::Rate(_, publishers) => publishers,
        }
    }

    fn pace(self) -> Pace {
        match self {
            Self::InFlight(_) => Pace::InFlight,
            Self::Rate(per_s, _) => Pace::Rate(per_s),
        }
    }
}

/// Events to many subscribers.
#[derive(Clone, Copy, Debug)]
pub struct FanOut {
    /// How many there are, over all topics.
    pub subscribers: usize,
    /// Topics that they take in turns.
    pub topics: u32,
    /// How much is published.
    pub publishing: Publishing,
}

impl FanOut {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses subscribers.
    pub fn run(&self, setting: &Setting) -> Result<Figures> {
        self.run_watched(setting, None)
    }

    /// Runs it, and tells meanwhile how far it is.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses subscribers.
    pub fn run_watched(&self, setting: &Setting, watch: Option<Watch>) -> Result<Figures> {
        let mut load = Load::new(
            setting.target.clone(),
            self.topics,
            self.publishing.publishers(),
            setting.payload_bytes,
        )?;
        load.watch(watch);
        load.open(Opening {
            subscribers: self.subscribers,
            in_flight: setting.connecting,
            start: match self.topics {
                1 => Start::Anywhere,
                _ => Start::Tail,
            },
            is_stalled: false,
        })?;
        if self.topics == 1 {
            load.greet()?;
        }
        load.set_pace(self.publishing.pace())?;
        load.drive(setting.warm_up)?;
        let window = Window::begin(&mut load, setting)?;
        load.drive(setting.counted)?;
        window.end(&mut load, setting)
    }
}
