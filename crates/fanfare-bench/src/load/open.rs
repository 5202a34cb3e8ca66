//! Subscribers come and go: connecting with a number in flight, hanging up, coming back.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::event::epoll;
use rustix::net::sockopt;

use super::ids::Ids;
use super::{Load, SILENCE_MAX, Start};
use crate::clock::nanoseconds;
use crate::ledger::Course;
use crate::stream::Stream;
use crate::subscriber::{Phase, Subscriber, connect, reset};

/// A million subscribers take a minute or two; what takes longer than this is at an end.
const OPEN_WITHIN: Duration = Duration::from_secs(600);
/// Until those try again whom the server hung up on instead of accepting them.
const PAUSE: Duration = Duration::from_millis(100);
/// Receive buffer of a reader that stalls, so that the server notices soon.
const STALLED_RECEIVE_BYTES: usize = 4_096;

/// Who opens, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// How many more.
    pub(crate) subscribers: usize,
    /// How many connect or wait for their answer at once.
    pub(crate) in_flight: usize,
    pub(crate) start: Start,
    /// They read nothing once they are open.
    pub(crate) is_stalled: bool,
}

impl Load {
    /// Opens more subscribers, which take the topics in turns; says how long it took.
    pub(crate) fn open(&mut self, opening: Opening) -> Result<Duration> {
        let first = self.subscribers.len();
        for number in first..first + opening.subscribers {
            let topic = (number % self.ledgers.len()) as u32;
            let course = match opening.start {
                Start::Anywhere => Course::ANYWHERE,
                Start::Tail => Course::from(self.ledgers[topic as usize].tail()),
                Start::History => Course::from(0),
            };
            let mut subscriber = Subscriber::new(topic, course);
            subscriber.is_stalled = opening.is_stalled;
            self.subscribers.push(subscriber);
        }
        let within = OPEN_WITHIN;
        self.admit(first..self.subscribers.len(), opening.in_flight, within)
    }

    /// Connects subscribers that are closed, and waits until all of them are accepted. Whom the
    /// server hangs up on meanwhile, as some do under load, is counted and tries again.
    pub(super) fn admit(
        &mut self,
        numbers: std::ops::Range<usize>,
        in_flight: usize,
        within: Duration,
    ) -> Result<Duration> {
        let begin = self.now_ns();
        let goal = self.open + numbers.len();
        let mut waiting = numbers.clone();
        let (mut seen, mut seen_ns) = (self.open, begin);
        while self.open < goal {
            while self.opening < in_flight
                && let Some(number) = waiting.next()
            {
                if self.subscribers[number].phase == Phase::Closed {
                    self.begin(number)?;
                }
            }
            let now = self.now_ns();
            if self.open != seen {
                (seen, seen_ns) = (self.open, now);
            }
            ensure!(
                now < begin + nanoseconds(within),
                "the server accepted {seen} of {goal} subscribers within {within:?}"
            );
            if now > seen_ns + nanoseconds(SILENCE_MAX) {
                bail!(
                    "the server accepted {seen} subscribers and none of the next {} within {SILENCE_MAX:?}{}: raise its limits of connections and of open files, or open fewer",
                    goal - seen,
                    match self.hung_up {
                        0 => String::new(),
                        hung_up => format!("; it hung up {hung_up} times"),
                    }
                );
            }
            self.turn(now + nanoseconds(PAUSE))?;
            if self.opening == 0 && self.open < goal && waiting.is_empty() {
                self.drive(PAUSE)?;
                waiting = numbers.clone();
            }
        }
        Ok(Duration::from_nanos(self.now_ns() - begin))
    }

    /// Lets all subscribers come back that were cut.
    pub(crate) fn reopen(&mut self, in_flight: usize, within: Duration) -> Result<Duration> {
        self.admit(0..self.subscribers.len(), in_flight, within)
    }

