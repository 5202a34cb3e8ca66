//! Part 2: how long a start on the large log takes, and how much memory it needs.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use fanfare_hub::{Durability, Log};

use crate::corpus::Corpus;
use crate::effort::Effort;
use crate::fanfare;
use crate::hub::{Hub, drop_caches};
use crate::report::{Section, stamp};
use crate::stats::{Spread, number};

pub fn measure(program: &Path, corpus: &Corpus, effort: Effort) -> Result<Section> {
    let mut rows = String::new();
    for is_cold in [false, true] {
        let mut open_s = Vec::new();
        let mut ready_s = Vec::new();
        let mut memory_mib = Vec::new();
        let mut peak_mib = Vec::new();
        for _ in 0..effort.rounds {
            if is_cold && !drop_caches() {
                println!("only root may empty the page cache: no cold start measured");
                break;
            }
            let begin = Instant::now();
            let log = fanfare::open(&corpus.data(), Durability::Disk, fanfare::keep_everything())?;
            log.writable()?;
            open_s.push(begin.elapsed().as_secs_f64());
            drop(log);
            if is_cold {
                drop_caches();
            }
            let hub = Hub::start(program, &corpus.data())?;
            let memory = hub.memory()?;
            ready_s.push(hub.ready_after.as_secs_f64());
            memory_mib.push(memory.now);
            peak_mib.push(memory.peak);
            hub.stop()?;
        }
        if open_s.is_empty() {
            continue;
        }
        let [open, ready, memory, peak] =
            [open_s, ready_s, memory_mib, peak_mib].map(|runs| Spread::of(runs).cell(1.0));
        let cache = if is_cold { "cold" } else { "warm" };
        let row = format!("| {cache} | {open} | {ready} | {memory} | {peak} |\n");
        print!("start {row}");
        rows.push_str(&row);
    }
    let gib = corpus.bytes()? as f64 / f64::from(1 << 30);
    Ok(Section {
        title: "2. Start",
        body: format!(
            "A log of {} events on {} topics, {} GiB of files. \
            Wanted: ready in 2 s, memory below 300 MB.\n\n\
            | page cache | `DiskLog::open`, s | program to `/-/health/ready`, s | memory then, MiB | at its peak, MiB |\n\
            |---|---:|---:|---:|---:|\n{rows}\n{}",
            corpus.events,
            corpus.topics,
            number(gib),
            stamp(),
        ),
    })
}
