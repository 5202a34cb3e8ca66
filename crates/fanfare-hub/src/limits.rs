//! Every bound of the hub: its name, its default, and why the default is this number.
//!
//! A channel, a loop or a buffer that is filled from outside is bounded by a field of [`Limits`].

use std::time::Duration;

/// Every bound of the hub. What is not bounded here does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    // Events.
    /// Bytes of an event's data, as published. 1 MiB: large JSON documents fit, and one event still
    /// passes through a socket in well under a heartbeat on a slow phone.
    pub event_bytes_max: usize,
    /// Bytes of an encoded event. Each line of data costs up to 6 bytes more on the wire, so that a
    /// body of newlines grows sixfold for every subscriber; twice the data covers all real text.
    pub frame_bytes_max: usize,
    /// Events in one atomic batch. A batch is appended under one lock (or one sync): 10,000 events
    /// of ordinary size stay within the time of a single large event.
    pub batch_events_max: usize,
    /// Bytes of a publish body that is stored as a whole. Batches share the bound, so it is a
    /// multiple of one event.
    pub body_bytes_max: usize,
    /// Bytes of an idempotency key. UUIDs have 36; 255 is what other APIs accept.
    pub idempotency_key_bytes_max: usize,
    /// Idempotency keys that are remembered; of a streamed body, each event counts as one. 105
    /// bytes each, however long the key is, and 160 once old ones left for new ones for long: 64 MB
    /// at the bound, as measured.
    pub idempotency_keys_max: usize,
    /// How long an idempotency key is remembered. Longer than any sane client retries.
    pub idempotency_window: Duration,

    // Topics and subscriptions.
    /// Topics that exist at once. About 550 bytes each when quiet: 550 MB at the bound.
    pub topics_max: usize,
    /// Topics and patterns of one subscription. A page follows dozens; each costs an index entry.
    pub selectors_max: usize,
    /// Patterns of one subscription. Each may have to be held against the name of every topic when
    /// a subscription starts: 32 times a million names is a quarter of a second.
    pub patterns_max: usize,
    /// Subscribers at once. The hub needs some 25 KB for one behind HTTP; this is 1.2 GB.
    pub subscribers_max: usize,
    /// Events that `history=N` or a page of history may ask for. More is read by resuming.
    pub history_events_max: u64,

    // Delivery.
    /// Bytes handed to one subscriber in one turn, so that a long replay starves nobody: one turn
    /// is a few socket buffers' worth. A single larger event still goes out whole. Plain HTTP/1.1
    /// doubles it twice for who takes all at once, and may hold as much again, read ahead.
    pub turn_bytes_max: usize,
    /// Events handed to one subscriber in one turn; bounds the turn for tiny events, and is doubled
    /// with it.
    pub turn_events_max: usize,
    /// Bytes of events in JSON that are kept for the next subscriber who wants them so. Live
    /// subscribers read the same few; this is several seconds of a busy hub. Counted apart from
    /// history, since JSON may be six times as long as the event.
    pub envelope_bytes_max: usize,
    /// Silence after which a heartbeat is sent, spread by 20 % so that subscribers do not beat
    /// together. 15 s is the HTML specification's advice and below every proxy's idle limit.
    pub heartbeat: Duration,
    /// Base of the `retry:` that subscribers are told, before jitter. Engines default to 3-5 s
    /// without jitter; 2 s comes back sooner and the jitter spreads the herd.
    pub retry: Duration,
    /// How long a peer may leave sent bytes unacknowledged. A heartbeat goes out after at most 18
    /// s, so that half-open peers are found within 53 s; the promise is 60 s.
    pub peer_silence_max: Duration,

    // Connections.
    /// Connections at once. Above it new ones are closed before a byte is read.
    pub connections_max: usize,
    /// Time for a TLS handshake. A phone on a bad network needs 3 s.
    pub handshake_deadline: Duration,
    /// Time from connecting (or from the previous response) to a whole request head.
    pub head_deadline: Duration,
    /// Bytes of a request head. Browsers send up to 8 KiB with large cookies. hyper looks at the
    /// bound between two reads, so that an HTTP/1 head may pass with less than twice as much.
    pub head_bytes_max: usize,
    /// Header fields of an HTTP/1 request. Browsers send about 20. Those of HTTP/2 are bounded by
    /// the bytes of the head, in which each counts 32 more than it has (RFC 9113 6.5.2).
    pub header_fields_max: usize,
    /// Longest wait for the next piece of a publish body. A piped live stream may be quiet for
    /// long, and sends comments or nothing: five minutes.
    pub body_silence_max: Duration,
    /// Time for a body that is stored as a whole.
    pub body_deadline: Duration,
    /// HTTP/2 streams of one connection: a browser profile may hold 100 streams and one proxy more.
    pub h2_streams_max: u32,
    /// Bytes that one HTTP/2 stream may have waiting in the hub.
    pub h2_send_buffer_bytes_max: usize,
    /// Time that streams get to end when the hub stops. Below the 10 s of container runtimes.
    pub drain_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes_max: 1 << 20,
            frame_bytes_max: 2 << 20,
            batch_events_max: 10_000,
            body_bytes_max: 8 << 20,
            idempotency_key_bytes_max: 255,
            idempotency_keys_max: 400_000,
            idempotency_window: Duration::from_secs(24 * 60 * 60),
            topics_max: 1_000_000,
            selectors_max: 256,
            patterns_max: 32,
            subscribers_max: 50_000,
            history_events_max: 100_000,
            turn_bytes_max: 64 << 10,
            turn_events_max: 1_024,
            envelope_bytes_max: 16 << 20,
            heartbeat: Duration::from_secs(15),
            retry: Duration::from_secs(2),
            peer_silence_max: Duration::from_secs(35),
            connections_max: 50_000,
            handshake_deadline: Duration::from_secs(10),
            head_deadline: Duration::from_secs(10),
            head_bytes_max: 32 << 10,
            header_fields_max: 100,
            body_silence_max: Duration::from_secs(300),
            body_deadline: Duration::from_secs(60),
            h2_streams_max: 250,
            h2_send_buffer_bytes_max: 64 << 10,
            drain_deadline: Duration::from_secs(8),
        }
    }
}

