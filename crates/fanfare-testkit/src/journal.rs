//! What publishers and subscribers wrote down under load, for the checker to judge; in memory, and
//! as a file of JSON lines that outlives a failing run.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use fanfare_hub::{EventId, Seq};
use serde_json::{Value, json};

/// Names an event that is published once: by whom, and as which of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Which publisher.
    pub publisher: u16,
    /// The number that this publisher gave it.
    pub number: u64,
}

/// Payloads have at least so many bytes after their name: a short event, as most are.
const FILLER_BYTES_MIN: u64 = 20;
/// And at most so many, so that records cross pages of any disk.
const FILLER_BYTES_MAX: u64 = 2_000;

impl Name {
    /// The name of the event that the same publisher numbered so much later.
    #[must_use]
    pub fn plus(self, count: u64) -> Self {
        Self {
            number: self.number + count,
            ..self
        }
    }

    /// The text of the event: its name, then a filler that follows from the name.
    #[must_use]
    pub fn payload(self) -> String {
        // An odd factor spreads lengths without a pattern of powers of two.
        let spread =
            self.number.wrapping_mul(2_654_435_761) % (FILLER_BYTES_MAX - FILLER_BYTES_MIN);
        let letter = char::from(b'a' + (self.number % 26) as u8);
        let filler = letter.to_string();
        format!(
            "{self} {}",
            filler.repeat((FILLER_BYTES_MIN + spread) as usize)
        )
    }

    /// Reads a payload; `None` when a single byte of it is not what was published.
    #[must_use]
    pub fn of_payload(payload: &str) -> Option<Self> {
        let name = Self::parse(payload.split(' ').next()?)?;
        (payload == name.payload()).then_some(name)
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (publisher, number) = text.strip_prefix('p')?.split_once('-')?;
        Some(Self {
            publisher: publisher.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p{}-{}", self.publisher, self.number)
    }
}

/// One attempt to publish consecutive events of one publisher in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Where.
    pub topic: String,
    /// The first event.
    pub first: Name,
    /// How many there are.
    pub events: u64,
    /// When the request began, in nanoseconds since the journal began.
    pub invoked: u64,
    /// When its outcome was known, on the same clock.
    pub answered: u64,
    /// What the publisher was told.
    pub outcome: Outcome,
}

/// What a publisher was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many of the events are stored, and the last of those has this id. Of the others nothing
    /// is known.
    Stored {
        /// Id of the last one stored.
        id: EventId,
        /// How many are stored.
        count: u64,
    },
    /// None is stored and none ever will be.
    Refused,
    /// Nothing.
    Unknown,
}

/// One event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// Topics and patterns.
    pub selection: Vec<String>,
    /// The position after which it was asked for, if it was.
    pub asked: Option<EventId>,
    /// What came, in order.
    pub entries: Vec<Entry>,
}

/// Something that came on an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The starting position.
    Start(EventId),
    /// An event; without a name when its text is none that was published.
    Seen(EventId, Option<Name>),
    /// A gap, and the position after which it goes on.
    Gap(EventId),
}

/// An event that is in the history at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: EventId,
    /// Its topic.
    pub topic: String,
    /// Its name; `None` when its text is none that was published.
    pub name: Option<Name>,
}

/// Everything that was written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Attempts to publish.
    pub publishes: Vec<Publish>,
    /// Event streams.
    pub transcripts: Vec<Transcript>,
    /// The history at the end, oldest first.
    pub kept: Vec<Kept>,
    /// Gaps that were told when that history was read.
    pub kept_gaps: u64,
    /// Whether the hub trimmed: then what is older than its oldest event is not missing.
    pub is_trimmed: bool,
}

impl Journal {
    /// Everything before this seq was dropped by retention.
    #[must_use]
    pub fn head(&self) -> Seq {
        let oldest = self.kept.first().filter(|_| self.is_trimmed);
        oldest.map_or(Seq::ZERO, |kept| kept.id.seq)
    }

