//! Floods of HTTP/2 frames. After each cut the flood goes on with a new connection, as whoever
//! means it would do.

use std::time::{Duration, Instant};

use super::Came;
use crate::Extent;
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME_BYTES_MAX, HEADERS, INITIAL_WINDOW, NEWEST,
    PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, field, frame, get, head, kept_field,
    long_head, opening, stream,
};
use crate::pour::{Source, Tally, pour};
use crate::trial::Target;

/// Frames of one piece, where nothing speaks against many.
const FRAMES: usize = 500;
/// Pieces within which a connection has to be cut off: what the kernel's buffers hold is sent
/// before anybody can have looked at it.
const PIECES_MAX: u64 = 2_000;
const CANCEL: [u8; 4] = [0, 0, 0, 8];
/// Within which a connection that has to be cut off is cut off, however busy the machine is.
const CUT_MAX: Duration = Duration::from_secs(60);

/// How long a flood goes on.
#[derive(Clone, Copy)]
enum Until {
    /// As long as the trial says.
    Deadline,
    /// The same, and on to the first cut.
    Cut,
    /// Until so many pieces were sent.
    Pieces(u64),
}

/// Pieces by their number, the same on each connection.
struct Frames<F> {
    opening: Vec<u8>,
    next: u32,
    piece: F,
}

impl<F: FnMut(u32) -> Option<Vec<u8>>> Frames<F> {
    fn new(opening: Vec<u8>, piece: F) -> Self {
        Self {
            opening,
            next: 0,
            piece,
        }
    }
}

impl<F: FnMut(u32) -> Option<Vec<u8>>> Source for Frames<F> {
    fn opening(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.opening)
    }

    fn piece(&mut self) -> Option<Vec<u8>> {
        self.next += 1;
        (self.piece)(self.next - 1)
    }
}

/// Floods with one connection after the other.
async fn flood<S: Source>(target: &Target, until: Until, mut source: impl FnMut() -> S) -> Tally {
    let (deadline, late) = (target.deadline(), Instant::now() + CUT_MAX);
    let mut tally = Tally::default();
    loop {
        let is_cut = tally.connections > tally.uncut;
        let end = match until {
            Until::Pieces(pieces) if tally.pieces >= pieces => return tally,
            Until::Cut if is_cut => deadline,
            Until::Deadline => deadline,
            Until::Cut | Until::Pieces(_) => late,
        };
        if Instant::now() >= end {
            return tally;
        }
        tally.add(&pour(&target.door, &mut source(), end).await);
    }
}

/// Streams that are sent in all.
fn streams(target: &Target) -> u64 {
    match target.extent {
        Extent::Full => 100_000,
        Extent::Short => 10_000,
    }
}

fn opened_and_reset(index: u32) -> Vec<u8> {
    let number = stream(index);
    [
        get(number, "/flooded"),
        frame(RST_STREAM, 0, number, &CANCEL),
    ]
    .concat()
}

pub(crate) async fn rapid_reset(target: &Target, streams_each: u32) -> Came {
    let pieces = streams(target) / u64::from(streams_each);
    let tally = flood(target, Until::Pieces(pieces), || {
        Frames::new(opening(&[]), |number| {
            let streams = number * streams_each..(number + 1) * streams_each;
            Some(streams.flat_map(opened_and_reset).collect())
        })
    })
    .await;
    Came::cut_off(&tally, PIECES_MAX)
}

pub(crate) async fn paced_reset(target: &Target) -> Came {
    const STREAMS: u32 = 10;
    let tally = flood(target, Until::Deadline, || {
        Frames::new(opening(&[]), |number| {
            let streams = number * STREAMS..(number + 1) * STREAMS;
            Some(streams.flat_map(opened_and_reset).collect())
        })
    })
    .await;
    let sent = u64::from(STREAMS) * tally.pieces;
    Came::seen(format!("{sent} streams; {}", tally.describe()))
}

/// Opens a stream of this number and has the hub reset it.
type Offence = fn(u32) -> Vec<u8>;

/// Ways to do so.
const OFFENCES: [(&str, Offence); 6] = [
    ("WINDOW_UPDATE of 0", |number| {
        [open_post(number), frame(WINDOW_UPDATE, 0, number, &[0; 4])].concat()
    }),
    ("WINDOW_UPDATE beyond 2^31", |number| {
        let grown = frame(WINDOW_UPDATE, 0, number, &[0x7f, 0xff, 0xff, 0xff]);
        [open_post(number), grown].concat()
    }),
    ("DATA after the end", |number| {
        [get(number, "/flooded"), frame(DATA, 0, number, b"x")].concat()
    }),
    ("a second head", |number| {
        let again = frame(HEADERS, END_HEADERS, number, &head("POST", "/flooded"));
        [open_post(number), again].concat()
    }),
    ("PRIORITY on itself", |number| {
        let itself = [&number.to_be_bytes()[..], &[0]].concat();
        [open_post(number), frame(PRIORITY, 0, number, &itself)].concat()
    }),
    ("a wrong length", |number| {
        let mut block = head("POST", "/flooded");
        field(&mut block, "content-length", "5");
        let head = frame(HEADERS, END_HEADERS, number, &block);
        [head, frame(DATA, END_STREAM, number, b"x")].concat()
    }),
];

