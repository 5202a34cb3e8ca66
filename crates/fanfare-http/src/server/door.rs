//! The door of the delivery shards: plain publishes and event streams over HTTP/1.1 without TLS
//! are served by the shards themselves, and everything else is handed to hyper with what was read
//! of it.

use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare_delivery::door::{Door, Handed, Knock, Opening, Stay, Times};
use fanfare_hub::{
    AppendError, Cursor, Gap, Lease, Publication, PublishError, Receipt, Timestamp, TopicName,
};
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Uri};
use http_body::Body as _;
use tokio::runtime::Handle;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::plain::{Plain, Post};
use super::{Seats, WARNING_PAUSE, connection, place, wording};
use crate::address::FORWARDED_FOR;
use crate::app::{App, Place};
use crate::auth::Asker;
use crate::clock;
use crate::ingest::{self, Media};
use crate::negotiate::Form;
use crate::problem::Problem;
use crate::publish::{Acknowledgement, CREATED_HEADERS};
use crate::query::PublishQuery;
use crate::quota::Slots;
use crate::stream::{sse_farewell, sse_gap, sse_lapse, sse_opening};
use crate::subscribe::{self, stream_headers};

/// Bytes of a publish that a shard waits for and keeps together. A larger body is worth the memory
/// of a connection of hyper's.
const BODY_BYTES_MAX: usize = 64 << 10;

/// HTTP/1.1 in front of one hub.
pub(super) struct HttpDoor {
    app: App,
    /// One for each connection, over all listeners.
    connections: Seats,
    /// Where connections go that are handed over.
    runtime: Handle,
    warned: Mutex<Option<Instant>>,
}

/// Who asked for an event stream.
pub(super) struct Reader {
    /// The request's headers that matter.
    headers: HeaderMap,
    /// What the stream hangs on.
    lease: Option<Lease>,
    /// Counts it among the streams of its client.
    slots: Option<Box<Slots>>,
}

/// What a connection of the shards holds.
pub(super) struct ShardPlace {
    place: Place,
    /// A stop waits for the connection.
    _task: TaskTrackerToken,
}

impl HttpDoor {
    pub(super) fn new(app: App, connections: Seats) -> Self {
        Self {
            app,
            connections,
            runtime: Handle::current(),
            warned: Mutex::default(),
        }
    }

    /// Whether the target is a topic's, and not the hub's or the embedder's own.
    fn is_of_topics(&self, target: &str) -> bool {
        let is_own = ["/-/", "/.well-known/", "/-?"]
            .iter()
            .any(|own| target.starts_with(own))
            || matches!(target, "/" | "/-")
            || target.starts_with("/?");
        let settings = self.app.settings();
        let mut mounts = settings.mounts.iter();
        !is_own && !mounts.any(|(prefix, _)| target.starts_with(prefix.as_str()))
    }

    /// A publish that nothing is wrong with.
    fn publish(&self, peer: Option<IpAddr>, post: &Post<'_>, body: &[u8]) -> Option<Knock<Self>> {
        let essence = post.content_type.split(';').next().unwrap_or_default();
        if Media::of(essence.trim()) != Media::Verbatim || body.is_empty() {
            return None;
        }
        let (path, query) = post.target.split_once('?').unwrap_or((post.target, ""));
        // Who sends it is asked before anything else is looked at, and refused elsewhere.
        let asker = self.writer(peer, post)?;
        let query = PublishQuery::parse(query).ok()?;
        // Fragments are not sent (RFC 9112 3.2.1); what hyper makes of one is its to say.
        let topic = path.strip_prefix('/').filter(|path| !path.contains('#'))?;
        let publication = Publication {
            topic: asker.may_publish(TopicName::from_path(topic).ok()?).ok()?,
            events: vec![ingest::verbatim(body.to_vec(), &query).ok()?],
            ends_topic: query.ends_topic,
            idempotency: None,
        };
        let in_flight = self.app.let_in().ok()?;
        let batch = self.app.hub().batch(publication, clock::now()).ok()?;
        let (quotas, limits) = (self.app.quotas(), self.app.hub().limits());
        quotas.take_events(asker.payer(), 1, &limits).ok()?;
        Some(Knock::Publish(
            post.head_bytes + post.body_bytes,
            batch,
            in_flight,
        ))
    }

