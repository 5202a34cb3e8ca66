//! Part 3: resuming from random ids of the large log while others publish and follow live.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::corpus::Corpus;
use crate::effort::Effort;
use crate::http::{Poster, Stream, find, is_impatience};
use crate::hub::{Hub, drop_caches};
use crate::paced::{Pace, join, since_ns};
use crate::payload::{EVENT_BYTES, Random};
use crate::report::{Section, stamp};
use crate::stats::{Latencies, Spread};

/// Events published in a second, all publishers together.
const EVENTS_PER_SECOND: u64 = 2_000;
/// Connections that publish; each has a new event due every 4 ms, well above one sync.
const PUBLISHERS: u64 = 8;
/// Live topics, each with one subscriber.
const LIVE_TOPICS: u64 = 20;
/// Resumes in a second: 3,000 clients that come back within a minute.
const RESUMES_PER_SECOND: u64 = 50;
/// Connections that resume, taking turns.
const RESUMERS: u64 = 4;
/// How often a live reader looks whether it shall end; also how long events may still be under way
/// when the publishers are done.
const PATIENCE: Duration = Duration::from_millis(200);
/// What stands in front of the data of an event of one line.
const DATA: &[u8] = b"\ndata: ";
/// Digits of the time in an event: u64 nanoseconds need 20.
const TIME_DIGITS: usize = 20;

/// What one phase found.
struct Phase {
    live: Latencies,
    acknowledged: Latencies,
    resumed: Latencies,
}

pub fn measure(program: &Path, corpus: &Corpus, effort: Effort) -> Result<Section> {
    let [mut quiet, mut cold, mut warm] = [const { Vec::new() }; 3];
    let hub = Hub::start(program, &corpus.data())?;
    for round in 0..effort.rounds as u64 {
        quiet.push(phase(hub.address, effort.phase, None)?);
        let mut random = Random::new(1_000 * (round + 1));
        if !drop_caches() {
            println!("only root may empty the page cache: resumes read what is cached");
        }
        let own = Random::new(random.next());
        cold.push(phase(hub.address, effort.phase, Some((corpus, own)))?);
        corpus.read_all()?;
        warm.push(phase(hub.address, effort.phase, Some((corpus, random)))?);
    }
    hub.stop()?;
    let mut rows = String::new();
    for (name, phases, pick) in [
        ("live, without resumes", &quiet, live as Pick),
        ("live, with resumes, cold", &cold, live),
        ("live, with resumes, warm", &warm, live),
        ("acknowledged, without resumes", &quiet, acknowledged),
        ("acknowledged, with resumes, cold", &cold, acknowledged),
        ("acknowledged, with resumes, warm", &warm, acknowledged),
        ("first byte of a resumed event, cold", &cold, resumed),
        ("first byte of a resumed event, warm", &warm, resumed),
    ] {
        let cell = |share| {
            let runs = phases.iter().map(|phase| pick(phase).ms(share));
            Spread::of(runs.collect()).cell(1.0)
        };
        let count: usize = phases.iter().map(|phase| pick(phase).len()).sum();
        let row = format!("| {name} | {count} | {} | {} |\n", cell(0.5), cell(0.99));
        print!("resume {row}");
        rows.push_str(&row);
    }
    Ok(Section {
        title: "3. Resume while others publish",
        body: format!(
            "{EVENTS_PER_SECOND} events/s of {EVENT_BYTES} bytes to {LIVE_TOPICS} topics with a subscriber each, over HTTP, on the log of part 2.\n\
            {RESUMES_PER_SECOND} resumes/s from random ids of it, each a new connection with `Last-Event-ID`: cold is after the page cache was emptied, warm after all files were read.\n\
            Load and hub share the machine.\n\
            Wanted: first byte p99 below 5 ms, live p99 unchanged within 20 %.\n\n\
            | milliseconds | count | p50 | p99 |\n|---|---:|---:|---:|\n{rows}\n{}",
            stamp(),
        ),
    })
}

type Pick = fn(&Phase) -> &Latencies;

fn live(phase: &Phase) -> &Latencies {
    &phase.live
}

fn acknowledged(phase: &Phase) -> &Latencies {
    &phase.acknowledged
}

fn resumed(phase: &Phase) -> &Latencies {
    &phase.resumed
}

