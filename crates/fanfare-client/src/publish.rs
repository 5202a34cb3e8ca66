//! Publishing: one request, its answer, and the retries that an idempotency key makes safe.

use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use crate::address::{AddressError, Query, Target};
use crate::backoff::{Backoff, RetryPolicy, dice};
use crate::client::Client;
use crate::credentials::Attempts;
use crate::loss::Loss;
use crate::outgoing::watched;
use crate::problem::{Problem, field};
use crate::publication::{ByteStream, Form, Publication};
use crate::transport::{Connection, RequestBody, read_body, read_problem, request};

/// From the end of a body to the head of the answer. A hub answers once its disk did.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Further tries of a publication by default: together they outlast a restart of the hub.
const RETRIES_MAX: u32 = 4;

/// The content type of an event that is published alone.
const TEXT: &str = "text/plain; charset=utf-8";

/// What the hub answers when it stored what was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The topic.
    pub topic: String,
    /// The id of the last event that was stored.
    pub id: String,
    /// How many events were stored.
    pub count: u64,
    /// What a crash may cost: `disk`, `written` or `memory`; empty when the hub does not say.
    #[serde(default)]
    pub durability: String,
}

/// Why a publication failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The request names no place: nothing was sent.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The idempotency key or the content type holds what no header field can carry.
    #[error("the {0} holds characters that no HTTP header can carry")]
    Field(&'static str),
    /// The hub refused; nothing was stored, unless the problem says so.
    #[error(transparent)]
    Refused(Problem),
    /// The address leads elsewhere, and a publication is not carried after it.
    #[error("the hub's address leads to {0}: use that one")]
    Redirect(String),
    /// Whether something was stored is unknown, unless the hub was unreachable.
    #[error(transparent)]
    Lost(Loss),
    /// The source of a stream failed, or ended within an event; what came before may be stored.
    #[error("the input is cut short: {}", root(.0))]
    Source(Arc<hyper::Error>),
    /// The hub took it, but answered with something else than a receipt.
    #[error("what answered is no hub: its {status} holds no receipt")]
    NoReceipt {
        /// The status of the answer.
        status: StatusCode,
        /// What is wrong with its body.
        source: Arc<serde_json::Error>,
    },
}

/// A publication that is about to be sent; awaiting it sends it.
#[derive(Debug)]
#[must_use = "nothing is published until this is awaited"]
pub struct Publish {
    client: Client,
    topic: String,
    publication: Publication,
    key: Option<String>,
    ends_topic: bool,
    policy: RetryPolicy,
}

impl Publish {
    pub(crate) fn new(client: Client, topic: String, publication: Publication) -> Self {
        let policy = RetryPolicy::at_most(RETRIES_MAX);
        Self {
            client,
            topic,
            publication,
            key: None,
            ends_topic: false,
            policy,
        }
    }

    /// Stores what is published under a key of the caller's, so that a later publication with the
    /// same key and body stores nothing new. Without one, a random key covers the retries.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Ends the topic after what is published.
    pub fn ending(mut self) -> Self {
        self.ends_topic = true;
        self
    }

    /// Tries again as `policy` says; by default four times. A stream is never sent twice.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    async fn send(self) -> Result<Receipt, PublishError> {
        let mut query = Query::default();
        if let Form::Event(event) = &self.publication.0 {
            event.describe(&mut query);
        }
        if self.ends_topic {
            query.flag("end");
        }
        let target = self.client.hub().target(&self.topic, &query)?;
        let key = self
            .key
            .map(|key| header_value(&key, "idempotency key"))
            .transpose()?;
        let ready = |content_type, bytes| (content_type, Payload::Ready(bytes));
        let (content_type, payload) = match self.publication.0 {
            Form::Nothing => ready(None, Bytes::new()),
            Form::Event(event) => ready(Some(TEXT.to_owned()), event.into_data()),
            Form::Body {
                content_type,
                bytes,
            } => ready(Some(content_type), bytes),
            Form::Stream {
                content_type,
                bytes,
            } => (Some(content_type), Payload::Streamed(bytes)),
        };
        let content_type = content_type
            .map(|it| header_value(&it, "content type"))
            .transpose()?;
        let post = Post {
            client: self.client,
            target,
            content_type,
            key,
        };
        match payload {
            Payload::Ready(bytes) => post.until_stored(bytes, self.policy).await,
            Payload::Streamed(bytes) => post.streamed(bytes).await,
        }
    }
}

impl IntoFuture for Publish {
    type Output = Result<Receipt, PublishError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// The body of a publication.
enum Payload {
    Ready(Bytes),
    Streamed(ByteStream),
}

/// The request of a publication, without its body.
struct Post {
    client: Client,
    target: Target,
    content_type: Option<HeaderValue>,
    key: Option<HeaderValue>,
}

/// Why one try failed.
enum Failure {
    Lost(Loss),
    Final(PublishError),
}

impl Post {
    /// Sends the same body until the hub answers for good, or the policy gives up.
    async fn until_stored(
        mut self,
        body: Bytes,
        mut policy: RetryPolicy,
    ) -> Result<Receipt, PublishError> {
        self.key = self.key.or_else(random_key);
        if self.key.is_none() {
            // Without a key a second try might store the event twice.
            policy.retries_max = Some(0);
        }
        let mut backoff = Backoff::new(policy);
        let mut attempts = Attempts::default();
        loop {
            attempts.next();
            let why = match self.once(&body, attempts).await {
                Ok(receipt) => return Ok(receipt),
                Err(Failure::Final(PublishError::Refused(problem)))
                    if attempts.may_refresh(self.client.credentials(), &problem) =>
                {
                    continue;
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Lost(why)) => why,
            };
            let Some(wait) = backoff.failed(Instant::now(), &why, dice()) else {
                return Err(lost(why));
            };
            sleep(wait).await;
        }
    }

