//! How much memory a hub may take at most, by its limits: what GUARANTEES.md promises (G9).

use fanfare_hub::Limits;

/// What the program itself takes, its threads and its allocator's spare pages included. Measured:
/// 22 MiB at the start, 60 MiB after hours of load.
const PROGRAM_BYTES: u64 = 64 << 20;
/// A topic that is quiet, as measured.
const TOPIC_BYTES: u64 = 550;
/// A remembered key once old ones have left for new ones for long, as measured.
const IDEMPOTENCY_KEY_BYTES: u64 = 160;
/// A connection of hyper's, with TLS and HTTP/2, as measured; less without.
const CONNECTION_BYTES: u64 = 25 << 10;
/// How often a turn doubles for who takes all at once.
const TURN_TIMES: u64 = 4;
/// Turns that a subscriber over HTTP/2 holds when it stops reading.
const H2_TURNS: u64 = 3;
/// What the log keeps in memory: 256 MiB that may wait for the disk, 32 of the youngest events, 32
/// of older ones that are being read, and the indexes of a log of 10 GiB.
const LOG_BYTES: u64 = 512 << 20;

/// A part of the memory that a hub may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Of what.
    pub name: &'static str,
    /// How many of it there may be.
    pub number: u64,
    /// Bytes of each, at most.
    pub bytes_each: u64,
    /// Why so many.
    pub reason: &'static str,
}

impl Share {
    /// Bytes of all, at most.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.number.saturating_mul(self.bytes_each)
    }
}

/// What a hub with these limits may take at most, part by part. `history_bytes` is what a hub in
/// memory keeps of events; one with a folder keeps them there.
#[must_use]
pub fn shares(limits: &Limits, history_bytes: Option<u64>) -> Vec<Share> {
    let bytes = |bytes: usize| bytes as u64;
    let turn = TURN_TIMES * bytes(limits.turn_bytes_max);
    let h2_turns = H2_TURNS * bytes(limits.h2_send_buffer_bytes_max);
    let all = [
        ("program", 1, PROGRAM_BYTES, "code, threads, spare pages"),
        (
            "topics",
            bytes(limits.topics_max),
            TOPIC_BYTES,
            "topics_max; a quiet one",
        ),
        (
            "idempotency keys",
            bytes(limits.idempotency_keys_max),
            IDEMPOTENCY_KEY_BYTES,
            "idempotency_keys_max",
        ),
        (
            "events in memory",
            1,
            history_bytes.unwrap_or(LOG_BYTES),
            match history_bytes {
                Some(_) => "history-bytes; they are kept nowhere else",
                None => "the log's queue, caches and indexes; the rest is in its folder",
            },
        ),
        (
            "events as JSON",
            1,
            bytes(limits.envelope_bytes_max),
            "envelope_bytes_max",
        ),
        (
            "publish bodies",
            1,
            bytes(limits.bodies_bytes_max),
            "bodies_bytes_max",
        ),
        (
            "connections",
            bytes(limits.connections_max),
            CONNECTION_BYTES + 2 * bytes(limits.head_bytes_max),
            "connections_max; one behind TLS with a request head that is as long as it may be",
        ),
        (
            "stalled subscribers",
            bytes(limits.subscribers_max),
            turn.max(h2_turns),
            "subscribers_max; one that stopped reading in the middle of history; one that reads takes 128 bytes",
        ),
    ];
    let share = |(name, number, bytes_each, reason)| Share {
        name,
        number,
        bytes_each,
        reason,
    };
    all.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_what_a_stalled_subscriber_may_hold_is_in_the_sum() {
        let stalled = |limits: &Limits| {
            let shares = shares(limits, None);
            let of = |share: &&Share| share.name == "stalled subscribers";
            shares.iter().find(of).map(|share| share.bytes_each)
        };
        let mut limits = Limits::default();
        assert_eq!(stalled(&limits), Some(256 << 10));
        limits.h2_send_buffer_bytes_max = 100 << 10;
        assert_eq!(stalled(&limits), Some(300 << 10));
    }

    #[test]
    fn every_limit_that_costs_memory_is_in_the_sum() {
        let total = |limits: &Limits| {
            let shares = shares(limits, None);
            shares.iter().map(Share::bytes).sum::<u64>()
        };
        let before = total(&Limits::default());
        let double: [fn(&mut Limits); 8] = [
            |it| it.topics_max *= 2,
            |it| it.idempotency_keys_max *= 2,
            |it| it.envelope_bytes_max *= 2,
            |it| it.bodies_bytes_max *= 2,
            |it| it.connections_max *= 2,
            |it| it.head_bytes_max *= 2,
            |it| it.subscribers_max *= 2,
            |it| it.turn_bytes_max *= 2,
        ];
        for change in double {
            let mut limits = Limits::default();
            change(&mut limits);
            assert!(total(&limits) > before);
        }
    }
}
