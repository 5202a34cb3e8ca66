//! The large log that starts and resumes are measured on: made once, kept, and computable, so that
//! the topic of every seq is known without a file that says so.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use fanfare_hub::{Durability, Epoch, Log};

use crate::fanfare::{self, Fanfare};
use crate::in_flight;
use crate::payload::{Random, mix, topic_name};

/// Events of a topic, on average.
const EVENTS_A_TOPIC: u64 = 100;
/// Bytes of an event's data, so that an event takes 1 KiB of disk with everything around it.
const EVENT_BYTES: usize = 930;
/// Enough that the writer never waits for the next event.
const DEPTH: usize = 4_096;
/// What says that the log beside it is whole, and of what it consists.
const NOTE: &str = "corpus.txt";

/// A log that was made.
pub struct Corpus {
    folder: PathBuf,
    /// Events; their seqs are 1 to this.
    pub events: u64,
    pub topics: u64,
    pub epoch: String,
}

impl Corpus {
    /// Takes the log of so many events in `dir`, or makes it.
    pub fn ensure(dir: &Path, events: u64) -> Result<Self> {
        let folder = dir.join(format!("corpus-{events}"));
        let topics = events / EVENTS_A_TOPIC;
        let note = folder.join(NOTE);
        if let Ok(epoch) = fs::read_to_string(&note) {
            return Ok(Self {
                folder,
                events,
                topics,
                epoch,
            });
        }
        if folder.exists() {
            bail!("{} is half made: remove it", folder.display());
        }
        fs::create_dir_all(&folder)?;
        println!("making a log of {events} events in {}", folder.display());
        let begin = Instant::now();
        let epoch = make(&folder.join("log"), events, topics)?;
        println!("made in {:.0} s", begin.elapsed().as_secs_f64());
        fs::write(note, epoch.as_str())?;
        Ok(Self {
            folder,
            events,
            topics,
            epoch: epoch.to_string(),
        })
    }

    /// The folder of the log.
    pub fn data(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for file in fs::read_dir(self.data())? {
            bytes += file?.metadata()?.len();
        }
        Ok(bytes)
    }

    /// Reads all files, so that the page cache has them where there is room.
    pub fn read_all(&self) -> Result<()> {
        for file in fs::read_dir(self.data())? {
            io::copy(&mut File::open(file?.path())?, &mut io::sink())?;
        }
        Ok(())
    }

    /// A random event that others of its topic follow: its topic and its id.
    pub fn random_id(&self, random: &mut Random) -> (String, String) {
        // In the last tenth of the log a topic may have none after this one.
        let seq = 1 + random.below(self.events - self.events / 10);
        (
            topic_name(topic_of(seq, self.topics)),
            format!("{}-{seq}", self.epoch),
        )
    }
}

/// The topic of an event.
fn topic_of(seq: u64, topics: u64) -> u64 {
    mix(seq) % topics
}

fn make(data: &Path, events: u64, topics: u64) -> Result<Epoch> {
    let log = fanfare::open(data, Durability::Written, fanfare::keep_everything())?;
    let epoch = log.epoch();
    let names: Vec<String> = (0..topics).map(topic_name).collect();
    let mut random = Random::new(2);
    let texts: Vec<String> = (0..1_024).map(|_| random.text(EVENT_BYTES)).collect();
    let mut target = Fanfare::new(log, &names, &texts)?.with_topics(move |number| {
        // Seqs begin at 1, numbers at 0.
        usize::try_from(topic_of(number + 1, topics)).unwrap_or_default()
    });
    in_flight::append_all(&mut target, DEPTH, events).context("the log refused an event")?;
    Ok(epoch)
}
