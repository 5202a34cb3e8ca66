//! A cursor as a response body: the delivery driver on top of hyper.
//!
//! The body holds no events. It asks its cursor for what lies after it whenever the connection can
//! take more, so that a slow reader costs a position and what the socket buffers.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fanfare_auth::Lapse;
use fanfare_hub::{Cursor, EventId, Gap, Lease, Limits, ReadBudget, Slice, Step};
use fanfare_sse::Block;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::app::App;
use crate::clock;
use crate::envelope::{self, GAP_TYPE, LAPSE_TYPE};
use crate::metrics::OpenStream;
use crate::negotiate::Form;
use crate::quota::Slots;

/// How often a lease is looked at. The promise is that a stream ends within 5 s of a revocation.
const LEASE_LOOK_MAX: Duration = Duration::from_secs(4);

/// An event stream on its way to one subscriber.
pub struct EventBody {
    app: App,
    cursor: Cursor,
    form: Form,
    state: State,
    /// What one turn may hand out, if that is less than what the hub's limits say.
    turn_bytes_max: usize,
    /// When something was last sent.
    sent: Instant,
    /// Fires when the stream may have been silent for too long.
    heartbeat: Pin<Box<Sleep>>,
    drain: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Fires when it is time to look whether the subscriber's credential is worth something yet.
    lease: Option<(Lease, Pin<Box<Sleep>>)>,
    /// Fires when the stream is as old as its embedder lets it become.
    age: Option<Pin<Box<Sleep>>>,
    /// Counts the stream as open.
    _open: OpenStream,
    /// Counts it among those of its client.
    slots: Option<Box<Slots>>,
    /// Runs when the subscriber is gone.
    on_close: Option<Box<dyn FnOnce() + Send>>,
}

/// ```text
/// Opening -> Following -> Over
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was sent yet.
    Opening,
    /// The cursor decides.
    Following,
    /// The last byte was handed out.
    Over,
}

impl EventBody {
    pub(crate) fn new(app: App, cursor: Cursor, form: Form) -> Self {
        let heartbeat = tokio::time::sleep(spread(app.hub().limits().heartbeat));
        Self {
            cursor,
            form,
            state: State::Opening,
            turn_bytes_max: usize::MAX,
            sent: Instant::now(),
            heartbeat: Box::pin(heartbeat),
            drain: Box::pin(app.drain_token().clone().cancelled_owned()),
            _open: app.metrics().open_stream(form.media_type()),
            slots: None,
            on_close: None,
            age: None,
            lease: None,
            app,
        }
    }

    /// Has `hook` run when the subscriber is gone, for whatever reason.
    #[must_use]
    pub fn on_close(mut self, hook: impl FnOnce() + Send + 'static) -> Self {
        self.on_close = Some(Box::new(hook));
        self
    }

    /// Ends the stream when the credential that opened it is worth nothing any more.
    #[must_use]
    pub(crate) fn ends_with(mut self, lease: Option<Lease>) -> Self {
        self.lease = lease.map(|lease| {
            let look = tokio::time::sleep(until_look(&lease));
            (lease, Box::pin(look))
        });
        self
    }

    /// Counts the stream among those of its client for as long as it lives.
    #[must_use]
    pub(crate) fn holds(mut self, slots: Option<Box<Slots>>) -> Self {
        self.slots = slots;
        self
    }

    /// Why the stream has to end now, if it has to.
    fn poll_lapse(&mut self, cx: &mut Context<'_>) -> Poll<Lapse> {
        let Some((lease, look)) = &mut self.lease else {
            return Poll::Pending;
        };
        while look.as_mut().poll(cx).is_ready() {
            if let Some(lapse) = self.app.auth().lapse(lease, clock::now()) {
                return Poll::Ready(lapse);
            }
            look.as_mut().reset(Instant::now() + until_look(lease));
        }
        Poll::Pending
    }

    /// Hands out at most so many bytes at once.
    #[must_use]
    pub(crate) fn in_turns_of(mut self, bytes: usize) -> Self {
        self.turn_bytes_max = bytes;
        self
    }

    /// Ends the stream at the tail once it is so old.
    #[must_use]
    pub(crate) fn closes_after(mut self, age: Duration) -> Self {
        self.age = Some(Box::pin(tokio::time::sleep(age)));
        self
    }

    /// Where the stream stands.
    #[must_use]
    pub fn position(&self) -> EventId {
        self.cursor.position()
    }

