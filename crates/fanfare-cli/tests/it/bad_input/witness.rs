//! The healthy neighbours: one publisher and one subscriber who must not notice anything.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::hub::Hub;
use super::request;
use super::wire::{connect, read_answer, send};

/// The topic that they use.
pub(super) const TOPIC: &str = "witness";
/// Time between two of their events.
const PACE: Duration = Duration::from_millis(20);

/// A publisher and a subscriber at work.
pub(super) struct Witness {
    stop: Sender<()>,
    worker: JoinHandle<Testimony>,
}

/// What they saw.
#[derive(Debug)]
pub(super) struct Testimony {
    pub(super) events: usize,
    /// From sending an event to reading it, at worst.
    pub(super) slowest: Duration,
}

impl Witness {
    /// Starts both, and returns once the first event went round.
    pub(super) fn of(hub: &Hub) -> Self {
        let (stop, stopped) = channel();
        let (began, begin) = channel();
        let address = hub.plain;
        let worker = thread::spawn(move || {
            let mut pair = Pair::of(address);
            let mut is_last = false;
            let mut testimony = Testimony {
                events: 0,
                slowest: Duration::ZERO,
            };
            loop {
                let took = pair.round(testimony.events);
                testimony.events += 1;
                testimony.slowest = testimony.slowest.max(took);
                if testimony.events == 1 {
                    began.send(()).unwrap();
                }
                if is_last {
                    return testimony;
                }
                // One more round after the end, however short the trial was.
                is_last = stopped.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout);
            }
        });
        begin.recv().expect("the first event goes round");
        Self { stop, worker }
    }

    /// Ends their work.
    pub(super) fn dismiss(self) -> Testimony {
        // When the worker is gone already, the join tells why.
        self.stop.send(()).unwrap_or_default();
        self.worker.join().expect("the neighbours noticed nothing")
    }
}

struct Pair {
    publisher: TcpStream,
    subscriber: BufReader<TcpStream>,
}

impl Pair {
    fn of(address: SocketAddr) -> Self {
        let mut subscriber = connect(address);
        send(
            &mut subscriber,
            &request("GET", format!("/{TOPIC}"), "", b""),
        );
        let answer = read_answer(&mut subscriber);
        assert_eq!(answer.status, 200, "{answer:?}");
        Self {
            publisher: connect(address),
            subscriber: BufReader::new(subscriber),
        }
    }

    /// Publishes one event, has it acknowledged, and reads it.
    fn round(&mut self, number: usize) -> Duration {
        let start = Instant::now();
        let body = number.to_string();
        let publish = request("POST", format!("/{TOPIC}"), "", body.as_bytes());
        send(&mut self.publisher, &publish);
        let answer = read_answer(&mut self.publisher);
        assert_eq!(answer.status, 201, "{answer:?}");
        let wanted = format!("data: {number}\n");
        let mut line = String::new();
        while line != wanted {
            line.clear();
            let len = self.subscriber.read_line(&mut line).unwrap();
            assert_ne!(len, 0, "the stream ended before event {number}");
            assert!(line == wanted || !line.starts_with("data: "), "{line}");
        }
        start.elapsed()
    }
}
