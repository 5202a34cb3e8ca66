//! One attempt to open a stream: the request, its redirects, and what the answer means.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::address::Target;
use crate::client::Client;
use crate::credentials::Attempts;
use crate::form::Reader;
use crate::loss::Loss;
use crate::problem::field;
use crate::subscribe::SubscribeError;
use crate::transport::{Connection, RequestBody, read_problem, request};

/// Redirects that are followed, as many as curl and browsers roughly need in practice.
const REDIRECTS_MAX: usize = 5;

/// Milliseconds after which a hub breaks its own silence (PROTOCOL.md 4.2).
const HEARTBEAT: HeaderName = HeaderName::from_static("fanfare-heartbeat");

/// What one attempt asks for.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) client: Client,
    /// The original target: every attempt starts there, whatever redirected the last one.
    pub(crate) target: Target,
    pub(crate) accept: &'static str,
    pub(crate) method: Method,
    /// What is sent with each attempt.
    pub(crate) body: Bytes,
    pub(crate) has_comments: bool,
    /// Where to resume; empty to start as the target says.
    pub(crate) last_event_id: String,
    pub(crate) event_bytes_max: usize,
    pub(crate) attempts: Attempts,
    /// Whether every refusal is final, as the standard has it.
    pub(crate) is_strict: bool,
}

/// What an attempt came to.
pub(crate) enum Answer {
    Stream(Box<OpenStream>),
    /// 204: the topics ended, and nothing lies after the position.
    NothingMore,
}

/// Why an attempt failed.
pub(crate) enum Failure {
    Lost(Loss),
    Final(SubscribeError),
}

/// A stream whose head was read.
pub(crate) struct OpenStream {
    pub(crate) body: Incoming,
    pub(crate) reader: Reader,
    /// The longest silence that the hub keeps, when it says so.
    pub(crate) heartbeat: Option<Duration>,
    /// Received and not yet decoded.
    pub(crate) rest: Bytes,
    /// Dropping it closes the socket.
    _connection: Connection,
}

impl From<Loss> for Failure {
    fn from(why: Loss) -> Self {
        Self::Lost(why)
    }
}

impl Attempt {
    /// Asks, following redirects. Credentials stay with the origin that they were made for.
    pub(crate) async fn run(self) -> Result<Answer, Failure> {
        let mut target = self.target.clone();
        let credentials = self.client.credentials().make(self.attempts).await?;
        for _ in 0..=REDIRECTS_MAX {
            let mut connection = self.client.transport().open(&target.origin).await?;
            let response = connection
                .send(self.request(&target, &credentials)?)
                .await
                .map_err(Loss::from)?;
            match response.status() {
                StatusCode::OK => return self.stream(&target, response, connection),
                StatusCode::NO_CONTENT => return Ok(Answer::NothingMore),
                status if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) => {
                    target = redirected(&target, &response)?;
                }
                _ => return Err(self.refused(response).await),
            }
        }
        Err(Failure::Final(SubscribeError::Redirect(format!(
            "{}{}",
            target.origin, target.path
        ))))
    }

    fn request(
        &self,
        target: &Target,
        credentials: &HeaderMap,
    ) -> Result<Request<RequestBody>, Failure> {
        let mut request = request(self.method.clone(), target);
        if target.origin == self.target.origin {
            for (name, value) in credentials {
                request = request.header(name, value);
            }
        }
        request = request
            .header(header::ACCEPT, self.accept)
            .header(header::CACHE_CONTROL, "no-cache");
        // An id may be any UTF-8, which a field carries as it is; one that no field can carry is
        // left out, and the hub then starts as if there were none.
        if let Ok(id) = HeaderValue::from_bytes(self.last_event_id.as_bytes())
            && !id.is_empty()
        {
            request = request.header("last-event-id", id);
        }
        let body = Full::new(self.body.clone());
        let body = RequestBody::new(body.map_err(|never| match never {}));
        let unreachable = |_| SubscribeError::Redirect(target.path.clone());
        request
            .body(body)
            .map_err(unreachable)
            .map_err(Failure::Final)
    }

    async fn refused(&self, response: Response<Incoming>) -> Failure {
        let problem = read_problem(response).await;
        if problem.is_temporary() && !self.is_strict {
            Failure::Lost(Loss::Refused(problem))
        } else {
            Failure::Final(SubscribeError::Refused(problem))
        }
    }

    fn stream(
        &self,
        target: &Target,
        response: Response<Incoming>,
        connection: Connection,
    ) -> Result<Answer, Failure> {
        let content_type = field(response.headers(), header::CONTENT_TYPE);
        let (id, bytes_max) = (&self.last_event_id, self.event_bytes_max);
        let reader = Reader::for_stream(&content_type, id, bytes_max, self.has_comments);
        let Some(reader) = reader else {
            let address = format!("{}{}", target.origin, target.path);
            return Err(Failure::Final(SubscribeError::NoStream {
                address,
                content_type,
            }));
        };
        let heartbeat = field(response.headers(), HEARTBEAT).parse().ok();
        let heartbeat = heartbeat.filter(|millis| *millis > 0);
        let body = response.into_body();
        let stream = OpenStream {
            body,
            reader,
            heartbeat: heartbeat.map(Duration::from_millis),
            rest: Bytes::new(),
            _connection: connection,
        };
        Ok(Answer::Stream(Box::new(stream)))
    }
}

fn redirected(from: &Target, response: &Response<Incoming>) -> Result<Target, Failure> {
    let location = field(response.headers(), header::LOCATION);
    let target = from.redirected(&location).filter(|_| !location.is_empty());
    target.ok_or(Failure::Final(SubscribeError::Redirect(location)))
}
