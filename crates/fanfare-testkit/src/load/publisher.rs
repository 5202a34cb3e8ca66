//! A publisher: one request after another, each written down with what was answered.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare_hub::EventId;
use fastrand::Rng;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body_util::channel::Channel;
use http_body_util::{Either, Full};

use super::Target;
use super::wire::{Answer, Broken, Wire};
use crate::connection::RequestBody;
use crate::journal::{Name, Outcome, Publish};

/// Where is published: some topics that subscribers follow alone, and some only by pattern.
pub(super) const TOPICS: [&str; 6] = ["load/a", "load/b", "load/c/x", "load/c/y", "load/d", "solo"];
/// Most events of one request: enough for a record that crosses pages.
const EVENTS_MAX: u64 = 5;
/// How long to wait after a refusal, so that a hub that takes nothing is not asked in circles.
const PAUSE: Duration = Duration::from_millis(5);

/// What a slow body takes: a stop that comes at any moment finds most publishers within it, and
/// their events are few enough that thousands of subscribers on one processor read them all.
const SLOWNESS: Duration = Duration::from_millis(400);

/// One publisher.
pub(super) struct Publisher {
    next: Name,
    rng: Rng,
    began: Instant,
    /// Whether it goes on for as long as the hub stops and starts; see [`Publisher::steady`].
    is_steady: bool,
    /// What has to be tried again, because nobody knows what became of it.
    open: Vec<Plan>,
    journal: Vec<Publish>,
}

/// A request.
#[derive(Clone, Debug)]
struct Plan {
    topic: &'static str,
    first: Name,
    events: u64,
    way: Way,
    /// Whether it may be repeated.
    is_keyed: bool,
    /// Whether its body comes in two halves.
    is_slow: bool,
}

/// How events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The body is the event.
    Single,
    /// Lines of a body that is stored whole.
    Batch,
    /// Lines that are published one by one as they come.
    Stream,
    /// In a way that the hub must refuse.
    Wrong,
}

impl Publisher {
    pub(super) fn new(publisher: u16, rng: Rng, began: Instant) -> Self {
        let number = 0;
        Self {
            next: Name { publisher, number },
            rng,
            began,
            is_steady: false,
            open: Vec::new(),
            journal: Vec::new(),
        }
    }

    /// The same, with a key for every request and a body that takes its time, so that a stop finds
    /// one in flight whenever it comes.
    pub(super) fn steady(self) -> Self {
        Self {
            is_steady: true,
            ..self
        }
    }

    pub(super) fn journal(&self) -> &[Publish] {
        &self.journal
    }

    pub(super) fn take_journal(&mut self) -> Vec<Publish> {
        std::mem::take(&mut self.journal)
    }

    /// Publishes until the round is stopped, to whatever hub is there.
    pub(super) async fn go_on(&mut self, target: &Target) {
        while !target.stop.is_cancelled() {
            self.round(target).await;
            pause().await;
        }
    }

    /// Publishes until the hub is gone or the round is stopped.
    pub(super) async fn round(&mut self, target: &Target) {
        // A hub that is gone ends the round like a stop does.
        drop(self.publish_on(target).await);
    }

    async fn publish_on(&mut self, target: &Target) -> Result<(), Broken> {
        while !target.stop.is_cancelled() {
            // A connection may end though the hub lives; then there is another one.
            let mut wire = Wire::open(target.address).await?;
            drop(self.publish_over(&mut wire, target).await);
        }
        Ok(())
    }

    async fn publish_over(&mut self, wire: &mut Wire, target: &Target) -> Result<(), Broken> {
        self.retry(wire).await?;
        while !target.stop.is_cancelled() {
            let plan = self.plan();
            self.attempt(wire, plan).await?;
        }
        Ok(())
    }

    /// Tries once more what was not answered.
    pub(super) async fn settle(&mut self, target: &Target) {
        if self.open.is_empty() {
            return;
        }
        if let Ok(mut wire) = Wire::open(target.address).await {
            drop(self.retry(&mut wire).await);
        }
    }

    async fn retry(&mut self, wire: &mut Wire) -> Result<(), Broken> {
        let mut plans = std::mem::take(&mut self.open).into_iter();
        while let Some(plan) = plans.next() {
            let attempt = self.attempt(wire, plan).await;
            if attempt.is_err() {
                // Whatever breaks, none of them is forgotten.
                self.open.extend(plans);
                return attempt;
            }
        }
        Ok(())
    }

