//! POST: from a body to events in the log, whole or as it comes.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_hub::{
    IdempotencyKey, Lease, MayPublish, NewEvent, Publication, PublishError, Receipt, TopicName,
};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{StatusCode, Uri};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::body::{Body, Request, RequestBody, Response, broken, collect_while, timed_out};
use crate::ingest::{self, Ingest, Media};
use crate::negotiate;
use crate::problem::Problem;
use crate::query::PublishQuery;
use crate::quota::Payer;
use crate::subscribe::topic_path;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a whole body is taken apart by; see [`Post::whole`].
const INGEST_PIECE_BYTES: usize = 16 << 10;

/// One POST.
struct Post {
    app: App,
    topic: MayPublish,
    /// What the right to it hangs on.
    lease: Option<Lease>,
    /// Who is charged with it.
    payer: Payer,
    query: PublishQuery,
    media: Media,
    key: Option<String>,
    /// Whether the client sends the body only when it is asked to go on.
    is_waiting: bool,
}

/// What of a streamed body is stored so far.
#[derive(Default)]
struct Stored {
    count: u64,
    last: Option<Receipt>,
}

/// Answers a POST to a topic.
pub(crate) async fn respond(app: &App, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let post = Post::parse(app, &parts)?;
    let _in_flight = app.let_in()?;
    let is_streamed = post.media != Media::Verbatim && body.size_hint().exact().is_none();
    let receipt = if is_streamed {
        post.stream(body).await?
    } else {
        post.whole(&parts.uri, body).await?
    };
    Ok(created(post.topic.topic(), &receipt))
}

