//! Timers: a wheel of slots, each 25 ms, in which connections lie until their time
//! has come. A connection lies in one slot at a time; who comes too early is put back.

use std::time::{Duration, Instant};

use crate::table::Token;

/// How exact timers are. Heartbeats are spread over seconds, deadlines are seconds long.
const TICK: Duration = Duration::from_millis(25);
/// Slots: a turn of the wheel takes 25.6 s, more than the longest usual timer. A longer one goes
/// round again.
const SLOTS: u32 = 1_024;

/// Time on the wheel: whole ticks since the shard began. 32 bits last for three years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(pub(crate) u32);

impl Tick {
    /// The tick that begins at least so much later, and not in this one.
    pub(crate) fn after(self, span: Duration) -> Self {
        // One more, because this one may be nearly over.
        let ticks = span.as_millis().div_ceil(TICK.as_millis()) + 1;
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX / 2);
        Self(self.0.saturating_add(ticks))
    }

    /// How long ago an earlier tick was.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        TICK * self.0.saturating_sub(earlier.0)
    }
}

/// The wheel of one shard.
pub(crate) struct Wheel {
    began: Instant,
    slots: Vec<Vec<Token>>,
    /// The last tick whose slot was emptied.
    now: Tick,
    waiting: usize,
}

impl Wheel {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            now: Tick(0),
            waiting: 0,
        }
    }

    pub(crate) fn tick(&self, now: Instant) -> Tick {
        let ticks = (now - self.began).as_millis() / TICK.as_millis();
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// Has the connection come up at that tick, or somewhat earlier when it lies far ahead.
    /// Answers when.
    pub(crate) fn arm(&mut self, token: Token, at: Tick) -> Tick {
        let first = Tick(self.now.0 + 1);
        let last = Tick(self.now.0 + SLOTS - 1);
        let at = at.clamp(first, last);
        self.slots[(at.0 % SLOTS) as usize].push(token);
        self.waiting += 1;
        at
    }

    /// Takes out one slot whose time has come.
    pub(crate) fn turn(&mut self, now: Tick) -> Option<(Tick, Vec<Token>)> {
        if self.now >= now {
            return None;
        }
        self.now = Tick(self.now.0 + 1);
        let due = std::mem::take(&mut self.slots[(self.now.0 % SLOTS) as usize]);
        self.waiting -= due.len();
        Some((self.now, due))
    }

    /// How long there is nothing to do; `None` when no timer is set.
    pub(crate) fn idle(&self, now: Instant) -> Option<Duration> {
        if self.waiting == 0 {
            return None;
        }
        let ahead = (1..SLOTS).find(|ahead| {
            let slot = self.now.0.wrapping_add(*ahead) % SLOTS;
            !self.slots[slot as usize].is_empty()
        });
        let due = self.began + TICK * (self.now.0 + ahead.unwrap_or(SLOTS));
        Some(due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn timers_come_up_in_time_and_not_before() {
        let began = Instant::now();
        let mut wheel = Wheel::new(began);
        let mut table = Table::new();
        let [soon, later, far] = [(); 3].map(|()| table.insert(|_| ()));
        assert_eq!(wheel.idle(began), None);
        assert_eq!(wheel.arm(soon, Tick(0)), Tick(1));
        assert_eq!(
            wheel.arm(later, Tick(0).after(Duration::from_secs(2))),
            Tick(81)
        );
        assert_eq!(wheel.arm(far, Tick(9_999)), Tick(1_023));
        assert_eq!(wheel.idle(began), Some(TICK));
        let mut seen = Vec::new();
        while let Some((tick, due)) = wheel.turn(Tick(1_100)) {
            seen.extend(due.into_iter().map(|token| (tick.0, token)));
        }
        assert_eq!(seen, [(1, soon), (81, later), (1_023, far)]);
        assert_eq!(wheel.idle(began), None);
    }
}
