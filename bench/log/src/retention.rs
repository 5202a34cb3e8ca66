//! Part 5: publishing while retention drops as much as comes in, beside a log that keeps all.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use fanfare_hub::{Durability, Retention, RetentionRules};

use crate::effort::Effort;
use crate::fanfare::{self, Fanfare};
use crate::folder::Scratch;
use crate::in_flight::{self, Span};
use crate::payload::{EVENT_BYTES, Random, topic_name};
use crate::report::{Section, stamp};
use crate::stats::{Latencies, Spread};

/// Topics that take turns: every event that comes in is followed by a drop in another topic.
const TOPICS: u64 = 10_000;
/// Events in flight at full rate.
const DEPTH: usize = 256;
/// Events of the steady rate: well above what a hub behind HTTP takes on two cores.
const EVENTS_PER_SECOND: u64 = 50_000;
/// The log is full well within the warm-up, at either rate.
const BYTES_MAX: u64 = 16 << 20;
/// Events that a topic keeps.
const TOPIC_EVENTS_MAX: u64 = 2;

/// What one run found.
struct Run {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

pub fn measure(dir: &Path, effort: Effort) -> Result<Section> {
    let span = Span {
        // Time to fill the log up to its bound at the steady rate.
        warm_up: effort.span.warm_up.max(Duration::from_secs(1)),
        ..effort.span
    };
    let laws = [
        ("keeps everything", fanfare::keep_everything()),
        ("16 MiB over all topics", by_bytes()),
        ("2 events a topic", by_topic()),
    ];
    let mut rows = String::new();
    for (name, is_steady) in [("full rate", false), ("50,000/s", true)] {
        let mut runs: Vec<Vec<Run>> = laws.iter().map(|_| Vec::new()).collect();
        for _ in 0..effort.rounds {
            for ((_, rules), runs) in laws.iter().zip(&mut runs) {
                runs.push(run(dir, rules.clone(), span, is_steady)?);
            }
        }
        for ((law, _), runs) in laws.iter().zip(&runs) {
            let cell = |pick: fn(&Run) -> f64, unit| {
                Spread::of(runs.iter().map(pick).collect()).cell(unit)
            };
            let row = format!(
                "| {name} | {law} | {} | {} | {} |\n",
                cell(|run| run.rate, 1e3),
                cell(|run| run.p50_ms, 1.0),
                cell(|run| run.p99_ms, 1.0),
            );
            print!("retention {row}");
            rows.push_str(&row);
        }
    }
    Ok(Section {
        title: "5. Retention at work",
        body: format!(
            "Durable appends of {EVENT_BYTES} bytes to {TOPICS} topics in turn, through `Log::append`; {DEPTH} in flight at full rate.\n\
            Wanted: publish p99 within 2 times of without.\n\n\
            | load | retention | thousand events/s | p50, ms | p99, ms |\n|---|---|---:|---:|---:|\n{rows}\n{}",
            stamp(),
        ),
    })
}

fn run(dir: &Path, rules: RetentionRules, span: Span, is_steady: bool) -> Result<Run> {
    let scratch = Scratch::new(dir, "retention")?;
    let log = fanfare::open(scratch.path(), Durability::Disk, rules)?;
    let mut random = Random::new(4);
    let texts: Vec<_> = (0..1_024).map(|_| random.text(EVENT_BYTES)).collect();
    let topics: Vec<_> = (0..TOPICS).map(topic_name).collect();
    let mut target = Fanfare::new(log, &topics, &texts)?;
    let driven = if is_steady {
        in_flight::pace(&mut target, EVENTS_PER_SECOND, span)?
    } else {
        in_flight::drive(&mut target, DEPTH, span)?
    };
    let rate = driven.rate();
    let waits = Latencies::of(driven.waits_ns);
    Ok(Run {
        rate,
        p50_ms: waits.ms(0.5),
        p99_ms: waits.ms(0.99),
    })
}

fn by_bytes() -> RetentionRules {
    let mut rules = fanfare::keep_everything();
    rules.hub.bytes_max = BYTES_MAX;
    rules
}

fn by_topic() -> RetentionRules {
    RetentionRules {
        topic: Retention {
            events_max: TOPIC_EVENTS_MAX,
            ..Retention::UNBOUNDED
        },
        ..fanfare::keep_everything()
    }
}
