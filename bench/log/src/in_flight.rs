//! Keeps a number of appends in flight from one thread, and counts what is answered.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::Result;

/// Anything that takes appends. It MUST begin with an append before its future is polled, and it
/// answers in order; then one thread serves thousands in flight at next to no cost of its own.
pub trait Appends {
    /// An append under way; resolves when the event is durable.
    type Append: Future<Output = Result<()>> + Unpin;

    /// Begins to append the event of this number.
    fn append(&mut self, number: u64) -> Self::Append;

    /// Says that nothing follows, so that nobody waits for more company.
    fn hurry(&mut self) {}
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

/// Keeps `depth` appends in flight for the given span.
pub fn drive(target: &mut impl Appends, depth: usize, span: Span) -> Result<Driven> {
    let sleeper = Arc::new(Sleeper::new());
    let waker = Waker::from(Arc::clone(&sleeper));
    let mut waiting = VecDeque::with_capacity(depth);
    let mut number = 0;
    let begin = Instant::now();
    let mut counted_from = None;
    let mut driven = Driven {
        answered: 0,
        elapsed: Duration::ZERO,
        waits_ns: Vec::new(),
    };
    loop {
        let now = Instant::now();
        if now - begin >= span.warm_up && counted_from.is_none() {
            counted_from = Some(now);
            driven.answered = 0;
            driven.waits_ns.clear();
        }
        let counted = counted_from.map_or(Duration::ZERO, |from| now - from);
        if counted >= span.counted {
            driven.elapsed = counted;
            break;
        }
        while waiting.len() < depth {
            waiting.push_back((now, target.append(number)));
            number += 1;
        }
        let answered = take_answered(&mut waiting, &waker, &mut driven.waits_ns)?;
        driven.answered += answered;
        if answered == 0 {
            sleeper.sleep();
        }
    }
    target.hurry();
    finish(waiting, &waker, &sleeper)?;
    Ok(driven)
}

/// Appends at a steady rate, whatever the answers take, and counts from when each was due.
pub fn pace(target: &mut impl Appends, per_second: u64, span: Span) -> Result<Driven> {
    let sleeper = Arc::new(Sleeper::new());
    let waker = Waker::from(Arc::clone(&sleeper));
    let mut waiting = VecDeque::new();
    let mut waits_ns = Vec::new();
    let begin = Instant::now();
    let due = |number: u64| begin + Duration::from_nanos(number * 1_000_000_000 / per_second);
    let warm_up = per_second * u64::try_from(span.warm_up.as_millis())? / 1_000;
    let count = warm_up + per_second * u64::try_from(span.counted.as_millis())? / 1_000;
    let mut number = 0;
    while number < count {
        while number < count && due(number) <= Instant::now() {
            waiting.push_back((due(number), target.append(number)));
            number += 1;
        }
        if take_answered(&mut waiting, &waker, &mut waits_ns)? == 0 {
            sleeper.sleep_until(due(number));
        }
    }
    target.hurry();
    waits_ns.append(&mut finish(waiting, &waker, &sleeper)?);
    Ok(Driven {
        answered: count - warm_up,
        elapsed: begin.elapsed() - span.warm_up,
        // Answers come in order, so that the first ones are those of the warm-up.
        waits_ns: waits_ns.split_off(usize::try_from(warm_up)?),
    })
}

/// Appends the events of these numbers, `depth` of them in flight.
pub fn append_all(target: &mut impl Appends, depth: usize, count: u64) -> Result<()> {
    let sleeper = Arc::new(Sleeper::new());
    let waker = Waker::from(Arc::clone(&sleeper));
    let mut waiting = VecDeque::with_capacity(depth);
    let mut unused = Vec::new();
    for number in 0..count {
        while waiting.len() >= depth {
            if take_answered(&mut waiting, &waker, &mut unused)? == 0 {
                sleeper.sleep();
            }
            unused.clear();
        }
        waiting.push_back((Instant::now(), target.append(number)));
    }
    target.hurry();
    finish(waiting, &waker, &sleeper)?;
    Ok(())
}

/// Takes the answers that are there. Answers come in order, so that only the oldest is asked.
fn take_answered<A: Future<Output = Result<()>> + Unpin>(
    waiting: &mut VecDeque<(Instant, A)>,
    waker: &Waker,
    waits_ns: &mut Vec<u64>,
) -> Result<u64> {
    let mut ctx = Context::from_waker(waker);
    let mut answered = 0;
    let now = Instant::now();
    while let Some((since, append)) = waiting.front_mut() {
        let Poll::Ready(answer) = Pin::new(append).poll(&mut ctx) else {
            break;
        };
        answer?;
        waits_ns.push(u64::try_from((now - *since).as_nanos())?);
        waiting.pop_front();
        answered += 1;
    }
    Ok(answered)
}

/// Waits for all that is still in flight.
fn finish<A: Future<Output = Result<()>> + Unpin>(
    mut waiting: VecDeque<(Instant, A)>,
    waker: &Waker,
    sleeper: &Sleeper,
) -> Result<Vec<u64>> {
    let mut waits_ns = Vec::new();
    while !waiting.is_empty() {
        if take_answered(&mut waiting, waker, &mut waits_ns)? == 0 {
            sleeper.sleep();
        }
    }
    Ok(waits_ns)
}

/// Wakes the thread that made it.
struct Sleeper {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Sleeper {
    fn new() -> Self {
        Self {
            thread: thread::current(),
            is_woken: AtomicBool::new(false),
        }
    }

    /// Sleeps until somebody woke the thread since the last sleep.
    fn sleep(&self) {
        while !self.is_woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }

    /// The same, but no longer than until `then`.
    fn sleep_until(&self, then: Instant) {
        let rest = then.saturating_duration_since(Instant::now());
        if !self.is_woken.swap(false, Ordering::Acquire) && !rest.is_zero() {
            thread::park_timeout(rest);
        }
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}
