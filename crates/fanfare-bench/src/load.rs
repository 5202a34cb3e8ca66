//! The load itself: all subscribers and publishers on one thread and one epoll.

mod ids;
mod open;
mod settle;
mod watch;

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags};

use self::ids::Ids;
pub(crate) use self::open::Opening;
pub(crate) use self::settle::{Moment, Rest};
use self::watch::Watcher;
pub use self::watch::{Progress, Watch};
use crate::clock::{Clock, nanoseconds};
use crate::ledger::{Ledger, Tally};
use crate::publisher::{InFlight, Outcome, Publisher};
use crate::refusal::Refusal;
use crate::stats::Latencies;
use crate::stream::Arrival;
use crate::subscriber::{Phase, Subscriber};
use crate::target::{Form, Target};

/// Sockets that are served between two looks at what is due. Each costs some microseconds, and
/// what is due waits for them.
const READY_MAX: usize = 128;
/// Most of a read stays in the cache of the core; a subscriber that lags reads more than once.
const BUFFER_BYTES: usize = 128 * 1024;
/// Bit of an epoll word that tells publishers from subscribers.
const PUBLISHER: u64 = 1 << 63;
/// Events of one topic that are recorded without an allocation, as much as a minute can have.
const EVENTS: usize = 1 << 21;
/// Servers that deliver nothing for so long will not deliver it later.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How events are published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Not at all; what is in flight is finished.
    Hold,
    /// Each publisher has a request in flight at all times.
    InFlight,
    /// So many a second over all publishers, each when it is due, whether the last one is answered
    /// or not as long as a publisher is free. What is sent late counts as sent when it was due.
    Rate(f64),
}

/// What subscribers begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Whatever comes first.
    Anywhere,
    /// What is published after they were accepted.
    Tail,
    /// The first event of the topic.
    History,
}

/// All subscribers and publishers of one measurement.
pub struct Load {
    target: Target,
    /// The request of a publisher, to be filled in.
    form: Form,
    publishers_max: usize,
    poll: OwnedFd,
    clock: Clock,
    subscribers: Vec<Subscriber>,
    publishers: Vec<Publisher>,
    /// Publishers with nothing in flight.
    idle: Vec<u32>,
    /// By topic.
    ledgers: Vec<Ledger>,
    pace: Pace,
    /// When the next event is due at a fixed rate.
    next_due_ns: f64,
    next_topic: u32,
    /// What is read goes here, and on from here.
    buffer: Vec<u8>,
    ready: Vec<epoll::Event>,
    /// Due times of the events that latencies are recorded of.
    window: Range<u64>,
    /// Whether the latency of each delivery is recorded, or of the oldest event in each read.
    is_exact: bool,
    latencies: Latencies,
    answers: Latencies,
    tally: Tally,
    /// Subscribers that the server has accepted and neither side has hung up on.
    open: usize,
    /// Subscribers that connect, or have asked and wait.
    opening: usize,
    /// Events that the server has acknowledged.
    stored: u64,
    refused: u64,
    refusal: Option<Refusal>,
    hung_up: u64,
    /// Fresh subscribers connect and do not ask yet.
    is_silent: bool,
    ids: Option<Ids>,
    watcher: Watcher,
}

impl Load {
    /// A load on a server with so many topics, publishers and bytes of payload.
    ///
    /// # Errors
    ///
    /// Its events could not be told apart, or there is no epoll.
    pub fn new(
        target: Target,
        topics: u32,
        publishers: usize,
        payload_bytes: usize,
    ) -> Result<Self> {
        let form = target.publish.form(payload_bytes);
        if publishers > 0 && !form.has_mark() {
            bail!(
                "the body to publish has neither {{payload}} nor {{n}}, so that its events could not be told apart"
            );
        }
        let events = EVENTS / topics.max(1) as usize;
        Ok(Self {
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clock: Clock::new(),
            subscribers: Vec::new(),
            publishers: Vec::with_capacity(publishers),
            idle: Vec::with_capacity(publishers),
            ledgers: (0..topics)
                .map(|_| Ledger::new(publishers, events))
                .collect(),
            pace: Pace::Hold,
            next_due_ns: 0.0,
            next_topic: 0,
            buffer: vec![0; BUFFER_BYTES],
            ready: Vec::with_capacity(READY_MAX),
            window: 0..0,
            is_exact: true,
            latencies: Latencies::default(),
            answers: Latencies::default(),
            tally: Tally::default(),
            open: 0,
            opening: 0,
            stored: 0,
            refused: 0,
            refusal: None,
            hung_up: 0,
            is_silent: false,
            ids: None,
            watcher: Watcher::default(),
            form,
            publishers_max: publishers,
            target,
        })
    }

    /// Connects the publishers. Not earlier than they are needed: servers close what is idle.
    fn connect_publishers(&mut self) -> Result<()> {
        let to = self.target.publish.address;
        for number in self.publishers.len()..self.publishers_max {
            let publisher = Publisher::connect(to, self.form.clone())?;
            self.publishers.push(publisher);
            self.watch_publisher(number)?;
            self.idle.push(number as u32);
        }
        Ok(())
    }

