//! The load of every campaign: publishers and subscribers over real sockets against a hub that may
//! vanish at any moment, and the journal of what they were told.
//!
//! A load lives through many rounds. In a round everybody connects and goes on until the hub is
//! gone or the round is stopped; what was not answered is tried again in the next one.
//!
//! - `wire`: one connection, which may break;
//! - `publisher`, `subscriber`: who writes down what;
//! - `history`: what the hub has at the end;
//! - `crowd`: very many subscribers who come back by themselves, as browsers do;
//! - `board`: who of them is there;
//! - `orders`: what a campaign tells the programs that do all this.

mod board;
mod crowd;
mod history;
mod orders;
mod publisher;
mod subscriber;
mod wire;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use self::board::Back;
pub use self::crowd::{Crowd, InFlight};
pub use self::orders::orders;
use self::publisher::Publisher;
use self::subscriber::Subscriber;
use crate::journal::{Journal, Outcome};

/// Publishers and subscribers that live through many rounds.
pub struct Load {
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
}

/// What one round brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    /// Requests acknowledged.
    pub acked: usize,
    /// Requests refused.
    pub refused: usize,
    /// Requests whose outcome nobody knows.
    pub unknown: usize,
    /// Entries on event streams.
    pub entries: usize,
    /// How long it took.
    pub duration: Duration,
}

/// Where everybody goes, and when to stop.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    stop: CancellationToken,
}

/// As many as the tests of the durable log speak of; four already share every group commit.
const PUBLISHERS: u16 = 4;
/// How often what was not answered is tried again before the end.
const SETTLES_MAX: usize = 10;

impl Load {
    /// Publishers and subscribers whose choices follow from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let began = Instant::now();
        let publishers = 0..PUBLISHERS;
        Self {
            publishers: publishers
                .map(|number| Publisher::new(number, rng.fork(), began))
                .collect(),
            subscribers: subscriber::eight(&mut rng),
        }
    }

    /// Loads the hub until it is gone or until `stop`.
    pub async fn round(&mut self, address: SocketAddr, stop: &CancellationToken) -> Round {
        let before = self.totals();
        let began = Instant::now();
        let target = Target {
            address,
            stop: stop.clone(),
        };
        let publishers = self.publishers.iter_mut();
        let publishers = join_all(publishers.map(|one| one.round(&target)));
        let subscribers = self.subscribers.iter_mut();
        let subscribers = join_all(subscribers.map(|one| one.round(&target)));
        tokio::join!(publishers, subscribers);
        let after = self.totals();
        Round {
            acked: after.acked - before.acked,
            refused: after.refused - before.refused,
            unknown: after.unknown - before.unknown,
            entries: after.entries - before.entries,
            duration: began.elapsed(),
        }
    }

    /// Retries what was not answered, reads the history, and gives everything that was written
    /// down.
    ///
    /// # Panics
    /// When the hub does not answer: there is nothing to judge then.
    pub async fn finish(mut self, address: SocketAddr) -> Journal {
        let target = Target {
            address,
            stop: CancellationToken::new(),
        };
        for _ in 0..SETTLES_MAX {
            let publishers = self.publishers.iter_mut();
            join_all(publishers.map(|one| one.settle(&target))).await;
        }
        let publishes = self.publishers.iter_mut();
        let transcripts = self.subscribers.iter_mut();
        let mut journal = Journal {
            publishes: publishes.flat_map(Publisher::take_journal).collect(),
            transcripts: transcripts.flat_map(Subscriber::take_journal).collect(),
            ..Journal::default()
        };
        history::read(address, &mut journal).await;
        journal
    }

    fn totals(&self) -> Round {
        let mut totals = Round::default();
        for publish in self.publishers.iter().flat_map(Publisher::journal) {
            match publish.outcome {
                Outcome::Stored { .. } => totals.acked += 1,
                Outcome::Refused => totals.refused += 1,
                Outcome::Unknown => totals.unknown += 1,
            }
        }
        totals.entries = self.subscribers.iter().map(Subscriber::entries).sum();
        totals
    }
}

impl Round {
    /// The round for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "acked": self.acked,
            "refused": self.refused,
            "unknown": self.unknown,
            "entries": self.entries,
            "ms": self.duration.as_millis() as u64,
        })
    }
}