    fn plan(&mut self) -> Plan {
        let way = match self.rng.u8(0..20) {
            0..12 => Way::Single,
            12..15 => Way::Batch,
            15..19 => Way::Stream,
            _ => Way::Wrong,
        };
        let events = match way {
            Way::Single | Way::Wrong => 1,
            Way::Batch | Way::Stream => self.rng.u64(1..=EVENTS_MAX),
        };
        let first = self.next;
        self.next = first.plus(events);
        Plan {
            topic: TOPICS[self.rng.usize(..TOPICS.len())],
            first,
            events,
            way,
            is_keyed: (self.rng.bool() || self.is_steady) && way != Way::Wrong,
            is_slow: self.is_steady,
        }
    }

    /// Sends a request and writes down what became of it.
    async fn attempt(&mut self, wire: &mut Wire, plan: Plan) -> Result<(), Broken> {
        if wire.has_ended() {
            // Nothing was asked yet: a hub may hang up after it has refused a stream.
            match Wire::open(wire.address).await {
                Ok(another) => *wire = another,
                Err(broken) => {
                    self.open.extend(Some(plan).filter(|plan| plan.is_keyed));
                    return Err(broken);
                }
            }
        }
        let invoked = self.began.elapsed();
        let answer = plan.send(wire).await;
        let answered = self.began.elapsed();
        let outcome = answer.as_ref().map_or(Outcome::Unknown, outcome);
        self.journal.push(Publish {
            topic: plan.topic.to_owned(),
            first: plan.first,
            events: plan.events,
            invoked: invoked.as_nanos() as u64,
            answered: answered.as_nanos() as u64,
            outcome,
        });
        let is_done = matches!(outcome, Outcome::Stored { count, .. } if count == plan.events);
        if plan.is_keyed && !is_done {
            self.open.push(plan);
        }
        if outcome == Outcome::Refused {
            pause().await;
        }
        answer.map(drop)
    }
}

impl Plan {
    async fn send(&self, wire: &mut Wire) -> Result<Answer, Broken> {
        let names = (0..self.events).map(|index| self.first.plus(index));
        let lines = names.map(|name| format!("{}\n", name.payload()));
        match self.way {
            Way::Single | Way::Wrong => self.send_whole(wire, self.first.payload()).await,
            Way::Batch => self.send_whole(wire, lines.collect()).await,
            Way::Stream => {
                let (mut pieces, body) = Channel::new(1);
                let feed = async move {
                    for line in lines {
                        // A hub that takes no more has answered, or is gone.
                        if pieces.send_data(Bytes::from(line)).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::join!(wire.ask(self.request(Either::Right(body))), feed).0
            }
        }
    }

    async fn send_whole(&self, wire: &mut Wire, body: String) -> Result<Answer, Broken> {
        let mut first = Bytes::from(body);
        if !self.is_slow {
            return wire.ask(self.request(Either::Left(Full::new(first)))).await;
        }
        let second = first.split_off(first.len() / 2);
        let (mut pieces, body) = Channel::new(1);
        let feed = async move {
            // A hub that takes no more has answered, or is gone.
            if pieces.send_data(first).await.is_ok() {
                // tidy: allow(sleep-in-test): a slow network; nothing is awaited by it.
                tokio::time::sleep(SLOWNESS).await;
                drop(pieces.send_data(second).await);
            }
        };
        tokio::join!(wire.ask(self.request(Either::Right(body))), feed).0
    }

    fn request(&self, body: RequestBody) -> Request<RequestBody> {
        let wrong = match self.way {
            // The hub's own types are nobody's to publish.
            Way::Wrong => "?event=fanfare.wrong",
            _ => "",
        };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("/{}{wrong}", self.topic));
        if matches!(self.way, Way::Batch | Way::Stream) {
            request = request.header(CONTENT_TYPE, "application/x-ndjson");
        }
        if self.is_keyed {
            request = request.header("idempotency-key", self.first.to_string());
        }
        request.body(body).unwrap()
    }
}

/// Gives a hub that takes nothing some time.
async fn pause() {
    // tidy: allow(sleep-in-test): the pace of the load; nothing is awaited by it.
    tokio::time::sleep(PAUSE).await;
}

/// What an answer says about the events.
fn outcome(answer: &Answer) -> Outcome {
    let code = answer.json["code"].as_str().unwrap_or_default();
    let id = answer.json["id"].as_str().and_then(EventId::parse);
    let count = answer.json["count"].as_u64();
    match (answer.status, id, count) {
        (201, Some(id), Some(count)) | (500, Some(id), Some(count)) => {
            Outcome::Stored { id, count }
        }
        (400..500, ..) => Outcome::Refused,
        (503, ..) if ["not_stored", "draining"].contains(&code) => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}
