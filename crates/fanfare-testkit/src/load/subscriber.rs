//! A subscriber: one event stream after another, each written down as it came.

use std::collections::VecDeque;
use std::time::Duration;

use fanfare_hub::EventId;
use fanfare_sse::Decoder;
use fastrand::Rng;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::Target;
use super::board::Board;
use super::publisher::TOPICS;
use super::wire::{Broken, PATIENCE, Wire, get};
use crate::journal::{Entry, Name, Transcript};
use crate::reading::{Item, Reading, Received};
use crate::subscriber::Form;

/// A subscriber that comes back early does so after so many events at most: often enough that a
/// second of load has many seams between history and tail.
const EVENTS_MAX: usize = 200;

/// Of the followers, one in so many asks for a pattern and a topic.
const PATTERN_EVERY: usize = 50;
/// What browsers wait before they come back, unless they are told otherwise.
const RETRY: Duration = Duration::from_secs(3);

/// One subscriber.
pub(super) struct Subscriber {
    selection: Vec<String>,
    form: Form,
    habit: Habit,
    rng: Rng,
    last: Option<EventId>,
    /// How long to wait before it comes back, as the hub said last.
    retry: Duration,
    journal: Vec<Transcript>,
}

/// What a subscriber does besides reading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Reads as long as it can.
    Stays,
    /// Leaves now and then, and resumes at once.
    ComesBack,
    /// Leaves now and then, and starts anew with some history.
    StartsAnew,
}

/// The eight of them: one topic, several, patterns; each form; each habit.
pub(super) fn eight(rng: &mut Rng) -> Vec<Subscriber> {
    use Form::{Ndjson, Sse};
    use Habit::{ComesBack, StartsAnew, Stays};
    let all: [(&[&str], Form, Habit); 8] = [
        (&["load/a"], Sse, Stays),
        (&["load/b"], Sse, ComesBack),
        (&["load/a", "solo"], Sse, ComesBack),
        (&["**"], Sse, Stays),
        (&["load/**"], Sse, ComesBack),
        (&["load/c/*"], Ndjson, ComesBack),
        (&["**"], Ndjson, ComesBack),
        (&["load/*", "solo"], Sse, StartsAnew),
    ];
    let subscriber = |(selection, form, habit): (&[&str], Form, Habit)| Subscriber {
        selection: selection.iter().map(ToString::to_string).collect(),
        form,
        habit,
        rng: rng.fork(),
        last: None,
        retry: RETRY,
        journal: Vec::new(),
    };
    all.map(subscriber).into()
}

/// One of very many who follow a topic each, and now and then a pattern, as open pages do.
pub(super) fn follower(number: usize) -> Subscriber {
    let selection = match number % PATTERN_EVERY {
        0 => ["load/c/*", "solo"].map(str::to_owned).into(),
        _ => vec![TOPICS[number % TOPICS.len()].to_owned()],
    };
    Subscriber {
        selection,
        form: Form::Sse,
        habit: Habit::Stays,
        rng: Rng::with_seed(number as u64),
        last: None,
        retry: RETRY,
        journal: Vec::new(),
    }
}

impl Subscriber {
    pub(super) fn entries(&self) -> usize {
        let entries = self.journal.iter();
        entries.map(|transcript| transcript.entries.len()).sum()
    }

    pub(super) fn take_journal(&mut self) -> Vec<Transcript> {
        std::mem::take(&mut self.journal)
    }

    /// Reads until the hub is gone or the round is stopped.
    pub(super) async fn round(&mut self, target: &Target) {
        let stop = target.stop.clone();
        // Whatever was read is in the journal already, so that it may end between any two reads.
        let reading = async { while self.stream(target).await.is_ok() {} };
        stop.run_until_cancelled(reading).await;
    }

