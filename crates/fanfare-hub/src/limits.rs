//! Every bound of the hub: its name, its default, and why the default is this number.
//!
//! A channel, a loop or a buffer that is filled from outside is bounded by a field of [`Limits`].

mod bound;

use std::time::Duration;

pub use self::bound::{Bound, BoundError, Measure};

use self::bound::{Measured, declare};

declare! {
    "Events" {
        /// Bytes of an event's data, as published. 1 MiB: large JSON documents fit, and one event
        /// still passes through a socket in well under a heartbeat on a slow phone.
        event_bytes_max: usize = 1 << 20;
        /// Bytes of an encoded event. Each line of data costs up to 6 bytes more on the wire, so
        /// that a body of newlines grows sixfold for every subscriber; twice the data covers all
        /// real text.
        frame_bytes_max: usize = 2 << 20;
        /// Events in one atomic batch. A batch is appended under one lock (or one sync): 10,000
        /// events of ordinary size stay within the time of a single large event.
        batch_events_max: usize = 10_000;
        /// Bytes of a publish body that is stored as a whole. Batches share the bound, so it is a
        /// multiple of one event.
        body_bytes_max: usize = 8 << 20;
        /// Bytes of an idempotency key. UUIDs have 36; 255 is what other APIs accept.
        idempotency_key_bytes_max: usize = 255;
        /// Idempotency keys that are remembered; of a streamed body, each event counts as one. 105
        /// bytes each, however long the key is, and 160 once old ones left for new ones for long:
        /// 64 MB at the bound, as measured.
        idempotency_keys_max: usize = 400_000, at_restart;
        /// How long an idempotency key is remembered. Longer than any sane client retries.
        idempotency_window: Duration = Duration::from_secs(24 * 60 * 60), at_restart;
    }

    "Publishing" {
        /// Events in a second that one client address may publish without a token; 0 is no bound.
        /// None by default, since only the operator knows whether everybody may be a machine.
        address_events_per_s: u64 = 0;
        /// Events in a second that one subject may publish, by the `sub` of its tokens; 0 is no
        /// bound. None by default: one backend may rightly publish all there is, and the queue of
        /// the log bounds what all together may have waiting.
        subject_events_per_s: u64 = 0;
        /// Bytes of publish bodies that are being taken in at once, over all connections. 32 of the
        /// largest bodies, or thousands of usual ones; more are asked to come again.
        bodies_bytes_max: usize = 256 << 20;
    }

    "Topics and subscriptions" {
        /// Topics that exist at once. About 550 bytes each when quiet: 550 MB at the bound.
        topics_max: usize = 1_000_000, at_restart;
        /// Topics and patterns of one subscription. A page follows dozens; each costs an index
        /// entry.
        selectors_max: usize = 256;
        /// Patterns of one subscription. Each may have to be held against the name of every topic
        /// when a subscription starts: 32 times a million names is a quarter of a second.
        patterns_max: usize = 32;
        /// Subscribers at once. The hub needs some 25 KB for one behind HTTP; this is 1.2 GB.
        subscribers_max: usize = 50_000;
        /// Events that `history=N` or a page of history may ask for. More is read by resuming.
        history_events_max: u64 = 100_000;
    }

    "Delivery" {
        /// Bytes handed to one subscriber in one turn, so that a long replay starves nobody: one
        /// turn is a few socket buffers' worth. A single larger event still goes out whole. Plain
        /// HTTP/1.1 doubles it twice for who takes all at once, and may hold as much again, read
        /// ahead.
        turn_bytes_max: usize = 64 << 10;
        /// Events handed to one subscriber in one turn; bounds the turn for tiny events, and is
        /// doubled with it.
        turn_events_max: usize = 1_024;
        /// Bytes of events in JSON that are kept for the next subscriber who wants them so. Live
        /// subscribers read the same few; this is several seconds of a busy hub. Counted apart from
        /// history, since JSON may be six times as long as the event.
        envelope_bytes_max: usize = 16 << 20, at_restart;
        /// Silence after which a heartbeat is sent, spread by 20 % so that subscribers do not beat
        /// together. 15 s is the HTML specification's advice and below every proxy's idle limit.
        heartbeat: Duration = Duration::from_secs(15), at_restart;
        /// Base of the `retry:` that subscribers are told, before jitter. Engines default to 3-5 s
        /// without jitter; 2 s comes back sooner and the jitter spreads the herd.
        retry: Duration = Duration::from_secs(2);
        /// How long a peer may leave sent bytes unacknowledged. A heartbeat goes out after at most
        /// 18 s, so that half-open peers are found within 53 s; the promise is 60 s.
        peer_silence_max: Duration = Duration::from_secs(35), at_restart;
    }

    "Connections" {
        /// Connections at once. Above it new ones are closed before a byte is read.
        connections_max: usize = 50_000;
        /// Connections of one client address at once (of IPv6, of one /64), and behind a trusted
        /// proxy its event streams. An office behind one address has some hundred people with a few
        /// pages each. The machine's own addresses are not counted: whoever is there can do worse.
        address_connections_max: usize = 1_000;
        /// Event streams of one subject at once, by the `sub` of their tokens. A person has a few
        /// devices with some pages each; what serves many people has tokens without a subject.
        subject_streams_max: usize = 1_000;
        /// Time for a TLS handshake. A phone on a bad network needs 3 s.
        handshake_deadline: Duration = Duration::from_secs(10);
        /// Time from connecting (or from the previous response) to a whole request head.
        head_deadline: Duration = Duration::from_secs(10), at_restart;
        /// Bytes of a request head. Browsers send up to 8 KiB with large cookies. hyper looks at
        /// the bound between two reads, so that an HTTP/1 head may pass with less than twice as
        /// much.
        head_bytes_max: usize = 32 << 10;
        /// Header fields of a request. Browsers send about 20. In HTTP/2 a field may take one byte
        /// on the wire and a hundred here.
        header_fields_max: usize = 100;
        /// Longest wait for the next piece of a publish body. A piped live stream may be quiet for
        /// long, and sends comments or nothing: five minutes.
        body_silence_max: Duration = Duration::from_secs(300);
        /// Time for a body that is stored as a whole.
        body_deadline: Duration = Duration::from_secs(60);
        /// HTTP/2 streams of one connection: a browser profile may hold 100 streams and one proxy
        /// more.
        h2_streams_max: u32 = 250;
        /// Bytes that one HTTP/2 stream may have waiting in the hub, and what it is handed in one
        /// turn: a frame of DATA as long as every peer takes it (RFC 9113 4.2). Who stops reading
        /// in the middle holds one turn that is half sent, one that waits, and one that was begun
        /// when there was room for a byte of it.
        h2_send_buffer_bytes_max: usize = 16 << 10;
        /// Time that streams get to end when the hub stops. Below the 10 s of container runtimes.
        drain_deadline: Duration = Duration::from_secs(8);
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
/// Clients whose rate is known at once, among those whose rate is bounded; 2 MB at the bound. A
/// client is forgotten a second after what it took was worth its time.
pub const RATED_MAX: usize = 65_536;
/// Bytes of a token. Those with a hundred patterns have 4 KiB, and proxies bound a header at 8.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Topics and patterns of a token, for each of publishing and subscribing: every request is held
/// against all of them. As many as one subscription may have.
pub const TOKEN_SELECTORS_MAX: usize = 256;
/// How far ahead of the hub's the clock of a token's issuer may be. Machines that keep time differ
/// by less; there is no such grace for the end of a token.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);
/// Keys of one JWK set. Issuers have two or three, and twice that while they change them; a token
/// that names none is held against all.
pub const JWKS_KEYS_MAX: usize = 100;
/// Revocations that are remembered: 5 MB at the bound. Who has more to take back changes the key.
pub const REVOCATIONS_MAX: usize = 10_000;
/// Bytes of a token's id or of a subject that can be revoked. Both are names, not documents.
pub const REVOKED_NAME_BYTES_MAX: usize = 512;