impl Post {
    fn parse(app: &App, parts: &Parts) -> Result<Self, Problem> {
        let headers = &parts.headers;
        // hyper takes off the chunks and leaves on what lies below them (RFC 9112 6.1).
        let is_encoded = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|coding| coding != "identity")
            || headers
                .get_all(TRANSFER_ENCODING)
                .iter()
                .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if is_encoded {
            let detail = "bodies are taken as they are: send the body without Content-Encoding, and chunked at most";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "unsupported_encoding", detail));
        }
        let topic = TopicName::from_path(topic_path(&parts.uri))?;
        let asker = app.asker(headers, &parts.uri, true)?;
        Ok(Self {
            app: app.clone(),
            topic: asker.may_publish(topic)?,
            lease: asker.lease().cloned(),
            payer: *asker.payer(),
            query: PublishQuery::parse(parts.uri.query().unwrap_or_default())?,
            media: Media::of(negotiate::content_type(headers)),
            is_waiting: headers.contains_key(EXPECT),
            key: key(headers, app.hub().limits().idempotency_key_bytes_max)?,
        })
    }

    /// Stores a body whole or not at all.
    async fn whole(&self, uri: &Uri, body: RequestBody) -> Result<Receipt, Problem> {
        let limits = Arc::clone(&self.app.hub().limits());
        let max = match self.media {
            Media::Verbatim => limits.event_bytes_max,
            Media::EventStream | Media::Ndjson => limits.body_bytes_max,
        };
        // Whoever waits for leave to send the body is told before it is sent (RFC 9110 10.1.1).
        if self.is_waiting && body.size_hint().lower() > max as u64 {
            return Err(Problem::body_too_large(max));
        }
        let mut held = self.app.quotas().hold_body();
        let has_room = |bytes| held.set(bytes, limits.bodies_bytes_max);
        let bytes = collect_while(body, max, limits.body_deadline, has_room).await?;
        let query = uri.query().unwrap_or_default();
        let idempotency = self.idempotency(0, [query.as_bytes(), &bytes]);
        let mut events = Vec::new();
        if self.media != Media::Verbatim {
            let mut ingest = Ingest::new(self.media, self.query.clone(), &limits);
            // Two bytes can be an event, and an event costs fifty times that: what will be refused
            // must not be taken apart to its end.
            for piece in bytes.chunks(INGEST_PIECE_BYTES) {
                ingest.feed(piece, &mut events)?;
                if events.len() > limits.batch_events_max {
                    return Err(PublishError::TooManyEvents(limits.batch_events_max).into());
                }
            }
            ingest.finish(&mut events)?;
        } else if !(bytes.is_empty() && self.query.ends_topic) {
            events.push(ingest::verbatim(bytes.into(), &self.query)?);
        }
        let quotas = self.app.quotas();
        let taken = quotas.take_events(&self.payer, events.len(), &limits);
        taken.map_err(Problem::too_many_events)?;
        self.publish(events, self.query.ends_topic, idempotency)
            .await
    }

    /// Stores the events of a body as they come. What was stored stays stored when the body breaks.
    async fn stream(&self, mut body: RequestBody) -> Result<Receipt, Problem> {
        let limits = Arc::clone(&self.app.hub().limits());
        let mut ingest = Ingest::new(self.media, self.query.clone(), &limits);
        let mut stored = Stored::default();
        // Since the last event was whole: what is kept of the next one is a part of that.
        let (mut held, mut open_bytes) = (self.app.quotas().hold_body(), 0);
        loop {
            let mut events = Vec::new();
            let piece = self
                .next_piece(&mut body)
                .await
                .map_err(|problem| stored.partly(problem))?;
            let fed = match &piece {
                Some(piece) => ingest.feed(piece, &mut events),
                None => ingest.finish(&mut events),
            };
            let piece_bytes = piece.as_ref().map_or(0, Bytes::len);
            open_bytes = piece_bytes + if events.is_empty() { open_bytes } else { 0 };
            let fed = match held.set(open_bytes, limits.bodies_bytes_max) {
                true => fed,
                false => fed.and(Err(Problem::busy())),
            };
            // What came before the trouble counts, like everything that came in earlier pieces.
            self.store(events, &mut stored)
                .await
                .map_err(|problem| stored.partly(problem))?;
            fed.map_err(|problem| stored.partly(problem))?;
            if piece.is_none() {
                break;
            }
        }
        if self.query.ends_topic {
            let key = self.idempotency(stored.count, [b"end", b""]);
            let ended = self.publish(Vec::new(), true, key).await;
            let receipt = ended.map_err(|problem| stored.partly(problem))?;
            stored.last = Some(receipt);
        }
        let count = stored.count;
        let receipt = stored.last.ok_or(PublishError::NoEvent)?;
        Ok(Receipt { count, ..receipt })
    }

    /// The next piece of a streamed body; `None` at its end.
    async fn next_piece(&self, body: &mut RequestBody) -> Result<Option<Bytes>, Problem> {
        let silence_max = self.app.hub().limits().body_silence_max;
        let stop = self.app.stop_token();
        let next = stop.run_until_cancelled(tokio::time::timeout(silence_max, body.frame()));
        match next.await {
            None => Err(Problem::draining()),
            Some(Err(_elapsed)) => Err(timed_out(silence_max)),
            Some(Ok(None)) => Ok(None),
            Some(Ok(Some(Err(error)))) => Err(broken(&*error)),
            // Trailers are nothing to us.
            Some(Ok(Some(Ok(frame)))) => Ok(Some(frame.into_data().unwrap_or_default())),
        }
    }

    async fn store(&self, events: Vec<NewEvent>, stored: &mut Stored) -> Result<(), Problem> {
        if events.is_empty() {
            return Ok(());
        }
        self.slow_down(events.len()).await?;
        if self.key.is_none() {
            // One piece of a body may have more events than a batch.
            let batch_max = self.app.hub().limits().batch_events_max.max(1);
            let mut rest = events;
            while !rest.is_empty() {
                let later = rest.split_off(rest.len().min(batch_max));
                stored.add(self.publish(rest, false, None).await?);
                rest = later;
            }
            return Ok(());
        }
        // Each event has its own key, so that a retry stores only what is missing wherever the
        // first attempt broke off.
        for event in events {
            let event_type = event
                .event_type
                .as_ref()
                .map_or("", |event_type| event_type.as_str());
            let key =
                self.idempotency(stored.count, [event_type.as_bytes(), event.data.as_bytes()]);
            stored.add(self.publish(vec![event], false, key).await?);
        }
        Ok(())
    }

    /// Has a body that comes faster than its publisher may publish wait, and so its sender.
    async fn slow_down(&self, events: usize) -> Result<(), Problem> {
        let quotas = self.app.quotas();
        let limits = Arc::clone(&self.app.hub().limits());
        while let Err(wait) = quotas.take_events(&self.payer, events, &limits) {
            let stop = self.app.stop_token();
            let waited = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
            waited.ok_or_else(Problem::draining)?;
        }
        Ok(())
    }

    async fn publish(
        &self,
        events: Vec<NewEvent>,
        ends_topic: bool,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Receipt, Problem> {
        // A body may take longer to come than its credential lasts.
        self.app.may_go_on(self.lease.as_ref())?;
        let topic = self.topic.clone();
        let publication = Publication {
            topic,
            events,
            ends_topic,
            idempotency,
        };
        Ok(self.app.publish(publication).await?)
    }

    /// The key of one part of the body, with a digest of what it stands for.
    fn idempotency(&self, part: u64, contents: [&[u8]; 2]) -> Option<IdempotencyKey> {
        let key = self.key.clone()?;
        let mut digest = Sha256::new();
        digest.update([self.media as u8]);
        for content in contents {
            // With its length in front, no two different requests run together.
            digest.update((content.len() as u64).to_be_bytes());
            digest.update(content);
        }
        Some(IdempotencyKey {
            key,
            part,
            fingerprint: digest.finalize().into(),
        })
    }
}

