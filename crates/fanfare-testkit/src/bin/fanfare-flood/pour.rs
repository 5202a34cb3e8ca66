//! Sending without end and listening at the same time, on one connection or on one after the other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::door::{Door, Protocol};
use crate::heard::Heard;

/// How long a hub that said GOAWAY may take to close.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is sent on one connection: an opening, and then pieces until there are no more.
pub(crate) trait Source {
    fn opening(&mut self) -> Vec<u8>;

    /// The next piece; `None` at the end, after which the connection is kept open.
    fn piece(&mut self) -> Option<Vec<u8>>;
}

/// What came of one connection.
#[derive(Default)]
pub(crate) struct Poured {
    pub(crate) heard: Heard,
    /// Bytes that the connection took.
    pub(crate) bytes: u64,
    /// Pieces that it took.
    pub(crate) pieces: u64,
}

/// Pours until the hub has had enough, or until the deadline.
pub(crate) async fn pour(door: &Door, source: &mut impl Source, deadline: Instant) -> Poured {
    let mut poured = Poured::default();
    let began = Instant::now();
    let Ok(wire) = door.enter(Protocol::Http2).await else {
        return poured;
    };
    let (mut from, mut to) = tokio::io::split(wire);
    let Poured {
        heard,
        bytes,
        pieces,
    } = &mut poured;
    let listening = async {
        let mut buf = vec![0; 64 << 10];
        loop {
            // Whoever said GOAWAY may still let streams end; nothing is waited for beyond that.
            let patience = match heard.goaway {
                Some(_) => FAREWELL,
                None => deadline.saturating_duration_since(Instant::now()),
            };
            match timeout(patience, from.read(&mut buf)).await {
                Err(_elapsed) => return,
                Ok(Ok(0) | Err(_)) => {
                    heard.closed = Some(began.elapsed());
                    return;
                }
                Ok(Ok(len)) => heard.feed(&buf[..len], began.elapsed()),
            }
        }
    };
    let sending = async {
        let opening = source.opening();
        let mut is_open = to.write_all(&opening).await.is_ok();
        while is_open && let Some(piece) = source.piece() {
            is_open = to.write_all(&piece).await.is_ok() && to.flush().await.is_ok();
            *bytes += piece.len() as u64;
            *pieces += 1;
            // Nothing else here waits when the hub takes everything.
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = listening => {}
        () = sending => {}
    }
    poured
}

/// What came of many connections, one after the other.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) connections: u64,
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
    pub(crate) ok: u64,
    pub(crate) not_ok: u64,
    pub(crate) pongs: u64,
    pub(crate) settings: u64,
    pub(crate) resets: BTreeMap<u32, u64>,
    pub(crate) goaways: BTreeMap<u32, u64>,
    /// Connections that ended without GOAWAY, and those that were still open in the end.
    pub(crate) closed: u64,
    pub(crate) uncut: u64,
    /// How long connections lasted until they were cut, and how many pieces they took, at worst.
    pub(crate) lasted_max: Duration,
    pub(crate) pieces_max: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, poured: &Poured) {
        let heard = &poured.heard;
        self.connections += 1;
        self.pieces += poured.pieces;
        self.bytes += poured.bytes;
        self.ok += heard.ok;
        self.not_ok += heard.not_ok;
        self.pongs += heard.pongs;
        self.settings += heard.settings;
        for (code, count) in &heard.resets {
            *self.resets.entry(*code).or_default() += count;
        }
        let cut = heard.goaway.map(|(_, at)| at).or(heard.closed);
        match (heard.goaway, cut) {
            (Some((code, _)), _) => *self.goaways.entry(code).or_default() += 1,
            (None, Some(_)) => self.closed += 1,
            (None, None) => self.uncut += 1,
        }
        if let Some(cut) = cut {
            self.lasted_max = self.lasted_max.max(cut);
            self.pieces_max = self.pieces_max.max(poured.pieces);
        }
    }

    /// What a person wants to know of it.
    pub(crate) fn describe(&self) -> String {
        let mut told = Vec::new();
        let codes = |codes: &BTreeMap<u32, u64>, what: &str| -> Vec<String> {
            let one = |(code, count): (&u32, &u64)| format!("{count} x {what} {code}");
            codes.iter().map(one).collect()
        };
        told.extend(codes(&self.goaways, "GOAWAY"));
        if self.closed > 0 {
            told.push(format!("{} closed without", self.closed));
        }
        if self.uncut > 0 {
            told.push(format!("{} not cut off", self.uncut));
        }
        told.extend(codes(&self.resets, "reset"));
        for (count, what) in [
            (self.ok, "answers 200"),
            (self.not_ok, "other answers"),
            (self.pongs, "pongs"),
            (self.settings, "settings acknowledged"),
        ] {
            if count > 0 {
                told.push(format!("{count} {what}"));
            }
        }
        format!(
            "{} connections, {:.1} MB taken; {}; cut off after {} ms at most",
            self.connections,
            self.bytes as f64 / 1e6,
            told.join(", "),
            self.lasted_max.as_millis()
        )
    }
}