    fn watch_publisher(&self, number: usize) -> Result<()> {
        let word = epoll::EventData::new_u64(PUBLISHER | number as u64);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&self.poll, &self.publishers[number].socket, word, flags)?;
        Ok(())
    }

    /// Nanoseconds since the load began.
    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Publishes in another way from now on.
    ///
    /// # Errors
    ///
    /// A publisher cannot connect, or its connection is lost.
    pub fn set_pace(&mut self, pace: Pace) -> Result<()> {
        if pace != Pace::Hold {
            self.connect_publishers()?;
        }
        self.pace = pace;
        self.next_due_ns = self.now_ns() as f64;
        self.is_exact = pace != Pace::InFlight;
        if pace == Pace::InFlight {
            while let Some(publisher) = self.idle.pop() {
                self.publish(publisher, self.now_ns())?;
            }
        }
        Ok(())
    }

    /// Drives everything for some time.
    ///
    /// # Errors
    ///
    /// A publisher lost its connection, or the server refused a subscriber.
    pub fn drive(&mut self, span: Duration) -> Result<()> {
        let until = self.now_ns() + nanoseconds(span);
        while self.now_ns() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    /// Serves what is ready and what is due, and waits for it until then at most.
    pub(crate) fn turn(&mut self, until_ns: u64) -> Result<()> {
        let now = self.now_ns();
        self.tell(now);
        let mut wake = until_ns.min(self.watcher.due_ns);
        if let Pace::Rate(per_s) = self.pace {
            while self.next_due_ns <= now as f64
                && let Some(publisher) = self.idle.pop()
            {
                self.publish(publisher, self.next_due_ns as u64)?;
                self.next_due_ns += 1e9 / per_s;
            }
            if !self.idle.is_empty() {
                wake = wake.min(self.next_due_ns as u64);
            }
        }
        let wait = wake.saturating_sub(now);
        let wait = Timespec {
            tv_sec: (wait / 1_000_000_000) as i64,
            tv_nsec: (wait % 1_000_000_000) as _,
        };
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        match epoll::wait(&self.poll, spare_capacity(&mut ready), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &ready {
            let (word, flags) = (event.data.u64(), event.flags);
            match word & PUBLISHER {
                0 => self.serve(word as usize, flags)?,
                _ => self.answer((word & !PUBLISHER) as u32)?,
            }
        }
        self.ready = ready;
        Ok(())
    }

    fn publish(&mut self, publisher: u32, due_ns: u64) -> Result<()> {
        let topic = self.next_topic;
        self.next_topic = (topic + 1) % self.ledgers.len() as u32;
        let number = self.ledgers[topic as usize].send(publisher, due_ns);
        let event = InFlight {
            topic,
            number,
            due_ns,
        };
        let due_unix_ns = self.clock.unix_ns(due_ns);
        self.publishers[publisher as usize].publish(event, due_unix_ns)
    }

    fn answer(&mut self, publisher: u32) -> Result<()> {
        let number = publisher as usize;
        let outcome = self.publishers[number].read(&mut self.buffer)?;
        if self.publishers[number].is_spent() {
            self.publishers[number].reconnect(self.target.publish.address)?;
            self.watch_publisher(number)?;
        }
        match outcome {
            Outcome::Waiting => return Ok(()),
            Outcome::Stored(event) => {
                self.stored += 1;
                self.ledgers[event.topic as usize].store(event.number);
                if self.window.contains(&event.due_ns) {
                    let waited = self.now_ns().saturating_sub(event.due_ns);
                    self.answers.record(waited, 1);
                }
            }
            Outcome::Refused(refusal) => {
                self.refused += 1;
                self.refusal.get_or_insert(refusal);
            }
        }
        match self.pace {
            Pace::InFlight => self.publish(publisher, self.now_ns())?,
            _ => self.idle.push(publisher),
        }
        Ok(())
    }

    /// Something happened to the socket of a subscriber.
    fn serve(&mut self, number: usize, flags: epoll::EventFlags) -> Result<()> {
        let subscriber = &self.subscribers[number];
        if subscriber.phase == Phase::Silent {
            return self.on_connected(number, flags);
        }
        let is_readable = flags.intersects(
            epoll::EventFlags::IN
                | epoll::EventFlags::HUP
                | epoll::EventFlags::RDHUP
                | epoll::EventFlags::ERR,
        );
        let is_stalled = subscriber.is_stalled && subscriber.phase == Phase::Open;
        if is_readable && !is_stalled && subscriber.socket.is_some() {
            let has_end = flags != flags & (epoll::EventFlags::IN | epoll::EventFlags::OUT);
            self.read(number, has_end)?;
        }
        Ok(())
    }

    /// Reads what a subscriber was sent. A short read says that there is no more, unless the end of
    /// the stream is behind it.
    fn read(&mut self, number: usize, has_end: bool) -> Result<()> {
        loop {
            let subscriber = &mut self.subscribers[number];
            let socket = subscriber
                .socket
                .as_ref()
                .context("a socket that is gone")?;
            let read = match net::recv(socket, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((_, 0)) | Err(Errno::CONNRESET | Errno::PIPE) => return self.on_hang_up(number),
                Ok((_, read)) => read,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error).context("reading as a subscriber"),
            };
            let now = self.clock.now_ns();
            let (latencies, window, tally) = (&mut self.latencies, &self.window, &mut self.tally);
            let ledger = &mut self.ledgers[subscriber.topic as usize];
            let Subscriber { stream, course, .. } = subscriber;
            let is_exact = self.is_exact;
            let mut is_first = true;
            let arrival = stream.take(&self.buffer[..read], |mark| {
                let due = ledger.see(course, mark, tally);
                if (is_exact || is_first)
                    && let Some(due) = due
                {
                    if window.contains(&due) {
                        latencies.record(now.saturating_sub(due), 1);
                    }
                    is_first = false;
                }
            })?;
            subscriber.is_live |= !is_first;
            if let Some(ids) = &mut self.ids {
                ids.note(&self.buffer[..read], ledger);
            }
            match arrival {
                Arrival::More => {}
                Arrival::Opened => {
                    subscriber.phase = Phase::Open;
                    self.opening -= 1;
                    self.open += 1;
                }
                Arrival::Ended => return self.on_hang_up(number),
            }
            if read < self.buffer.len() && !has_end {
                return Ok(());
            }
        }
    }
}
