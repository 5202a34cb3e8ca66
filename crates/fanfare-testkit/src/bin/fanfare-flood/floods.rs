//! Floods: what one of them is, and what comes of it.
//!
//! - `table`: all of them, with what is sent, what has to come of it, and what it may cost;
//! - `http2`: floods of HTTP/2 frames, one connection after the other;
//! - `held`: HTTP/2 streams that are held open, and answers that nobody takes;
//! - `crowd`: many connections of HTTP/1.1 at once;
//! - `bodies`: bodies and queries that are too much;
//! - `foreign`: slowhttptest.

mod bodies;
mod crowd;
mod foreign;
mod held;
mod http2;
mod table;

use std::pin::Pin;

pub(crate) use self::table::FLOODS;
use crate::pour::Tally;
use crate::trial::Target;

/// One flood.
pub(crate) struct Flood {
    pub(crate) name: &'static str,
    pub(crate) sent: &'static str,
    pub(crate) expected: &'static str,
    /// Whether the hub listens with TLS.
    pub(crate) is_tls: bool,
    /// Whether it needs no waiting, so that it is tried with every change.
    pub(crate) is_short: bool,
    /// Open files that the hub may have.
    pub(crate) descriptors: Option<u64>,
    /// What the hub may take more at its peak.
    pub(crate) grown_mib_max: f64,
    /// What share of a processor it may take, where the flood is meant to be slow.
    pub(crate) cpu_share_max: Option<f64>,
    pub(crate) work: for<'a> fn(&'a Target) -> Work<'a>,
}

/// A flood at work.
pub(crate) type Work<'a> = Pin<Box<dyn Future<Output = Came> + 'a>>;

/// What came of a flood.
#[derive(Default)]
pub(crate) struct Came {
    pub(crate) seen: String,
    pub(crate) breaches: Vec<String>,
}

impl Came {
    pub(crate) fn seen(seen: String) -> Self {
        Self {
            seen,
            breaches: Vec::new(),
        }
    }

    pub(crate) fn broken(breach: &str) -> Self {
        Self {
            seen: String::new(),
            breaches: vec![breach.to_owned()],
        }
    }

    /// Adds what was seen of another part.
    fn and(mut self, part: &str, other: Self) -> Self {
        if !self.seen.is_empty() {
            self.seen.push_str("; ");
        }
        self.seen.push_str(part);
        self.seen.push_str(": ");
        self.seen.push_str(&other.seen);
        self.breaches.extend(other.breaches);
        self
    }

    fn ensure(mut self, holds: bool, breach: impl FnOnce() -> String) -> Self {
        if !holds {
            self.breaches.push(breach());
        }
        self
    }

    /// Each connection has to be cut off before it has sent so many pieces.
    fn cut_off(tally: &Tally, pieces_max: u64) -> Self {
        let is_cut = tally.connections > tally.uncut;
        let pieces = tally.pieces_max;
        Self::seen(tally.describe())
            .ensure(is_cut, || "nobody was cut off".to_owned())
            .ensure(pieces <= pieces_max, || {
                format!("cut off after {pieces} pieces, more than {pieces_max}")
            })
    }
}

/// What the hub may take for a flood of frames.
const GROWN_MIB_MAX: f64 = 50.0;
/// Where windows have room for a byte: 2,000 streams, each with a turn that was begun, which is one
/// event of 20 kB.
const BEGUN_MIB_MAX: f64 = 80.0;
/// Where windows are open and nobody reads: 2,000 streams, each with a turn that is half sent, one
/// that waits and one that was begun when there was room for a byte of it.
const UNREAD_MIB_MAX: f64 = 150.0;
/// Where 2,000 readers stand still while 60 MB are published: the log holds the youngest 32 MiB,
/// the shards what they read ahead for those who fall behind, and each connection some kilobytes. A
/// queue for each would take 120 GB.
const READERS_MIB_MAX: f64 = 150.0;
/// Where a hundred ask for a page of 8 MB: each reads on by an event of half a megabyte to find
/// where it ends, and the log holds what was read last. Held whole they took 880.
const PAGES_MIB_MAX: f64 = 150.0;
/// Where 2,000 heads of 900 fields come at once on eight connections: each is read before it is
/// refused, and takes some 80 KB until then, 160 MiB if all are there at one time. Held with their
/// bodies they took 24 MiB a connection.
const HEADS_MIB_MAX: f64 = 200.0;
/// Where bodies of a megabyte come and go on four connections: each is collected in a buffer that
/// doubles, and the allocator keeps what was freed for a moment.
const BODIES_MIB_MAX: f64 = 100.0;
/// Where events of two megabytes are read by a hundred: the log holds the youngest 32 MiB, the
/// shards what was lately published, and each reader has a turn under way.
const NEWLINES_MIB_MAX: f64 = 200.0;
/// What share of a processor the hub may take for a flood that is slow.
const SLOW_SHARE_MAX: f64 = 0.2;

impl Flood {
    const fn new(
        name: &'static str,
        [sent, expected]: [&'static str; 2],
        work: for<'a> fn(&'a Target) -> Work<'a>,
    ) -> Self {
        Self {
            name,
            sent,
            expected,
            is_tls: false,
            is_short: false,
            descriptors: None,
            grown_mib_max: GROWN_MIB_MAX,
            cpu_share_max: None,
            work,
        }
    }

    const fn over_tls(mut self) -> Self {
        self.is_tls = true;
        self
    }

    const fn short(mut self) -> Self {
        self.is_short = true;
        self
    }

    const fn slow(mut self) -> Self {
        self.cpu_share_max = Some(SLOW_SHARE_MAX);
        self
    }

    const fn grows(mut self, mib_max: f64) -> Self {
        self.grown_mib_max = mib_max;
        self
    }

    const fn with_descriptors(mut self, descriptors: u64) -> Self {
        self.descriptors = Some(descriptors);
        self
    }
}
