//! HTTP/2 streams that are opened and held: heads, windows, answers that nobody takes.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Came;
use crate::Extent;
use crate::door::{Door, Protocol, Wire, send};
use crate::frames::{
    END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, NEWEST, WINDOW_UPDATE, field, frame, get,
    head, kept_field, long_head, opening, stream,
};
use crate::heard::Heard;
use crate::probe::publish_steadily;
use crate::talk::{ask_once, metric, request};
use crate::trial::{Target, idle};

/// Streams of one connection, as many as the hub allows.
const STREAMS: u32 = 250;
/// With which there are 2,000 streams.
const CONNECTIONS: usize = 8;
/// As much as a window can be opened (RFC 9113 6.9.1).
const WINDOW_MAX: u32 = (1 << 31) - 1;
/// The hub's bound for a first request, and how late a busy machine may be.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(4);
/// Within it a peer is found that does not answer.
const PEER_DEADLINE: Duration = Duration::from_secs(36);

/// Where the events of a stream that nobody takes pile up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The window of each stream is closed.
    Windows,
    /// The window of each stream is one byte wide, so that its body is asked for a first piece.
    Byte,
    /// The window of the connection is closed after 64 KiB.
    Connection,
    /// All windows are open, and nobody reads the socket.
    Socket,
}

/// A connection on which so much was sent.
async fn holding(door: &Door, bytes: &[u8]) -> Box<dyn Wire> {
    let mut wire = door.enter(Protocol::Http2).await.expect("let in");
    send(&mut *wire, bytes).await.expect("taken");
    wire
}

/// Reads until the hub hangs up, or for so long.
async fn listen(mut wire: Box<dyn Wire>, patience: Duration) -> Heard {
    let began = Instant::now();
    let mut heard = Heard::default();
    let mut buf = vec![0; 64 << 10];
    loop {
        let left = patience.saturating_sub(began.elapsed());
        match timeout(left, wire.read(&mut buf)).await {
            Err(_elapsed) => return heard,
            Ok(Ok(len @ 1..)) => heard.feed(&buf[..len], began.elapsed()),
            Ok(Ok(_) | Err(_)) => {
                heard.closed = Some(began.elapsed());
                return heard;
            }
        }
    }
}

pub(crate) async fn heads(target: &Target) -> Came {
    const FIELDS: usize = 900;
    let mut sent = opening(&[]);
    for index in 0..STREAMS {
        let mut block = head("POST", "/flooded");
        field(&mut block, "content-length", "1000");
        if index == 0 {
            kept_field(&mut block, "x", "y");
        }
        block.resize(block.len() + FIELDS, NEWEST);
        sent.extend(long_head(stream(index), 0, &block));
    }
    let patience = target.extent.while_flooded();
    let mut listeners = JoinSet::new();
    for _ in 0..CONNECTIONS {
        listeners.spawn(listen(holding(&target.door, &sent).await, patience));
    }
    let heard = listeners.join_all().await;
    let answered: u64 = heard.iter().map(|heard| heard.ok + heard.not_ok).sum();
    Came::seen(format!(
        "{answered} of {} POSTs answered at once, {:.1} MB sent",
        CONNECTIONS as u32 * STREAMS,
        (CONNECTIONS * sent.len()) as f64 / 1e6
    ))
}

pub(crate) async fn stalled_heads(target: &Target) -> Came {
    let stalled = |number| frame(HEADERS, 0, number, &head("GET", "/flooded"));
    let silent = [opening(&[]), stalled(1)].concat();
    let asked = [opening(&[]), get(1, "/-/health/live"), stalled(3)].concat();
    let mut listeners = JoinSet::new();
    for number in 0..220 {
        let has_asked = number >= 200;
        let sent = if has_asked { &asked } else { &silent };
        let wire = holding(&target.door, sent).await;
        let listening = listen(wire, 2 * PEER_DEADLINE);
        listeners.spawn(async move { (has_asked, listening.await.closed) });
    }
    let mut slowest = [Duration::ZERO; 2];
    for (has_asked, closed) in listeners.join_all().await {
        let slowest = &mut slowest[usize::from(has_asked)];
        *slowest = (*slowest).max(closed.unwrap_or(Duration::MAX));
    }
    let [silent, asked] = slowest.map(|time| time.as_secs_f64());
    Came::seen(format!(
        "closed after {silent:.1} s at most; after a first request {asked:.1} s"
    ))
    .ensure(slowest[0] < HEAD_DEADLINE + SLACK, || {
        format!("a first head was waited for for {silent:.1} s")
    })
    .ensure(slowest[1] < PEER_DEADLINE + SLACK, || {
        format!("a second head was waited for for {asked:.1} s")
    })
}

