//! Readers at the wrong time or of the wrong speed: the past for many at once, and readers that
//! stall beside live ones.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Figures, Setting, Window};
use crate::clock::nanoseconds;
use crate::load::{Load, Opening, Pace, Start};
use crate::usage;

/// Many clients that ask for the same history at once. The path of the target has to ask for it.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// How many ask at once.
    pub subscribers: usize,
    /// Events that each asks for.
    pub events: u64,
    /// How often.
    pub waves: usize,
}

/// No wave takes so long.
const WAVE_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked how far a wave is.
const LOOK: Duration = Duration::from_micros(500);

impl Replay {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, refuses subscribers, or does not have the events.
    pub fn run(&self, setting: &Setting) -> Result<Figures> {
        let mut load = Load::new(setting.target.clone(), 1, 1, setting.payload_bytes)?;
        load.publish_events(self.events)?;
        let published = load.moment().stored;
        let window = Window::begin(&mut load, setting)?;
        let mut spent = Duration::ZERO;
        for wave in 0..self.waves as u64 {
            load.hang_up();
            load.open_silent(self.subscribers, setting.connecting)?;
            let begin = load.now_ns();
            load.ask_all()?;
            let goal = (wave + 1) * published * self.subscribers as u64;
            while load.moment().deliveries < goal {
                let now = load.now_ns();
                let took = Duration::from_nanos(now - begin);
                ensure!(
                    took < WAVE_WITHIN,
                    "of {goal} events of history, {} came within {WAVE_WITHIN:?}",
                    load.moment().deliveries
                );
                load.turn(now + nanoseconds(LOOK))?;
            }
            spent += Duration::from_nanos(load.now_ns() - begin);
        }
        let mut figures = window.end(&mut load, setting)?.without_rates();
        let replayed = self.waves as u64 * published * self.subscribers as u64;
        figures.replayed_per_s = Some(replayed as f64 / spent.as_secs_f64());
        Ok(figures)
    }
}

/// Readers that do not read, beside readers that do.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// How many read.
    pub live: usize,
    /// How many do not.
    pub stalled: usize,
    /// Events that are published at once, so that those fall behind by more than a socket holds.
    pub burst: u64,
    /// Events a second, before and after.
    pub per_s: f64,
    /// Publishers, over which these are spread.
    pub publishers: usize,
}

impl Stall {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses subscribers.
    pub fn run(&self, setting: &Setting) -> Result<Figures> {
        let target = setting.target.clone();
        let mut load = Load::new(target, 1, self.publishers, setting.payload_bytes)?;
        let opening = Opening {
            subscribers: self.live,
            in_flight: setting.connecting,
            start: Start::Anywhere,
            is_stalled: false,
        };
        load.open(opening)?;
        load.greet()?;
        let alone = self.measure(&mut load, setting)?;
        load.open(Opening {
            subscribers: self.stalled,
            is_stalled: true,
            ..opening
        })?;
        let before = usage::memory(&setting.pids)?;
        load.publish_events(self.burst)?;
        load.settle()?;
        let mut figures = self.measure(&mut load, setting)?;
        let after = usage::memory(&setting.pids)?;
        figures.alone_p99_ms = alone.latency_ms.map(|it| it.p99);
        let grown = after.saturating_sub(before) as f64;
        figures.bytes_per_stalled = Some(grown / self.stalled as f64);
        // Readers that do not read may be hung up on; that is no fault.
        figures.hung_up = 0;
        Ok(figures)
    }

    fn measure(&self, load: &mut Load, setting: &Setting) -> Result<Figures> {
        load.set_pace(Pace::Rate(self.per_s))?;
        load.drive(setting.warm_up)?;
        let window = Window::begin(load, setting)?;
        load.drive(setting.counted)?;
        window.end(load, setting)
    }
}
