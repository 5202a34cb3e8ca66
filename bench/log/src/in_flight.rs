//! Keeps a number of appends in flight from one thread, and counts what is answered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// Anything that takes appends and answers in order; then one thread serves thousands in flight at
/// next to no cost of its own.
pub trait Appends {
    /// Begins to append the event of this number. They are counted from 0.
    fn append(&mut self, number: u64);

    /// Where it says how many are durable.
    fn inbox(&self) -> &Inbox;

    /// Says that nothing follows, so that nobody waits for more company.
    fn hurry(&mut self) {}
}

/// Where answers arrive, for the thread that made it.
pub struct Inbox {
    /// Appends that are durable.
    answered: AtomicU64,
    failed: Mutex<Option<String>>,
    has_failed: AtomicBool,
    thread: Thread,
    is_woken: AtomicBool,
}

impl Inbox {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            answered: AtomicU64::new(0),
            failed: Mutex::default(),
            has_failed: AtomicBool::new(false),
            thread: thread::current(),
            is_woken: AtomicBool::new(false),
        })
    }

    /// So many appends are durable.
    pub fn set_answered(&self, count: u64) {
        self.answered.store(count, Ordering::Release);
        self.wake();
    }

    /// Nothing more will be.
    pub fn fail(&self, why: String) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.has_failed.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }

    /// How many appends are durable.
    fn answered(&self) -> Result<u64> {
        if self.has_failed.load(Ordering::Acquire) {
            let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            return Err(anyhow!("{}", failed.clone().unwrap_or_default()));
        }
        Ok(self.answered.load(Ordering::Acquire))
    }

    /// Sleeps until something came since the last sleep.
    fn sleep(&self) {
        while !self.is_woken.swap(false, Ordering::AcqRel) {
            thread::park();
        }
    }

    /// The same, but no longer than until `then`.
    fn sleep_until(&self, then: Instant) {
        let rest = then.saturating_duration_since(Instant::now());
        if !self.is_woken.swap(false, Ordering::AcqRel) && !rest.is_zero() {
            thread::park_timeout(rest);
        }
    }
}

/// What one run found.
pub struct Driven {
    /// Appends answered within the time that counts.
    pub answered: u64,
    /// The time that counts.
    pub elapsed: Duration,
    /// Nanoseconds from handing an append in to its answer, unordered.
    pub waits_ns: Vec<u64>,
}

impl Driven {
    /// Appends answered in a second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }
}

/// How long to drive.
#[derive(Clone, Copy)]
pub struct Span {
    /// Before anything counts: files grow, memory is touched for the first time.
    pub warm_up: Duration,
    /// What counts.
    pub counted: Duration,
}

/// Appends that are not answered yet.
struct Waiting {
    /// When each was handed in, or was due.
    since: VecDeque<Instant>,
    /// How many were answered.
    answered: u64,
    waits_ns: Vec<u64>,
}

impl Waiting {
    fn new(depth: usize) -> Self {
        Self {
            since: VecDeque::with_capacity(depth),
            answered: 0,
            waits_ns: Vec::new(),
        }
    }

    /// Takes the answers that are there, and says how many.
    fn take(&mut self, inbox: &Inbox) -> Result<u64> {
        let new = inbox.answered()? - self.answered;
        if new == 0 {
            return Ok(0);
        }
        self.answered += new;
        let now = Instant::now();
        for since in self.since.drain(..usize::try_from(new)?) {
            self.waits_ns.push(u64::try_from((now - since).as_nanos())?);
        }
        Ok(new)
    }

    /// Waits for all that is still in flight.
    fn finish(&mut self, inbox: &Inbox) -> Result<()> {
        while !self.since.is_empty() {
            if self.take(inbox)? == 0 {
                inbox.sleep();
            }
        }
        Ok(())
    }
}

/// Keeps `depth` appends in flight for the given span.
pub fn drive(target: &mut impl Appends, depth: usize, span: Span) -> Result<Driven> {
    let mut waiting = Waiting::new(depth);
    let mut number = 0;
    let begin = Instant::now();
    let mut counted_from = None;
    let mut answered = 0;
    let elapsed = loop {
        let now = Instant::now();
        if now - begin >= span.warm_up && counted_from.is_none() {
            counted_from = Some(now);
            answered = 0;
            waiting.waits_ns.clear();
        }
        let counted = counted_from.map_or(Duration::ZERO, |from| now - from);
        if counted >= span.counted {
            break counted;
        }
        while waiting.since.len() < depth {
            waiting.since.push_back(now);
            target.append(number);
            number += 1;
        }
        let new = waiting.take(target.inbox())?;
        answered += new;
        if new == 0 {
            target.inbox().sleep();
        }
    };
    let waits_ns = std::mem::take(&mut waiting.waits_ns);
    target.hurry();
    waiting.finish(target.inbox())?;
    Ok(Driven {
        answered,
        elapsed,
        waits_ns,
    })
}

/// Appends at a steady rate, whatever the answers take, and counts from when each was due.
pub fn pace(target: &mut impl Appends, per_second: u64, span: Span) -> Result<Driven> {
    let mut waiting = Waiting::new(0);
    let begin = Instant::now();
    let due = |number: u64| begin + Duration::from_nanos(number * 1_000_000_000 / per_second);
    let warm_up = per_second * u64::try_from(span.warm_up.as_millis())? / 1_000;
    let count = warm_up + per_second * u64::try_from(span.counted.as_millis())? / 1_000;
    let mut number = 0;
    while number < count {
        while number < count && due(number) <= Instant::now() {
            waiting.since.push_back(due(number));
            target.append(number);
            number += 1;
        }
        if waiting.take(target.inbox())? == 0 {
            target.inbox().sleep_until(due(number));
        }
    }
    target.hurry();
    waiting.finish(target.inbox())?;
    Ok(Driven {
        answered: count - warm_up,
        elapsed: begin.elapsed() - span.warm_up,
        // Answers come in order, so that the first ones are those of the warm-up.
        waits_ns: waiting.waits_ns.split_off(usize::try_from(warm_up)?),
    })
}

/// Appends the events of these numbers, `depth` of them in flight.
pub fn append_all(target: &mut impl Appends, depth: usize, count: u64) -> Result<()> {
    let mut waiting = Waiting::new(depth);
    for number in 0..count {
        while waiting.since.len() >= depth {
            if waiting.take(target.inbox())? == 0 {
                target.inbox().sleep();
            }
            waiting.waits_ns.clear();
        }
        waiting.since.push_back(Instant::now());
        target.append(number);
    }
    target.hurry();
    waiting.finish(target.inbox())
}