fn open_post(number: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, number, &head("POST", "/flooded"))
}

pub(crate) async fn made_to_reset(target: &Target) -> Came {
    const STREAMS: u32 = 50;
    let pieces = streams(target) / u64::from(STREAMS) / OFFENCES.len() as u64;
    let mut came = Came::default();
    for (name, offence) in OFFENCES {
        let tally = flood(target, Until::Pieces(pieces), || {
            Frames::new(opening(&[]), move |number| {
                let streams = number * STREAMS..(number + 1) * STREAMS;
                Some(streams.map(stream).flat_map(offence).collect())
            })
        })
        .await;
        came = came.and(name, Came::cut_off(&tally, PIECES_MAX));
    }
    came
}

pub(crate) async fn continuations(target: &Target, contents: &[u8]) -> Came {
    let open = frame(HEADERS, END_STREAM, 1, &head("GET", "/flooded"));
    let opening = [opening(&[]), open].concat();
    let piece = frame(CONTINUATION, 0, 1, contents).repeat(FRAMES);
    let tally = repeated(target, Until::Cut, opening, piece).await;
    Came::cut_off(&tally, PIECES_MAX)
}

/// The same piece after the same opening. The connection may go on for as long as it likes: it gets
/// no more than it takes.
async fn repeated(target: &Target, until: Until, opening: Vec<u8>, piece: Vec<u8>) -> Tally {
    flood(target, until, || {
        Frames::new(opening.clone(), |_| Some(piece.clone()))
    })
    .await
}

pub(crate) async fn settings(target: &Target) -> Came {
    let piece = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9]).repeat(FRAMES);
    let tally = repeated(target, Until::Deadline, opening(&[]), piece).await;
    Came::seen(tally.describe())
}

pub(crate) async fn pings(target: &Target) -> Came {
    // Without a request the hub closes after ten seconds.
    let opening = [opening(&[]), get(1, "/-/health/live")].concat();
    let piece = frame(PING, 0, 0, &[7; 8]).repeat(FRAMES);
    let tally = repeated(target, Until::Deadline, opening, piece).await;
    Came::seen(tally.describe())
}

pub(crate) async fn empty_data(target: &Target) -> Came {
    let opening = [opening(&[]), open_post(1)].concat();
    let piece = frame(DATA, 0, 1, b"").repeat(FRAMES);
    let tally = repeated(target, Until::Cut, opening, piece).await;
    Came::cut_off(&tally, PIECES_MAX)
}

pub(crate) async fn tiny_data(target: &Target) -> Came {
    let mut block = head("POST", "/flooded");
    field(&mut block, "content-type", "text/event-stream");
    let opening = [opening(&[]), frame(HEADERS, END_HEADERS, 1, &block)].concat();
    let piece = frame(DATA, 0, 1, b":").repeat(FRAMES);
    let tally = repeated(target, Until::Deadline, opening, piece).await;
    Came::seen(tally.describe())
}

pub(crate) async fn tiny_data_unread(target: &Target) -> Came {
    const STREAMS: u32 = 16;
    const FRAMES_EACH: u32 = 60_000;
    let mut opening = opening(&[]);
    for index in 0..STREAMS {
        let open = head("GET", "/flooded");
        opening.extend(frame(HEADERS, END_HEADERS, stream(index), &open));
    }
    let pieces = STREAMS * FRAMES_EACH / FRAMES as u32;
    let mut source = Frames::new(opening, |number| {
        let data = frame(DATA, 0, stream(number % STREAMS), b"x");
        (number < pieces).then(|| data.repeat(FRAMES))
    });
    let poured = pour(&target.door, &mut source, target.deadline()).await;
    let mut tally = Tally::default();
    tally.add(&poured);
    Came::seen(tally.describe())
}

pub(crate) async fn bomb(target: &Target, value_bytes: usize) -> Came {
    const STREAMS: u32 = 100;
    let tally = flood(target, Until::Deadline, || {
        let mut first = head("GET", "/flooded");
        kept_field(&mut first, "x", &"v".repeat(value_bytes));
        let mut next = head("GET", "/flooded");
        for block in [&mut first, &mut next] {
            block.resize(FRAME_BYTES_MAX, NEWEST);
        }
        Frames::new(opening(&[(INITIAL_WINDOW, 0)]), move |number| {
            let block = if number == 0 { &first } else { &next };
            (number < STREAMS).then(|| long_head(stream(number), END_STREAM, block))
        })
    })
    .await;
    Came::seen(tally.describe())
}