    /// Writes the journal to a file, one line an entry.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for publish in &self.publishes {
            writeln!(file, "{}", publish.to_json())?;
        }
        for transcript in &self.transcripts {
            writeln!(file, "{}", transcript.to_json())?;
        }
        for kept in &self.kept {
            let name = kept.name.map(|name| name.to_string());
            let id = kept.id.to_string();
            writeln!(
                file,
                "{}",
                json!({"kept": id, "topic": kept.topic, "name": name})
            )?;
        }
        let (gaps, is_trimmed) = (self.kept_gaps, self.is_trimmed);
        writeln!(
            file,
            "{}",
            json!({"kept_gaps": gaps, "is_trimmed": is_trimmed})
        )?;
        file.flush()
    }

    /// Reads a journal back.
    ///
    /// # Errors
    /// The file cannot be read, or is no journal.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut journal = Self::default();
        for line in BufReader::new(File::open(path)?).lines() {
            let line = line?;
            let json = serde_json::from_str(&line)?;
            let strange = || io::Error::new(io::ErrorKind::InvalidData, line.clone());
            journal.take(&json).ok_or_else(strange)?;
        }
        Ok(journal)
    }

    fn take(&mut self, json: &Value) -> Option<()> {
        if json["first"].is_string() {
            self.publishes.push(Publish::of_json(json)?);
        } else if json["selection"].is_array() {
            self.transcripts.push(Transcript::of_json(json)?);
        } else if json["kept"].is_string() {
            self.kept.push(Kept {
                id: id(&json["kept"])?,
                topic: json["topic"].as_str()?.to_owned(),
                name: json["name"].as_str().and_then(Name::parse),
            });
        } else {
            self.kept_gaps = json["kept_gaps"].as_u64()?;
            self.is_trimmed = json["is_trimmed"].as_bool()?;
        }
        Some(())
    }
}

impl Publish {
    fn to_json(&self) -> Value {
        let outcome = match self.outcome {
            Outcome::Stored { id, count } => json!({"id": id.to_string(), "count": count}),
            Outcome::Refused => json!("refused"),
            Outcome::Unknown => json!("unknown"),
        };
        json!({
            "topic": self.topic,
            "first": self.first.to_string(),
            "events": self.events,
            "invoked": self.invoked,
            "answered": self.answered,
            "outcome": outcome,
        })
    }

    fn of_json(json: &Value) -> Option<Self> {
        let outcome = match json["outcome"].as_str() {
            Some("refused") => Outcome::Refused,
            Some("unknown") => Outcome::Unknown,
            _ => Outcome::Stored {
                id: id(&json["outcome"]["id"])?,
                count: json["outcome"]["count"].as_u64()?,
            },
        };
        Some(Self {
            topic: json["topic"].as_str()?.to_owned(),
            first: Name::parse(json["first"].as_str()?)?,
            events: json["events"].as_u64()?,
            invoked: json["invoked"].as_u64()?,
            answered: json["answered"].as_u64()?,
            outcome,
        })
    }
}

impl Transcript {
    fn to_json(&self) -> Value {
        let entry = |entry: &Entry| match entry {
            Entry::Start(id) => json!(["start", id.to_string()]),
            Entry::Gap(id) => json!(["gap", id.to_string()]),
            Entry::Seen(id, name) => {
                json!(["seen", id.to_string(), name.map(|name| name.to_string())])
            }
        };
        json!({
            "selection": self.selection,
            "asked": self.asked.map(|id| id.to_string()),
            "entries": self.entries.iter().map(entry).collect::<Vec<_>>(),
        })
    }

    fn of_json(json: &Value) -> Option<Self> {
        let entry = |entry: &Value| {
            let id = id(&entry[1])?;
            Some(match entry[0].as_str()? {
                "start" => Entry::Start(id),
                "gap" => Entry::Gap(id),
                _ => Entry::Seen(id, entry[2].as_str().and_then(Name::parse)),
            })
        };
        let selection = json["selection"].as_array()?.iter();
        let entries = json["entries"].as_array()?.iter();
        Some(Self {
            selection: selection
                .map(|name| name.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
            asked: id(&json["asked"]),
            entries: entries.map(entry).collect::<Option<_>>()?,
        })
    }
}

fn id(json: &Value) -> Option<EventId> {
    EventId::parse(json.as_str()?)
}