    /// The next piece to send; `None` after the last one.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.state == State::Opening {
            self.state = State::Following;
            return self.sent(self.opening());
        }
        if self.state == State::Over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(lapse) = self.poll_lapse(cx) {
            self.state = State::Over;
            return Poll::Ready(Some(match self.form {
                Form::Sse => sse_lapse(lapse),
                _ => envelope::lapse_line(self.cursor.position(), lapse, clock::now()),
            }));
        }
        let limits = self.app.hub().limits();
        let budget = ReadBudget {
            bytes: limits.turn_bytes_max.min(self.turn_bytes_max),
            events: limits.turn_events_max,
        };
        let mut is_draining = false;
        loop {
            match self.cursor.poll_step(cx, budget) {
                Poll::Ready(Step::Events(slice)) => return self.sent(self.events(&slice)),
                Poll::Ready(Step::Gap(gap)) => return self.sent(self.gap(&gap)),
                Poll::Ready(Step::Over) => {
                    self.state = State::Over;
                    return Poll::Ready(None);
                }
                Poll::Pending => {}
            }
            if is_draining {
                self.state = State::Over;
                return Poll::Ready(self.farewell());
            }
            // What is acknowledged before the drain is visible before it, but maybe not yet before
            // the look above: another one finds it.
            is_draining = self.drain.as_mut().poll(cx).is_ready();
            if !is_draining {
                break;
            }
        }
        if self
            .age
            .as_mut()
            .is_some_and(|age| age.as_mut().poll(cx).is_ready())
        {
            self.state = State::Over;
            return Poll::Ready(None);
        }
        self.poll_heartbeat(cx)
    }

    fn sent(&mut self, piece: Bytes) -> Poll<Option<Bytes>> {
        self.sent = Instant::now();
        Poll::Ready(Some(piece))
    }

    /// What is said first.
    fn opening(&self) -> Bytes {
        let gap = self.cursor.opening_gap();
        let position = self.cursor.position();
        match self.form {
            Form::Sse => sse_opening(&self.app.hub().limits(), &self.cursor),
            // The gap is the opening then.
            _ if gap.is_some() => Bytes::from_static(b"\n"),
            _ => envelope::open_line(position, clock::now()),
        }
    }

    fn events(&self, slice: &Slice) -> Bytes {
        let piece = match self.form {
            Form::Sse => join(slice.events.pieces()),
            _ => {
                let events = slice.events.iter();
                let lines: Vec<_> = events.map(|event| self.app.envelope(event)).collect();
                join(lines.iter())
            }
        };
        self.app
            .metrics()
            .delivered(slice.events.len() as u64, piece.len() as u64);
        piece
    }

    fn gap(&self, gap: &Gap) -> Bytes {
        self.app.metrics().gap(gap.reason);
        match self.form {
            Form::Sse => sse_gap(gap),
            _ => envelope::gap_line(gap, clock::now()),
        }
    }

    /// The last block, if the form has one.
    fn farewell(&self) -> Option<Bytes> {
        (self.form == Form::Sse).then(|| sse_farewell(&self.app.hub().limits()))
    }

    fn poll_heartbeat(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let interval = self.app.hub().limits().heartbeat;
        while self.heartbeat.as_mut().poll(cx).is_ready() {
            // The timer is not set anew for each event; it looks when it fires.
            let is_due = self.sent.elapsed() >= interval.mul_f64(SPREAD_MIN);
            let next = if is_due { Instant::now() } else { self.sent };
            self.heartbeat.as_mut().reset(next + spread(interval));
            if is_due {
                let beat: &[u8] = if self.form == Form::Sse {
                    b":\n"
                } else {
                    b"\n"
                };
                return self.sent(Bytes::from_static(beat));
            }
        }
        Poll::Pending
    }
}

impl Drop for EventBody {
    fn drop(&mut self) {
        if let Some(hook) = self.on_close.take() {
            hook();
        }
    }
}

/// The first block: the reconnection time and, unless a gap follows and carries it, the starting
/// position, so that a client which has seen no event yet can still resume.
pub(crate) fn sse_opening(limits: &Limits, cursor: &Cursor) -> Bytes {
    let retry = millis(limits.retry);
    let id = cursor.opening_gap().is_none();
    let id = id.then(|| cursor.position().to_string());
    block(&Block {
        retry: Some(retry + fastrand::u64(0..=retry / 2)),
        id: id.as_deref(),
        ..Block::default()
    })
}

/// The block that tells a gap, and where the stream goes on.
pub(crate) fn sse_gap(gap: &Gap) -> Bytes {
    block(&Block {
        id: Some(&gap.resumes_after.to_string()),
        event: Some(GAP_TYPE),
        data: Some(&envelope::gap_json(gap).to_string()),
        ..Block::default()
    })
}

/// The last block of a stream whose credential is worth nothing any more. It has no id: the client
/// comes back, with another credential, to where it was.
pub(crate) fn sse_lapse(lapse: Lapse) -> Bytes {
    block(&Block {
        event: Some(LAPSE_TYPE),
        data: Some(&envelope::lapse_json(lapse).to_string()),
        ..Block::default()
    })
}

/// How long until a lease is looked at again: when it runs out, and in between, for it may be
/// revoked and the clock may be set.
pub(crate) fn until_look(lease: &Lease) -> Duration {
    let left = lease.expires.0.saturating_sub(clock::now().0);
    Duration::from_millis(left).min(LEASE_LOOK_MAX)
}

/// The last block of a stream that the hub ends: when to come back, spread wider than at the
/// opening because everybody is sent away at the same moment.
pub(crate) fn sse_farewell(limits: &Limits) -> Bytes {
    let retry = millis(limits.retry);
    block(&Block {
        retry: Some(retry + fastrand::u64(0..=2 * retry)),
        ..Block::default()
    })
}

/// Several pieces as one. A single one is shared, not copied.
fn join<'a>(mut pieces: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let len = pieces.clone().map(Bytes::len).sum();
    match (pieces.next(), pieces.next()) {
        (Some(only), None) => only.clone(),
        (first, second) => {
            let mut joined = BytesMut::with_capacity(len);
            let all = first.into_iter().chain(second).chain(pieces);
            all.for_each(|piece| joined.extend_from_slice(piece));
            joined.freeze()
        }
    }
}

/// A block of the hub's own, whose fields are ids, numbers and JSON: nothing the encoder refuses.
fn block(block: &Block<'_>) -> Bytes {
    let mut bytes = Vec::new();
    let encoded = fanfare_sse::encode(block, &mut bytes);
    debug_assert!(encoded.is_ok());
    bytes.into()
}

/// How much of an interval remains when it is spread the most.
const SPREAD_MIN: f64 = 0.8;

/// The interval, up to 20 % shorter or longer.
pub(crate) fn spread(interval: Duration) -> Duration {
    interval.mul_f64(SPREAD_MIN + 2.0 * (1.0 - SPREAD_MIN) * fastrand::f64())
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 4)
}