/// One stretch of time: publishers and live readers, and resumes when there is what to resume.
fn phase(address: SocketAddr, span: Duration, resumes: Option<(&Corpus, Random)>) -> Result<Phase> {
    let readers: Vec<_> = (0..LIVE_TOPICS)
        .map(|topic| LiveReader::open(address, topic))
        .collect::<Result<_>>()?;
    let has_ended = AtomicBool::new(false);
    let pace = |per_second, workers| Pace {
        begin: Instant::now(),
        span,
        per_second,
        workers,
    };
    let publishing = pace(EVENTS_PER_SECOND, PUBLISHERS);
    let resuming = pace(RESUMES_PER_SECOND, RESUMERS);
    thread::scope(|scope| {
        let mut followers = Vec::new();
        for reader in readers {
            followers.push(scope.spawn(|| reader.follow(publishing.begin, &has_ended)));
        }
        let mut publishers = Vec::new();
        for worker in 0..PUBLISHERS {
            publishers.push(scope.spawn(move || publish(address, publishing, worker)));
        }
        let mut resumers = Vec::new();
        if let Some((corpus, mut random)) = resumes {
            for worker in 0..RESUMERS {
                let own = Random::new(random.next());
                resumers
                    .push(scope.spawn(move || resume(address, resuming, worker, (corpus, own))));
            }
        }
        let acknowledged = join(publishers)?;
        let resumed = join(resumers)?;
        has_ended.store(true, Ordering::Relaxed);
        Ok(Phase {
            live: join(followers)?,
            acknowledged,
            resumed,
        })
    })
}

/// Publishes events that carry the time at which they were due.
fn publish(address: SocketAddr, pace: Pace, worker: u64) -> Result<Vec<u64>> {
    let mut poster = Poster::connect(address)?;
    let filler = Random::new(worker).text(EVENT_BYTES - TIME_DIGITS);
    pace.work(worker, |number, due_ns| {
        let topic = live_topic(number % LIVE_TOPICS);
        poster.post(&topic, &format!("{due_ns:020}{filler}"))
    })
}

fn live_topic(number: u64) -> String {
    format!("live/{number}")
}

/// Resumes at the pace: connects, asks, waits for the first byte of an event, hangs up.
fn resume(
    address: SocketAddr,
    pace: Pace,
    worker: u64,
    (corpus, mut random): (&Corpus, Random),
) -> Result<Vec<u64>> {
    pace.work(worker, |_, _| {
        let (topic, id) = corpus.random_id(&mut random);
        let head = format!("last-event-id: {id}\r\n");
        let mut stream = Stream::open(address, &topic, &head)?;
        let before = stream.wait_for(DATA)?;
        let before = String::from_utf8_lossy(&before);
        if before.contains("fanfare.gap") || !before.contains("HTTP/1.1 200") {
            bail!("{id} of {topic} did not resume: {before}");
        }
        Ok(())
    })
}

/// A subscriber of one live topic.
struct LiveReader(Stream);

impl LiveReader {
    /// Subscribes, and waits until it is at the tail.
    fn open(address: SocketAddr, topic: u64) -> Result<Self> {
        let mut stream = Stream::open(address, &live_topic(topic), "")?;
        stream.wait_for(b"\nid: ")?;
        Ok(Self(stream))
    }

    /// Reads until the phase has ended; answers how long after its due time each event came.
    fn follow(mut self, begin: Instant, has_ended: &AtomicBool) -> Result<Vec<u64>> {
        self.0.set_patience(PATIENCE)?;
        let mut waits_ns = Vec::new();
        loop {
            let seen = match self.0.read() {
                Ok(seen) => seen.context("a live stream ended")?,
                Err(error) if is_impatience(&error) => {
                    if has_ended.load(Ordering::Relaxed) {
                        return Ok(waits_ns);
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            let now_ns = since_ns(begin)?;
            let mut done = 0;
            while let Some(place) = find(&seen[done..], DATA) {
                let digits = done + place + DATA.len();
                let Some(time) = seen.get(digits..digits + TIME_DIGITS) else {
                    break;
                };
                let due_ns: u64 = std::str::from_utf8(time)?.parse()?;
                waits_ns.push(now_ns.saturating_sub(due_ns));
                done = digits + TIME_DIGITS;
            }
            // What may still begin an event stays; an event is shorter than the buffer.
            let rest = (seen.len() - done).min(DATA.len() + TIME_DIGITS);
            let consumed = seen.len() - rest;
            self.0.consume(consumed.max(done));
        }
    }
}