    /// Sends a body once: over an idle connection, or over a new one if that turns out to be dead.
    async fn once(&self, body: &Bytes, attempts: Attempts) -> Result<Receipt, Failure> {
        let credentials = self.client.credentials().make(attempts).await;
        let credentials = credentials.map_err(Failure::Lost)?;
        loop {
            let mut connection = self
                .client
                .transport()
                .take(&self.target.origin)
                .await
                .map_err(Failure::Lost)?;
            let full = Full::new(body.clone()).map_err(|never| match never {});
            let request = self
                .request(RequestBody::new(full), &credentials)
                .map_err(Failure::Final)?;
            match timeout(ANSWER_MAX, connection.send(request)).await {
                Err(_) => return Err(Failure::Lost(Loss::Silent(ANSWER_MAX))),
                Ok(Err(_)) if connection.is_reused => {}
                Ok(Err(error)) => return Err(Failure::Lost(error.into())),
                Ok(Ok(response)) => return self.answered(response, connection).await,
            }
        }
    }

    /// Sends a body that is still being made, on a connection of its own.
    async fn streamed(self, body: ByteStream) -> Result<Receipt, PublishError> {
        let mut attempts = Attempts::default();
        attempts.next();
        let credentials = self.client.credentials().make(attempts).await;
        let credentials = credentials.map_err(lost)?;
        let mut connection = self
            .client
            .transport()
            .open(&self.target.origin)
            .await
            .map_err(lost)?;
        let content_type = self
            .content_type
            .as_ref()
            .and_then(|it| it.to_str().ok())
            .unwrap_or_default();
        let (body, is_done) = watched(content_type, body);
        let body = RequestBody::new(StreamBody::new(body.map_ok(Frame::data)));
        let request = self.request(body, &credentials)?;
        let response = {
            let mut response = pin!(connection.send(request));
            tokio::select! {
                early = &mut response => early,
                // An error says the same as a value: the body was dropped, because it is done.
                _ = is_done => match timeout(ANSWER_MAX, response).await {
                    Ok(response) => response,
                    Err(_) => return Err(lost(Loss::Silent(ANSWER_MAX))),
                },
            }
        };
        let response = response.map_err(|error| match Loss::from(error) {
            Loss::Broken(error) if error.is_user() => PublishError::Source(error),
            why => lost(why),
        })?;
        self.answered(response, connection)
            .await
            .map_err(|failure| match failure {
                Failure::Lost(why) => lost(why),
                Failure::Final(error) => error,
            })
    }

    fn request(
        &self,
        body: RequestBody,
        credentials: &HeaderMap,
    ) -> Result<Request<RequestBody>, PublishError> {
        let mut request = request(Method::POST, &self.target);
        for (name, value) in credentials {
            request = request.header(name, value);
        }
        if let Some(content_type) = &self.content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        request
            .body(body)
            .ok()
            .ok_or_else(|| AddressError::Malformed(self.target.path.clone()).into())
    }

    /// Reads the answer. The connection is kept for the next publication if it can be.
    async fn answered(
        &self,
        response: Response<Incoming>,
        connection: Connection,
    ) -> Result<Receipt, Failure> {
        let status = response.status();
        if status.is_redirection() {
            let location = field(response.headers(), header::LOCATION);
            return Err(Failure::Final(PublishError::Redirect(location)));
        }
        if !status.is_success() {
            let problem = read_problem(response).await;
            // What was stored in part must not be sent again as a whole without the hub's advice.
            return Err(if problem.is_temporary() {
                Failure::Lost(Loss::Refused(problem))
            } else {
                Failure::Final(PublishError::Refused(problem))
            });
        }
        let mut body = response.into_body();
        let answer = read_body(&mut body)
            .await
            .map_err(|error| Failure::Lost(error.into()))?;
        self.client.transport().give_back(connection);
        let receipt = serde_json::from_slice(&answer);
        receipt.map_err(|source| {
            let source = Arc::new(source);
            Failure::Final(PublishError::NoReceipt { status, source })
        })
    }
}

fn lost(why: Loss) -> PublishError {
    match why {
        Loss::Refused(problem) => PublishError::Refused(problem),
        why => PublishError::Lost(why),
    }
}

/// The innermost cause: what the source of a stream said.
fn root(error: &hyper::Error) -> &dyn std::error::Error {
    let mut error: &dyn std::error::Error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error
}

fn header_value(text: &str, what: &'static str) -> Result<HeaderValue, PublishError> {
    HeaderValue::from_str(text)
        .ok()
        .filter(|it| !it.is_empty())
        .ok_or(PublishError::Field(what))
}

/// A key that no other publication has: 128 random bits. `None` on a system without randomness.
fn random_key() -> Option<HeaderValue> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).ok()?;
    HeaderValue::from_str(&format!("{:032x}", u128::from_be_bytes(bits))).ok()
}
