//! Whether a shard is asleep, and who has to wake it.
//!
//! ```text
//!            ring: nothing to do              ring: wake it
//!   Awake ----------------------> Rung <------------------- Asleep
//!     ^  \_________________________|__________________________^
//!     |        nothing rang        | the shard looks at everything
//!     +----------------------------+
//! ```
//!
//! `models/` tries it in every order in which threads can meet.

use crate::sync::{AtomicU8, Ordering};

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const RUNG: u8 = 2;

/// Where a shard and those who ring for it meet.
pub(crate) struct Alarm {
    state: AtomicU8,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(AWAKE),
        }
    }
}

impl Alarm {
    /// The shard looks at everything from here on: what rings later is for its next turn.
    pub(crate) fn begin_turn(&self) {
        // Not a mere store, which the model sleeps through: who rang before has to be seen, with
        // what it wrote before it rang.
        self.state.swap(AWAKE, Ordering::SeqCst);
    }

    /// Whether the shard may sleep. If not, something rang since its turn began.
    pub(crate) fn may_sleep(&self) -> bool {
        let nobody_rang =
            self.state
                .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        nobody_rang.is_ok()
    }

    /// Says that there is something to look at, and answers whether the shard sleeps and has to be
    /// woken.
    pub(crate) fn ring(&self) -> bool {
        self.state.swap(RUNG, Ordering::SeqCst) == ASLEEP
    }
}