    /// Who sends a publish, unless it takes more than a header to say.
    fn writer(&self, peer: Option<IpAddr>, post: &Post<'_>) -> Option<Asker> {
        let has_keys = self.app.auth().has_keys();
        let uri = match has_keys && post.target.contains('?') {
            true => post.target.parse().ok()?,
            false => Uri::default(),
        };
        // A cookie is good for some pages only, which are told apart elsewhere.
        if has_keys && post.has_cookies {
            return None;
        }
        let mut headers = HeaderMap::new();
        if let Some(value) = post.authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).ok()?);
        }
        if let Some(value) = post.forwarded_for {
            headers.insert(FORWARDED_FOR, HeaderValue::from_bytes(value).ok()?);
        }
        self.app.asker_at(peer, &headers, &uri, true).ok()
    }

    /// A subscription that nothing is wrong with.
    fn subscribe(
        &self,
        peer: Option<IpAddr>,
        target: &str,
        headers: HeaderMap,
    ) -> Option<Knock<Self>> {
        let uri: Uri = target.parse().ok()?;
        let start = fanfare_hub::Start::Tail;
        let asker = self.app.asker_at(peer, &headers, &uri, false).ok()?;
        let (subscription, _) = subscribe::parse(&self.app, &asker, &uri, &headers, start).ok()?;
        let lease = subscription.selection.lease().cloned();
        let slots = self.app.open_stream(&asker).ok()?;
        let joining = self.app.hub().join(subscription, clock::now()).ok()?;
        let reader = Reader {
            headers,
            lease,
            slots,
        };
        Some(Knock::Subscribe(joining, reader))
    }

    /// Words a response that is whole.
    fn respond(&self, mut response: crate::Response, answer: &mut Vec<u8>) {
        let settings = self.app.settings();
        settings
            .cors
            .add_headers(&HeaderMap::new(), response.headers_mut());
        let len = response.body().size_hint().exact().unwrap_or(0);
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
        if self.app.is_draining() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let (parts, body) = response.into_parts();
        wording::head(parts.status, &parts.headers, answer);
        answer.extend_from_slice(body.whole());
    }

    /// Words the answer to a publish that was stored. The same as `publish::created` makes.
    fn created(&self, topic: &TopicName, receipt: &Receipt, answer: &mut Vec<u8>) {
        let body = Acknowledgement::new(topic, receipt).to_line();
        answer.extend_from_slice(b"HTTP/1.1 201 Created\r\n");
        for (name, value) in CREATED_HEADERS {
            wording::field(name.as_str(), value.as_bytes(), answer);
        }
        answer.extend_from_slice(self.app.settings().cors.plain_lines());
        if self.app.is_draining() {
            wording::field("connection", b"close", answer);
        }
        wording::field("content-length", body.len().to_string().as_bytes(), answer);
        wording::date(answer);
        answer.extend_from_slice(b"\r\n");
        answer.extend_from_slice(&body);
    }
}

impl Door for HttpDoor {
    type Place = ShardPlace;
    type InFlight = TaskTrackerToken;
    type Asked = Reader;

    fn let_in(&self, peer: IpAddr) -> Option<ShardPlace> {
        Some(ShardPlace {
            place: place(&self.app, &self.connections, peer)?,
            _task: self.app.tasks().token(),
        })
    }

    fn knock(&self, place: &ShardPlace, unread: &[u8]) -> Knock<Self> {
        let peer = place.place.peer();
        let knock = match Plain::read(unread) {
            Plain::Incomplete => return Knock::Incomplete,
            Plain::Other => None,
            Plain::Subscribe(target, headers) if self.is_of_topics(target) => {
                self.subscribe(peer, target, headers)
            }
            Plain::Publish(post)
                if post.body_bytes <= BODY_BYTES_MAX && self.is_of_topics(post.target) =>
            {
                let body = unread.get(post.head_bytes..post.head_bytes + post.body_bytes);
                let Some(body) = body else {
                    return Knock::BodyIncomplete;
                };
                self.publish(peer, &post, body)
            }
            Plain::Subscribe(..) | Plain::Publish(_) => None,
        };
        knock.unwrap_or(Knock::Elsewhere)
    }

    fn stored(
        &self,
        topic: &TopicName,
        result: Result<Receipt, AppendError>,
        answer: &mut Vec<u8>,
    ) -> Stay {
        match result {
            Ok(receipt) => {
                self.app.metrics().published(receipt.count);
                self.created(topic, &receipt, answer);
            }
            Err(error) => {
                let problem = Problem::from(PublishError::from(error));
                self.respond(self.app.refuse(problem), answer);
            }
        }
        match self.app.is_draining() {
            true => Stay::Closes,
            false => Stay::Open,
        }
    }

    fn opening(&self, asked: Reader, cursor: &Cursor, place: &mut ShardPlace) -> Opening {
        place.place.count_stream(&self.app, Form::Sse, asked.slots);
        let mut headers = stream_headers(&self.app, Form::Sse);
        self.app
            .settings()
            .cors
            .add_headers(&asked.headers, &mut headers);
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        // Nothing is read behind the request of a stream.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let mut head = Vec::with_capacity(512);
        wording::head(StatusCode::OK, &headers, &mut head);
        Opening {
            head,
            block: sse_opening(&self.app.hub().limits(), cursor),
            lease: asked.lease,
        }
    }

    fn gap(&self, gap: &Gap) -> Bytes {
        self.app.metrics().gap(gap.reason);
        sse_gap(gap)
    }

    fn generation(&self) -> u64 {
        self.app.auth().generation()
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn lapse(&self, lease: &Lease) -> Option<Bytes> {
        self.app.auth().lapse(lease, clock::now()).map(sse_lapse)
    }

    fn farewell(&self) -> Bytes {
        sse_farewell(&self.app.hub().limits())
    }

    fn hand_over(&self, handed: Handed<Self>) {
        let app = self.app.clone();
        let ShardPlace { place, _task } = handed.place;
        let serve = connection::serve_handed(app.at(place), handed.socket, handed.unread.into());
        // Counted anew before the connection's own token goes.
        self.app.tasks().spawn_on(serve, &self.runtime);
    }

    fn delivered(&self, events: u64, bytes: u64) {
        self.app.metrics().delivered(events, bytes);
    }

    fn cannot_accept(&self, error: &io::Error) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|at| at.elapsed() >= WARNING_PAUSE) {
            tracing::warn!(%error, "cannot accept connections, trying again");
            *warned = Some(Instant::now());
        }
    }

    fn times(&self) -> Times {
        let limits = self.app.hub().limits();
        Times {
            head: limits.head_deadline,
            heartbeat: limits.heartbeat.max(Duration::from_millis(100)),
            peer_silence: limits.peer_silence_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_who_waits_is_small() {
        let bytes = fanfare_delivery::bytes_of_a_subscriber::<HttpDoor>();
        println!(
            "{bytes} bytes, {} of them its places",
            size_of::<ShardPlace>()
        );
        assert!(bytes <= 128, "{bytes}");
    }
}