pub(crate) async fn streams(target: &Target, hold: Hold) -> Came {
    let window = match hold {
        Hold::Windows => 0,
        Hold::Byte => 1,
        Hold::Connection | Hold::Socket => WINDOW_MAX,
    };
    let mut sent = opening(&[(INITIAL_WINDOW, window)]);
    if hold == Hold::Socket {
        let grown = WINDOW_MAX - 65_535;
        sent.extend(frame(WINDOW_UPDATE, 0, 0, &grown.to_be_bytes()));
    }
    sent.extend((0..STREAMS).flat_map(|index| get(stream(index), "/flood")));
    let mut listeners = JoinSet::new();
    let mut unread = Vec::new();
    for _ in 0..CONNECTIONS {
        let wire = holding(&target.door, &sent).await;
        match hold {
            Hold::Socket => unread.push(wire),
            Hold::Windows | Hold::Byte | Hold::Connection => {
                listeners.spawn(listen(wire, 2 * PEER_DEADLINE));
            }
        }
    }
    let published = publish_steadily(&target.door, "/flood", target.deadline()).await;
    let open = metric(&target.door, "fanfare_streams").await.unwrap_or(-1);
    // A disk may take its time for each event; whoever is held up publishes next to nothing.
    let wanted = target.extent.while_flooded().as_secs_f64() * 0.1;
    let published = published as f64 / 1e6;
    Came::seen(format!(
        "{published:.1} MB acknowledged, {open} streams open in the end"
    ))
    .ensure(published >= wanted, || {
        format!("only {published:.1} MB were acknowledged")
    })
}

/// Fills a topic with as much history as a page may have.
async fn fill(door: &Door) {
    const EVENT_BYTES: usize = 500_000;
    let publish = request("POST /pages", "", &vec![b'p'; EVENT_BYTES]);
    for _ in 0..16 {
        let answer = ask_once(door, &publish).await.expect("answered");
        assert_eq!(answer.status, 201, "{}", answer.as_text());
    }
}

const PAGE: &str = "/pages?history=all&limit=1000";

fn pages(target: &Target) -> u32 {
    match target.extent {
        Extent::Full => 100,
        Extent::Short => 25,
    }
}

pub(crate) async fn pages_on_one(target: &Target) -> Came {
    fill(&target.door).await;
    let pages = pages(target);
    let mut sent = opening(&[(INITIAL_WINDOW, 0)]);
    let mut block = head("GET", PAGE);
    field(&mut block, "accept", "application/json");
    for index in 0..pages {
        let flags = END_HEADERS | END_STREAM;
        sent.extend(frame(HEADERS, flags, stream(index), &block));
    }
    let wire = holding(&target.door, &sent).await;
    let heard = listen(wire, target.extent.while_flooded()).await;
    Came::seen(format!(
        "{} of {pages} pages answered 200, {} bytes of them taken",
        heard.ok, heard.data_bytes
    ))
    .ensure(heard.ok + heard.not_ok > 0, || {
        "no page was answered".to_owned()
    })
}

pub(crate) async fn pages_on_many(target: &Target) -> Came {
    fill(&target.door).await;
    let pages = pages(target);
    let asked = request(&format!("GET {PAGE}"), "Accept: application/json\r\n", b"");
    let mut held = Vec::new();
    for _ in 0..pages {
        let mut wire = target.door.knock_narrowly(2_048).await.expect("let in");
        wire.write_all(&asked).await.expect("taken");
        held.push(wire);
    }
    idle(target.extent.while_flooded()).await;
    Came::seen(format!("{pages} pages asked for and not read"))
}
