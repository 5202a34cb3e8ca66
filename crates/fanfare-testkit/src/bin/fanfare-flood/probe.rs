//! The healthy neighbour: publishes, reads what it published on another connection, and comes in by
//! a new one now and then, all the time.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::door::{Door, Protocol, Wire};
use crate::talk::{answer, ask, ask_once, request};

/// Time between two events: slow enough that the neighbour itself is no load.
const PACE: Duration = Duration::from_millis(20);
/// Every so many events it comes in by a new connection.
const NEWCOMER_EVERY: u64 = 5;
/// How long it waits before it counts a request as unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the neighbour saw.
#[derive(Default)]
pub(crate) struct Testimony {
    /// Answers by status; 0 is none.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Rounds that came to an end, well or not.
    pub(crate) ended: u64,
    /// From sending an event to reading it.
    pub(crate) rounds: Vec<Duration>,
    /// From knocking to the answer.
    pub(crate) newcomers: Vec<Duration>,
}

impl Testimony {
    /// How long a round took that so many of a thousand did not exceed.
    pub(crate) fn round(&self, per_mille: usize) -> Duration {
        let mut rounds = self.rounds.clone();
        rounds.sort_unstable();
        let place = (rounds.len() * per_mille).div_ceil(1_000);
        rounds
            .get(place.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn slowest_newcomer(&self) -> Duration {
        self.newcomers.iter().copied().max().unwrap_or_default()
    }

    /// Whether every answer was a good one.
    pub(crate) fn is_good(&self) -> bool {
        !self.rounds.is_empty()
            && self
                .statuses
                .keys()
                .all(|status| [200, 201].contains(status))
    }
}

/// A neighbour at work, in a thread of its own so that no flood holds it up.
pub(crate) struct Probe {
    stop: CancellationToken,
    seen: Arc<Mutex<Testimony>>,
    /// Told at the end of each round.
    round: Arc<Notify>,
    worker: JoinHandle<()>,
}

impl Probe {
    pub(crate) fn start(door: &Door) -> Self {
        let stop = CancellationToken::new();
        let seen = Arc::new(Mutex::new(Testimony::default()));
        let round = Arc::new(Notify::new());
        let worker = {
            let (door, stop) = (door.clone(), stop.clone());
            let (seen, round) = (Arc::clone(&seen), Arc::clone(&round));
            std::thread::spawn(move || {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build().unwrap();
                runtime.block_on(stop.run_until_cancelled(work(&door, &seen, &round)));
            })
        };
        Self {
            stop,
            seen,
            round,
            worker,
        }
    }

    /// What it saw since this was asked last: one round at least, however long that takes.
    pub(crate) async fn take(&self) -> Testimony {
        loop {
            {
                let mut seen = self.seen.lock().unwrap();
                if seen.ended > 0 {
                    return std::mem::take(&mut seen);
                }
            }
            // Told before it was asked for is told all the same: there is one who asks.
            self.round.notified().await;
        }
    }

    pub(crate) fn dismiss(self) {
        self.stop.cancel();
        self.worker
            .join()
            .expect("the neighbour tells, whatever happens");
    }
}

async fn work(door: &Door, seen: &Mutex<Testimony>, ended: &Notify) {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pair = None;
    for number in 0.. {
        ticks.tick().await;
        let round = timeout(PATIENCE, Pair::round(&mut pair, door, number));
        let round = round
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        {
            let mut seen = seen.lock().unwrap();
            let status = match round {
                Ok((status, took)) => {
                    seen.rounds.push(took);
                    status
                }
                Err(_) => 0,
            };
            seen.ended += 1;
            *seen.statuses.entry(status).or_default() += 1;
            if status != 201 {
                pair = None;
            }
        }
        ended.notify_one();
        if number % NEWCOMER_EVERY == 0 {
            let began = Instant::now();
            let ready = request("GET /-/health/ready", "", b"");
            let answer = timeout(PATIENCE, ask_once(door, &ready)).await;
            let status = answer.ok().and_then(Result::ok).unwrap_or_default().status;
            let mut seen = seen.lock().unwrap();
            *seen.statuses.entry(status).or_default() += 1;
            seen.newcomers.push(began.elapsed());
        }
    }
}

/// A publisher and a subscriber.
struct Pair {
    publisher: Box<dyn Wire>,
    subscriber: Box<dyn Wire>,
    /// What the subscriber has read and not yet looked at.
    stream: Vec<u8>,
}

impl Pair {
    async fn open(door: &Door) -> io::Result<Self> {
        let mut subscriber = door.enter(Protocol::Http1).await?;
        let opened = ask(&mut *subscriber, &request("GET /probe", "", b"")).await?;
        if opened.status != 200 {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(Self {
            publisher: door.enter(Protocol::Http1).await?,
            subscriber,
            stream: opened.body,
        })
    }

    /// Publishes one event, has it acknowledged, and reads it.
    async fn round(
        pair: &mut Option<Self>,
        door: &Door,
        number: u64,
    ) -> io::Result<(u16, Duration)> {
        let pair = match pair {
            Some(pair) => pair,
            None => pair.insert(Self::open(door).await?),
        };
        let began = Instant::now();
        let body = number.to_string();
        let publish = request("POST /probe", "", body.as_bytes());
        let answer = ask(&mut *pair.publisher, &publish).await?;
        if answer.status == 201 {
            pair.read_to(&format!("data: {number}\n")).await?;
        }
        Ok((answer.status, began.elapsed()))
    }

    async fn read_to(&mut self, wanted: &str) -> io::Result<()> {
        let wanted = wanted.as_bytes();
        loop {
            let at = self.stream.windows(wanted.len());
            if let Some(at) = at.into_iter().position(|window| window == wanted) {
                self.stream.drain(..at + wanted.len());
                return Ok(());
            }
            if self.subscriber.read_buf(&mut self.stream).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Publishes a megabyte a second to a topic until the deadline, and on to the tenth event, however
/// late that is; says how much was acknowledged.
pub(crate) async fn publish_steadily(door: &Door, path: &str, deadline: Instant) -> u64 {
    /// Fifty of them are a megabyte.
    const EVENT_BYTES: usize = 20_000;
    const BYTES_MIN: u64 = 10 * EVENT_BYTES as u64;
    let publish = request(&format!("POST {path}"), "", &vec![b'x'; EVENT_BYTES]);
    let mut ticks = interval(Duration::from_millis(20));
    let mut acknowledged = 0;
    let Ok(mut wire) = door.enter(Protocol::Http1).await else {
        return 0;
    };
    while Instant::now() < deadline || acknowledged < BYTES_MIN {
        ticks.tick().await;
        if crate::door::send(&mut *wire, &publish).await.is_err() {
            break;
        }
        match answer(&mut *wire).await {
            Ok(answer) if answer.status == 201 => acknowledged += EVENT_BYTES as u64,
            _ => break,
        }
    }
    acknowledged
}