    /// Connects fresh subscribers to the first topic that ask for nothing yet, to begin with its
    /// first event.
    pub(crate) fn open_silent(&mut self, subscribers: usize, in_flight: usize) -> Result<()> {
        self.is_silent = true;
        for from in (0..subscribers).step_by(in_flight) {
            let first = self.subscribers.len();
            let last = first + in_flight.min(subscribers - from);
            for number in first..last {
                self.subscribers.push(Subscriber::new(0, Course::from(0)));
                self.begin(number)?;
            }
            // Sockets of this machine are connected at once; asking finds those that are not.
            self.drive(Duration::from_millis(20))?;
        }
        self.is_silent = false;
        Ok(())
    }

    /// Lets those ask that are silent, all at once.
    pub(crate) fn ask_all(&mut self) -> Result<()> {
        for number in 0..self.subscribers.len() {
            if self.subscribers[number].phase == Phase::Silent {
                self.on_connected(number, epoll::EventFlags::OUT)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, number: usize) -> Result<()> {
        let subscriber = &mut self.subscribers[number];
        let receive_bytes = subscriber.is_stalled.then_some(STALLED_RECEIVE_BYTES);
        let to = self.target.subscribe.address;
        let socket = connect(number as u32, to, receive_bytes)?;
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        let word = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.poll, &socket, word, flags)?;
        subscriber.socket = Some(socket);
        subscriber.phase = Phase::Silent;
        subscriber.stream = Stream::new();
        subscriber.is_live = false;
        self.opening += 1;
        Ok(())
    }

    /// A socket is connected, or cannot be.
    pub(super) fn on_connected(&mut self, number: usize, flags: epoll::EventFlags) -> Result<()> {
        if self.is_silent || !flags.contains(epoll::EventFlags::OUT) {
            return Ok(());
        }
        let subscriber = &mut self.subscribers[number];
        let to = self.target.subscribe.address;
        let socket = subscriber.socket.as_ref();
        let socket = socket.context("a subscriber without a socket")?;
        let state = sockopt::socket_error(socket)?;
        state.with_context(|| format!("cannot connect to {to}"))?;
        let resumed = match (&self.ids, subscriber.course.next()) {
            (Some(ids), Some(next)) => ids.before(next),
            _ => None,
        };
        if let Some((place, _)) = resumed {
            // Where the last id is not known, an earlier one stands for it.
            subscriber.course.resume_at(place + 1);
        }
        let topic = subscriber.topic;
        let request = self
            .target
            .subscribe
            .request(topic, resumed.map(|(_, id)| id));
        subscriber.ask(&request)
    }

    /// The server ended a stream.
    pub(super) fn on_hang_up(&mut self, number: usize) -> Result<()> {
        let subscriber = &mut self.subscribers[number];
        match subscriber.phase {
            Phase::Open => self.open -= 1,
            Phase::Silent | Phase::Asked => self.opening -= 1,
            Phase::Closed => {}
        }
        subscriber.phase = Phase::Closed;
        subscriber.socket = None;
        self.hung_up += 1;
        Ok(())
    }

    /// Hangs up on all, as when a network fails for a moment.
    pub(crate) fn cut(&mut self) {
        for subscriber in &mut self.subscribers {
            subscriber.socket = None;
            subscriber.phase = Phase::Closed;
            subscriber.is_live = false;
        }
        self.open = 0;
    }

    /// Hangs up on all for good.
    pub(crate) fn hang_up(&mut self) {
        for mut subscriber in self.subscribers.drain(..) {
            if let Some(socket) = subscriber.socket.take() {
                reset(socket);
            }
        }
        self.open = 0;
        self.opening = 0;
    }

    /// Reads the ids of events from now on, so that subscribers can come back with them.
    pub(crate) fn note_ids(&mut self) {
        self.ids = Some(Ids::default());
    }
}

impl Drop for Load {
    /// The next load shall find all ports free.
    fn drop(&mut self) {
        self.hang_up();
    }
}