impl Stored {
    fn add(&mut self, receipt: Receipt) {
        self.count += receipt.count;
        self.last = Some(receipt);
    }

    /// What the publisher is told of trouble. A 4xx promises that nothing was stored, so that it
    /// cannot be the answer once something was.
    fn partly(&self, problem: Problem) -> Problem {
        let Some(last) = &self.last else {
            return problem;
        };
        let detail = format!(
            "the stream broke after {} events were stored: {}",
            self.count,
            problem.detail()
        );
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "partly_stored", detail)
            .with("cause", problem.code())
            .with("id", last.id.to_string())
            .with("count", self.count)
    }
}

fn key(headers: &HeaderMap, bytes_max: usize) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(_) if values.next().is_some() => Err(Problem::bad(
            "bad_header",
            "there are two Idempotency-Key headers: send one",
        )),
        Ok(key) if (1..=bytes_max).contains(&key.len()) && is_visible(key) => {
            Ok(Some(key.to_owned()))
        }
        _ => {
            let detail = format!("Idempotency-Key is 1 to {bytes_max} visible ASCII characters");
            Err(Problem::bad("bad_header", detail))
        }
    }
}

/// Header values may also have spaces and tabs, which proxies take the liberty to change.
fn is_visible(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What a publisher is told of a stored publication.
#[derive(Serialize)]
pub(crate) struct Acknowledgement<'a> {
    topic: &'a str,
    /// Of the last event stored.
    id: String,
    count: u64,
    durability: &'static str,
}

impl<'a> Acknowledgement<'a> {
    pub(crate) fn new(topic: &'a TopicName, receipt: &Receipt) -> Self {
        Self {
            topic: topic.as_str(),
            id: receipt.id.to_string(),
            count: receipt.count,
            durability: receipt.durability.as_str(),
        }
    }

    /// The answer's body.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        // A struct of texts and a number: there is nothing that JSON could not hold.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// What the head of an answer says to a publish that was stored.
pub(crate) const CREATED_HEADERS: [(HeaderName, HeaderValue); 2] = [
    (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

fn created(topic: &TopicName, receipt: &Receipt) -> Response {
    let mut response = Response::new(Body::from(Acknowledgement::new(topic, receipt).to_line()));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.extend(CREATED_HEADERS);
    if receipt.is_replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
