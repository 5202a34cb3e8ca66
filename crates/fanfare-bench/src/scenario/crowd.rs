//! Subscribers that come, stay and come back: connecting, idling, and a storm of reconnects.

use std::time::Duration;

use anyhow::Result;

use super::{Figures, Setting, Window};
use crate::clock::nanoseconds;
use crate::load::{Load, Opening, Pace, Start};
use crate::usage;

/// How long memory is let come to rest after subscribers were opened.
const REST: Duration = Duration::from_secs(1);

/// Opens subscribers as fast as the server accepts them.
#[derive(Clone, Copy, Debug)]
pub struct Connects {
    /// How many.
    pub subscribers: usize,
}

impl Connects {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses subscribers.
    pub fn run(&self, setting: &Setting) -> Result<Figures> {
        let mut load = Load::new(setting.target.clone(), 1, 0, setting.payload_bytes)?;
        let window = Window::begin(&mut load, setting)?;
        let span = load.open(Opening {
            subscribers: self.subscribers,
            in_flight: setting.connecting,
            start: Start::Anywhere,
            is_stalled: false,
        })?;
        let mut figures = window.end(&mut load, setting)?.without_rates();
        figures.connects_per_s = Some(self.subscribers as f64 / span.as_secs_f64());
        Ok(figures)
    }
}

/// Holds subscribers that receive nothing, first some and then more; the slope of the server's
/// memory is what one of them costs.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// How many at first.
    pub few: usize,
    /// How many at last.
    pub many: usize,
}

impl Idle {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, refuses subscribers, or has no memory that can be read.
    pub fn run(&self, setting: &Setting) -> Result<Figures> {
        let mut load = Load::new(setting.target.clone(), 1, 0, setting.payload_bytes)?;
        let window = Window::begin(&mut load, setting)?;
        let mut memory = [0; 2];
        for (step, subscribers) in [self.few, self.many - self.few].into_iter().enumerate() {
            load.open(Opening {
                subscribers,
                in_flight: setting.connecting,
                start: Start::Anywhere,
                is_stalled: false,
            })?;
            load.drive(REST)?;
            memory[step] = usage::memory(&setting.pids)?;
        }
        load.drive(setting.counted)?;
        let mut figures = window.end(&mut load, setting)?.without_rates();
        let [few, many] = memory.map(|bytes| bytes as f64);
        figures.bytes_per_subscriber = Some((many - few) / (self.many - self.few) as f64);
        Ok(figures)
    }
}

/// Cuts all subscribers at once while events are published, and lets them come back, each with the
/// id of its last event.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// How many there are.
    pub subscribers: usize,
    /// Events a second, before, meanwhile and after.
    pub per_s: f64,
    /// Publishers, over which these are spread.
    pub publishers: usize,
}

/// A server that has not taken all back by then will not.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// What a subscriber may be behind and count as live.
const LIVE_LAG: Duration = Duration::from_millis(250);
/// How often it is looked who is live.
const LOOK: Duration = Duration::from_millis(5);

impl Storm {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses subscribers.
    pub fn run(&self, setting: &Setting) -> Result<Figures> {
        let target = setting.target.clone();
        let mut load = Load::new(target, 1, self.publishers, setting.payload_bytes)?;
        load.note_ids();
        load.open(Opening {
            subscribers: self.subscribers,
            in_flight: setting.connecting,
            start: Start::Anywhere,
            is_stalled: false,
        })?;
        load.greet()?;
        load.set_pace(Pace::Rate(self.per_s))?;
        load.drive(setting.warm_up)?;
        let window = Window::begin(&mut load, setting)?;
        let cut_ns = load.now_ns();
        load.cut();
        load.reopen(setting.connecting, BACK_WITHIN)?;
        let accepted_ns = load.now_ns();
        let lag = (LIVE_LAG.as_secs_f64() * self.per_s).ceil() as u32;
        let until = cut_ns + nanoseconds(BACK_WITHIN);
        while !load.is_live(lag) && load.now_ns() < until {
            load.drive(LOOK)?;
        }
        let live_ns = load.now_ns();
        load.drive(setting.counted)?;
        let mut figures = window.end(&mut load, setting)?.without_rates();
        let since_cut = |at_ns: u64| Some((at_ns - cut_ns) as f64 / 1e9);
        figures.accepted_s = since_cut(accepted_ns);
        // Of those that never came, no time can be told.
        figures.live_s = since_cut(live_ns).filter(|_| live_ns < until);
        Ok(figures)
    }
}