// The same for every hub, whatever the operator sets.
/// Bytes that are still read of a body that was refused, so that a client which sends all before it
/// looks for an answer gets one. As much as one event: honest mistakes are not larger.
pub const REFUSED_BODY_BYTES_MAX: usize = 1 << 20;
/// How long that may take. A client that sends nothing is waiting for the answer already.
pub const REFUSED_BODY_WAIT: Duration = Duration::from_millis(500);
/// Bytes of a topic name. Fixed, not configurable: names are part of the contract (PROTOCOL.md 2).
pub const TOPIC_BYTES_MAX: usize = 512;
/// Bytes of an event type. Types are short identifiers; they are repeated in every frame.
pub const EVENT_TYPE_BYTES_MAX: usize = 256;
/// Bytes of an event id that a client may send back. Ours have at most 27; ids of other hubs
/// (UUIDs, URNs) fit into 64, and so does what an HTTP header carries unharmed.
pub const EVENT_ID_BYTES_MAX: usize = 64;
/// Matching topics up to which a pattern is read by merging the topics; with more, reading the log
/// forward is cheaper than keeping so many places at once.
pub const MERGE_TOPICS_MAX: usize = 256;
/// Events looked at in one turn of a forward read, shared among the patterns that each is compared
/// to. At 20 ns each a turn stays near 0.1 ms.
pub const SCAN_EVENTS_MAX: usize = 4_096;
/// Events looked at in such a turn at least, so that turns are not mostly overhead.
pub const SCAN_EVENTS_MIN: usize = 64;
/// Drops that are remembered each by itself, so that a cursor less far behind than this is told of
/// a gap exactly when it lost something. 40 bytes each.
pub const DROPS_REMEMBERED_MAX: usize = 4_096;
/// How much earlier than the newest event a publisher may have looked at the clock. Longer than any
/// wait for the log's lock, shorter than any step of a clock that is worth keeping.
pub const CLOCK_DISORDER_MAX: Duration = Duration::from_secs(1);
/// Bytes of a token. Those with a hundred patterns have 4 KiB, and proxies bound a header at 8.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Topics and patterns of a token, for each of publishing and subscribing: every request is held
/// against all of them. As many as one subscription may have.
pub const TOKEN_SELECTORS_MAX: usize = 256;
/// How far ahead of the hub's the clock of a token's issuer may be. Machines that keep time differ
/// by less; there is no such grace for the end of a token.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);
/// Revocations that are remembered: 5 MB at the bound. Who has more to take back changes the key.
pub const REVOCATIONS_MAX: usize = 10_000;
/// Bytes of a token's id or of a subject that can be revoked. Both are names, not documents.
pub const REVOKED_NAME_BYTES_MAX: usize = 512;
