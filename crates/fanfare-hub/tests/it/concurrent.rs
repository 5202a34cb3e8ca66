//! Goal: with real threads, nothing is missed, repeated or out of order.
//! Method: publishers and readers in parallel; each reader thread polls a cursor only when its own
//! waker was called, so that a wake-up that gets lost stops the test at its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use fanfare_hub::event::Kind;
use fanfare_hub::{Cursor, Hub, ReadBudget, Seq, Slice, Start, Step};

use crate::fixture::{end, hub, hub_of, open, publish, resume, step};

const DEADLINE: Duration = Duration::from_secs(30);

/// Remembers that it was woken, and unparks the thread that polls.
struct Alarm {
    is_set: AtomicBool,
    thread: Thread,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.is_set.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// One cursor of a reader thread, and what it was told.
struct Reader {
    selectors: &'static [&'static str],
    cursor: Cursor,
    alarm: Arc<Alarm>,
    budget: ReadBudget,
    /// After so many steps the cursor is given up and another one resumes from its position.
    resumes_every: Option<usize>,
    steps: usize,
    told: Vec<Told>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Event(Seq),
    /// A gap, and where the stream goes on.
    Gap(Seq),
}

impl Reader {
    fn new(hub: &Hub, nth: usize, selectors: &'static [&'static str]) -> Self {
        Self {
            selectors,
            // From the first event, also when the publishers were faster.
            cursor: open(hub, selectors, resume("k3v9q2-0")),
            alarm: Arc::new(Alarm {
                is_set: AtomicBool::new(true),
                thread: thread::current(),
            }),
            budget: ReadBudget {
                events: 1 + 37 * nth,
                bytes: 64 << 10,
            },
            resumes_every: (nth % 4 == 3).then_some(5 + nth),
            steps: 0,
            told: Vec::new(),
        }
    }

    /// Reads until there is nothing more to read; ready when the end of the topic was read.
    fn run(&mut self, hub: &Hub) -> Poll<()> {
        if !self.alarm.is_set.swap(false, Ordering::Acquire) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&self.alarm));
        loop {
            let mut cx = Context::from_waker(&waker);
            match ready!(self.cursor.poll_step(&mut cx, self.budget)) {
                Step::Gap(gap) => self.told.push(Told::Gap(gap.resumes_after.seq)),
                Step::Events(slice) => {
                    if self.take(hub, &slice) {
                        return Poll::Ready(());
                    }
                }
                Step::Over => panic!("the end was not given"),
            }
        }
    }

    /// Answers whether the end of the topic was among the events.
    fn take(&mut self, hub: &Hub, slice: &Slice) -> bool {
        let given = slice.events.iter().map(|event| Told::Event(event.seq));
        self.told.extend(given);
        self.steps += 1;
        let has_ended = slice.events.iter().any(|event| event.kind == Kind::End);
        let resumes = |every| self.steps.is_multiple_of(every);
        if !has_ended && self.resumes_every.is_some_and(resumes) {
            let position = self.cursor.position().to_string();
            self.cursor = open(hub, self.selectors, resume(&position));
        }
        has_ended
    }
}

/// Runs readers on this thread until all of their streams are over.
fn run_readers(hub: &Hub, mut readers: Vec<Reader>) -> Vec<Vec<Told>> {
    let deadline = Instant::now() + DEADLINE;
    let mut open: Vec<usize> = (0..readers.len()).collect();
    while !open.is_empty() {
        let is_set = |&nth: &usize| readers[nth].alarm.is_set.load(Ordering::Acquire);
        if !open.iter().any(is_set) {
            thread::park_timeout(Duration::from_secs(1));
        }
        open.retain(|&nth| readers[nth].run(hub).is_pending());
        assert!(Instant::now() < deadline, "a wake-up got lost");
    }
    readers.into_iter().map(|reader| reader.told).collect()
}

/// Has 8 threads publish so many events to topic `t`, ends it after the last, and answers the seqs
/// that they were acknowledged with.
fn publish_all(hub: &Hub, events: usize) -> Vec<Seq> {
    let publish_some = |publisher: usize| {
        let hub = hub.clone();
        move || {
            let publish_one = |number: usize| {
                publish(&hub, "noise/x", &["passed over"]);
                let receipt = publish(&hub, "t", &[&format!("{number} of {publisher}")]);
                receipt.id.seq
            };
            (0..events / 8).map(publish_one).collect::<Vec<Seq>>()
        }
    };
    let spawn = |publisher| thread::spawn(publish_some(publisher));
    let publishers: Vec<_> = (0..8).map(spawn).collect();
    let acknowledged = publishers
        .into_iter()
        .flat_map(|publisher| publisher.join().unwrap());
    let mut seqs: Vec<Seq> = acknowledged.collect();
    seqs.sort_unstable();
    seqs.push(end(hub, "t").id.seq);
    seqs
}

/// All of them select `t` and not `noise/x`.
const SELECTIONS: [&[&str]; 4] = [&["t"], &["t", "never"], &["*"], &["t", "*", "t/**"]];

/// Publishes on 8 threads and reads on 4, five cursors on each. Answers what was acknowledged, and
/// what each reader was told.
fn publish_and_read(hub: &Hub, events: usize) -> (Vec<Seq>, Vec<Vec<Told>>) {
    let read = |thread: usize| {
        let hub = hub.clone();
        move || {
            let nths = 5 * thread..5 * thread + 5;
            let readers = nths.map(|nth| Reader::new(&hub, nth, SELECTIONS[nth % 4]));
            let readers = readers.collect();
            run_readers(&hub, readers)
        }
    };
    let threads: Vec<_> = (0..4).map(|thread| thread::spawn(read(thread))).collect();
    let acknowledged = publish_all(hub, events);
    let told = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap());
    (acknowledged, told.collect())
}

#[test]
fn everybody_reads_the_same_events_in_the_same_order() {
    let (acknowledged, told) = publish_and_read(&hub(), 20_000);
    let expected: Vec<_> = acknowledged.into_iter().map(Told::Event).collect();
    assert_eq!((told.len(), expected.len()), (20, 20_001));
    for (nth, told) in told.iter().enumerate() {
        assert!(*told == expected, "reader {nth} was told something else");
    }
}

#[test]
fn those_whom_retention_overtakes_are_told_where_they_go_on() {
    let hub = hub_of(64);
    let mut idle = open(&hub, &["t"], Start::Tail);
    let (acknowledged, told) = publish_and_read(&hub, 8_000);
    assert!(matches!(step(&mut idle), Some(Step::Gap(_))));
    for told in &told {
        // Retention by count drops the oldest, so that all that is missing lies right at a gap.
        let mut expected = acknowledged.iter().copied().peekable();
        for told in told {
            match *told {
                Told::Event(seq) => assert_eq!(expected.next(), Some(seq)),
                Told::Gap(resumes_after) => {
                    while expected.next_if(|&seq| seq <= resumes_after).is_some() {}
                }
            }
        }
        assert_eq!(expected.next(), None);
    }
}
