//! Very many subscribers and a few publishers who live through stops and starts of a hub, and come
//! back by themselves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::board::{Back, Board};
use super::publisher::Publisher;
use super::subscriber::{Subscriber, follower};
use super::{Load, Target};
use crate::journal::{Journal, Outcome, Publish};

/// Each has a request in flight nearly always: enough that every stop finds some.
const PUBLISHERS: u16 = 8;
/// How long everybody may need to come. Twice what is promised, so that lateness is told from
/// absence.
const PATIENCE: Duration = Duration::from_secs(60);

/// A crowd at work.
pub struct Crowd {
    address: SocketAddr,
    began: Instant,
    stop: CancellationToken,
    board: Arc<Board>,
    subscribers: JoinSet<Subscriber>,
    publishers: JoinSet<Publisher>,
    /// When the hub was told to stop, on the clock of the journal.
    marks: Vec<u64>,
}

/// What became of the requests that were in flight when a hub was told to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Acknowledged all the same.
    pub acked: usize,
    /// Refused in words.
    pub refused: usize,
    /// Not answered, and tried again.
    pub unknown: usize,
}

impl Crowd {
    /// Lets so many subscribers and a few publishers go to a hub, and waits until all are there.
    ///
    /// # Panics
    /// When they are not.
    pub async fn start(seed: u64, subscribers: usize, address: SocketAddr) -> Self {
        let (began, stop) = (Instant::now(), CancellationToken::new());
        let board = Arc::new(Board::new(subscribers));
        let target = Target {
            address,
            stop: stop.clone(),
        };
        let mut crowd = Self {
            address,
            began,
            stop,
            board: Arc::clone(&board),
            subscribers: JoinSet::new(),
            publishers: JoinSet::new(),
            marks: Vec::new(),
        };
        for number in 0..subscribers {
            let (target, board) = (target.clone(), Arc::clone(&board));
            let follower = follower(number);
            let follow = async move { follower.follow(number, target, &board).await };
            crowd.subscribers.spawn(follow);
        }
        crowd.wait("to come", board.all_open()).await;
        let mut rng = fastrand::Rng::with_seed(seed);
        for number in 0..PUBLISHERS {
            let target = target.clone();
            let mut publisher = Publisher::new(number, rng.fork(), began).steady();
            crowd.publishers.spawn(async move {
                publisher.go_on(&target).await;
                publisher
            });
        }
        crowd
    }

    /// To be called when the hub is about to be told to stop.
    pub fn mark(&mut self) {
        self.board.mark();
        self.marks.push(self.began.elapsed().as_nanos() as u64);
    }

    /// Waits until all were sent away since then and are back.
    ///
    /// # Panics
    /// When they are not.
    pub async fn back(&mut self) -> Back {
        self.wait("to come back", self.board.all_back()).await
    }

    /// Ends everybody, reads the history, and gives everything that was written down.
    ///
    /// # Panics
    /// When the hub does not answer, or one of them panicked.
    pub async fn finish(self) -> (Journal, Vec<InFlight>) {
        self.stop.cancel();
        let load = Load {
            publishers: self.publishers.join_all().await,
            subscribers: self.subscribers.join_all().await,
        };
        let journal = load.finish(self.address).await;
        let marks = self.marks.into_iter();
        let in_flight = marks.map(|mark| InFlight::at(mark, &journal)).collect();
        (journal, in_flight)
    }

    async fn wait<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let waited = timeout(PATIENCE, future).await;
        waited.unwrap_or_else(|_elapsed| panic!("not all had {what} after {PATIENCE:?}"))
    }
}

impl InFlight {
    fn at(mark: u64, journal: &Journal) -> Self {
        let is_in_flight = |it: &&Publish| it.invoked < mark && mark < it.answered;
        let mut all = Self::default();
        for publish in journal.publishes.iter().filter(is_in_flight) {
            match publish.outcome {
                Outcome::Stored { .. } => all.acked += 1,
                Outcome::Refused => all.refused += 1,
                Outcome::Unknown => all.unknown += 1,
            }
        }
        all
    }

    /// The same for programs.
    #[must_use]
    pub fn to_json(self) -> Value {
        json!({ "acked": self.acked, "refused": self.refused, "unknown": self.unknown })
    }
}