    /// Reads until it is stopped, and comes back as an `EventSource` does: with the last id, after
    /// the time that it was told, as often as it takes.
    pub(super) async fn follow(mut self, number: usize, target: Target, board: &Board) -> Self {
        let stop = target.stop.clone();
        let reading = async {
            loop {
                match self.open(&target).await {
                    Ok((_wire, body)) => {
                        board.opened(number);
                        // It only ends by breaking off, as streams do.
                        drop(self.read(body).await);
                        board.ended(number);
                    }
                    Err(Broken) => board.failed(),
                }
                // tidy: allow(sleep-in-test): what the hub asked for; nothing is awaited by it.
                tokio::time::sleep(self.retry).await;
            }
        };
        stop.run_until_cancelled(reading).await;
        self
    }

    /// Reads one event stream, as far as the habit goes.
    async fn stream(&mut self, target: &Target) -> Result<(), Broken> {
        let (_wire, body) = self.open(target).await?;
        self.read(body).await
    }

    /// Asks for an event stream.
    async fn open(&mut self, target: &Target) -> Result<(Wire, Incoming), Broken> {
        let asked = match self.habit {
            Habit::StartsAnew => None,
            Habit::Stays | Habit::ComesBack => self.last,
        };
        let mut wire = Wire::open(target.address).await?;
        let response = wire.send(self.request(asked)).await?;
        // An EventSource that is answered anything else gives up for ever.
        assert_eq!(response.status(), 200, "{response:?}");
        self.journal.push(Transcript {
            selection: self.selection.clone(),
            asked,
            entries: Vec::new(),
        });
        Ok((wire, response.into_body()))
    }

    async fn read(&mut self, mut body: Incoming) -> Result<(), Broken> {
        let mut reading = match self.form {
            Form::Sse => Reading::Sse(Box::new(Decoder::new())),
            _ => Reading::Lines(Vec::new()),
        };
        let mut left = match self.habit {
            Habit::Stays => usize::MAX,
            Habit::ComesBack | Habit::StartsAnew => self.rng.usize(1..EVENTS_MAX),
        };
        let mut items = VecDeque::new();
        while left > 0 {
            let frame = tokio::time::timeout(4 * PATIENCE, body.frame()).await;
            let frame = frame.map_err(|_elapsed| Broken)?.ok_or(Broken)?;
            let bytes = frame.map_err(|_cause| Broken)?.into_data();
            reading.feed(&bytes.unwrap_or_default(), &mut items);
            left = left.saturating_sub(items.len());
            for item in items.drain(..) {
                self.take(item);
            }
        }
        Ok(())
    }

    fn request(&self, asked: Option<EventId>) -> http::Request<crate::connection::RequestBody> {
        let mut headers = HeaderMap::new();
        let accept = match self.form {
            Form::Sse => "text/event-stream",
            _ => "application/x-ndjson",
        };
        headers.insert("accept", accept.parse().unwrap());
        if let Some(id) = asked {
            headers.insert("last-event-id", id.to_string().parse().unwrap());
        }
        let (first, others) = self.selection.split_first().unwrap();
        let mut path = format!("/{first}?");
        for other in others {
            path.push_str(&format!("topic={other}&"));
        }
        if self.habit == Habit::StartsAnew {
            path.push_str("history=100");
        }
        get(&path, headers)
    }

    fn take(&mut self, item: Item) {
        let entry = match item {
            Item::Heartbeat => return,
            Item::Retry(milliseconds) => {
                self.retry = Duration::from_millis(milliseconds);
                return;
            }
            Item::Position(id) => Entry::Start(parse(&id)),
            Item::Event(Received { id, event_type, .. }) if event_type == "fanfare.gap" => {
                Entry::Gap(parse(&id))
            }
            Item::Event(Received { id, data, .. }) => {
                Entry::Seen(parse(&id), Name::of_payload(&data))
            }
        };
        let (Entry::Start(id) | Entry::Gap(id) | Entry::Seen(id, _)) = entry;
        self.last = Some(id);
        if let Some(transcript) = self.journal.last_mut() {
            transcript.entries.push(entry);
        }
    }
}

fn parse(id: &str) -> EventId {
    EventId::parse(id).unwrap_or_else(|| panic!("{id:?} is no id"))
}
