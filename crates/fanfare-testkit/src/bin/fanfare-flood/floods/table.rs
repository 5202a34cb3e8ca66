//! The table of floods.

use super::{
    BEGUN_MIB_MAX, BODIES_MIB_MAX, Flood, HEADS_MIB_MAX, NEWLINES_MIB_MAX, PAGES_MIB_MAX,
    READERS_MIB_MAX, UNREAD_MIB_MAX, bodies, crowd, foreign, held, http2,
};

// What is told of several of them.
const CUT_OFF: &str = "GOAWAY after a small budget, on every connection";
const TAKEN_OR_CUT: &str = "taken at the pace of its answers, or GOAWAY";
const RESET: [&str; 2] = [
    "HEADERS and RST_STREAM, 100,000 streams as fast as the connection takes them, on a new connection after each cut",
    CUT_OFF,
];
const MADE_TO_RESET: [&str; 2] = [
    "100,000 streams that the hub has to reset itself: WINDOW_UPDATE of 0 and beyond 2^31, DATA after the end, a second head, PRIORITY on itself, a wrong length",
    CUT_OFF,
];
const CONTINUATIONS: [&str; 2] = [
    "HEADERS, then CONTINUATION with one small field each, without end",
    CUT_OFF,
];
const BOMB: [&str; 2] = [
    "16,000 references of one byte to a field of 4,000 bytes, in each of 100 heads, again and again",
    "431, memory within the bound",
];
const ZERO_WINDOWS: [&str; 2] = [
    "2,000 event streams over 8 connections with windows of 0, while 1 MB/s is published to them",
    "each costs a cursor; publishers are not held up",
];

pub(crate) const FLOODS: &[Flood] = &[
    Flood::new("rapid-reset", RESET, |target| {
        Box::pin(http2::rapid_reset(target, 50))
    })
    .short(),
    Flood::new("rapid-reset-tls", RESET, |target| {
        Box::pin(http2::rapid_reset(target, 50))
    })
    .over_tls()
    .short(),
    Flood::new(
        "rapid-reset-paced",
        [
            "the same with at most 10 streams in one write, so that each is accepted before it is reset",
            "taken at the pace of the hub, or GOAWAY",
        ],
        |target| Box::pin(http2::paced_reset(target)),
    )
    .short(),
    Flood::new("made-you-reset", MADE_TO_RESET, |target| {
        Box::pin(http2::made_to_reset(target))
    })
    .short(),
    Flood::new("made-you-reset-tls", MADE_TO_RESET, |target| {
        Box::pin(http2::made_to_reset(target))
    })
    .over_tls(),
    Flood::new("continuation", CONTINUATIONS, |target| {
        Box::pin(http2::continuations(target, b"\0\x01x\x01y"))
    })
    .short(),
    Flood::new("continuation-tls", CONTINUATIONS, |target| {
        Box::pin(http2::continuations(target, b"\0\x01x\x01y"))
    })
    .over_tls(),
    Flood::new(
        "continuation-empty",
        ["HEADERS, then empty CONTINUATION without end", CUT_OFF],
        |target| Box::pin(http2::continuations(target, b"")),
    )
    .short(),
    Flood::new(
        "settings",
        ["SETTINGS without end, answers read", TAKEN_OR_CUT],
        |target| Box::pin(http2::settings(target)),
    )
    .short(),
    Flood::new(
        "ping",
        ["PING without end, answers read", TAKEN_OR_CUT],
        |target| Box::pin(http2::pings(target)),
    )
    .short(),
    Flood::new(
        "data-empty",
        ["empty DATA without end on an open POST", CUT_OFF],
        |target| Box::pin(http2::empty_data(target)),
    )
    .short(),
    Flood::new(
        "data-tiny",
        [
            "DATA of one byte without end, on a POST of a stream of comments",
            TAKEN_OR_CUT,
        ],
        |target| Box::pin(http2::tiny_data(target)),
    )
    .short(),
    Flood::new(
        "data-tiny-unread",
        [
            "960,000 DATA of one byte on 16 GETs whose body nobody reads",
            TAKEN_OR_CUT,
        ],
        |target| Box::pin(http2::tiny_data_unread(target)),
    )
    .short(),
    Flood::new("header-bomb", BOMB, |target| {
        Box::pin(http2::bomb(target, 4_000))
    })
    .short(),
    Flood::new("header-bomb-tls", BOMB, |target| {
        Box::pin(http2::bomb(target, 4_000))
    })
    .over_tls(),
    Flood::new(
        "header-bomb-small",
        [
            "16,000 references of one byte to a field of two bytes, in each of 100 heads, again and again",
            BOMB[1],
        ],
        |target| Box::pin(http2::bomb(target, 1)),
    )
    .short(),
    Flood::new(
        "heads-held",
        [
            "2,000 POSTs over 8 connections, each with a head of 900 fields in 1 KB and a body that does not come",
            "431; memory within the bound, and back at once",
        ],
        |target| Box::pin(held::heads(target)),
    )
    .grows(HEADS_MIB_MAX)
    .short(),
    Flood::new(
        "headers-stalled",
        [
            "200 connections with HEADERS that do not end, then silence; 20 more after a first request",
            "closed within 10 s; after a first request within 36 s",
        ],
        |target| Box::pin(held::stalled_heads(target)),
    )
    .slow(),
    Flood::new("window-zero", ZERO_WINDOWS, |target| {
        Box::pin(held::streams(target, held::Hold::Windows))
    })
    .short(),
    Flood::new("window-zero-tls", ZERO_WINDOWS, |target| {
        Box::pin(held::streams(target, held::Hold::Windows))
    })
    .over_tls(),
    Flood::new(
        "window-of-one",
        [
            "the same with windows of one byte, so that a piece of each stream is under way",
            "each costs a cursor and a piece; publishers are not held up",
        ],
        |target| Box::pin(held::streams(target, held::Hold::Byte)),
    )
    .grows(BEGUN_MIB_MAX)
    .short(),
    Flood::new(
        "window-of-connection",
        [
            "the same with open windows of streams, and a window of the connection that is never opened",
            ZERO_WINDOWS[1],
        ],
        |target| Box::pin(held::streams(target, held::Hold::Connection)),
    )
    .grows(BEGUN_MIB_MAX)
    .short(),
    Flood::new(
        "window-open-unread",
        [
            "the same with all windows open, and sockets that nobody reads",
            "three turns a stream at most; publishers are not held up",
        ],
        |target| Box::pin(held::streams(target, held::Hold::Socket)),
    )
    .grows(UNREAD_MIB_MAX)
    .short(),
    Flood::new(
        "pages-unread-h2",
        [
            "100 pages of 8 MB of history on one connection with windows of 0",
            "what nobody takes is not held",
        ],
        |target| Box::pin(held::pages_on_one(target)),
    )
    .grows(PAGES_MIB_MAX)
    .short(),
    Flood::new(
        "pages-unread",
        [
            "100 connections that ask for a page of 8 MB of history and do not read",
            "what nobody takes is not held",
        ],
        |target| Box::pin(held::pages_on_many(target)),
    )
    .grows(PAGES_MIB_MAX)
    .short(),
    Flood::new(
        "readers-stalled",
        [
            "2,000 event streams over HTTP/1.1 that stop reading, with receive buffers of 2 KiB, while 1 MB/s is published to them",
            "each costs a cursor; cut off within 60 s; publishers are not held up",
        ],
        |target| Box::pin(crowd::stalled_readers(target)),
    )
    .grows(READERS_MIB_MAX)
    .short(),
    Flood::new(
        "slow-heads",
        ["1,000 heads, one byte a second", "closed within 10 s"],
        |target| Box::pin(crowd::slow_heads(target)),
    )
    .slow(),
    Flood::new(
        "slow-bodies",
        [
            "1,000 bodies of 1,000 bytes, one byte a second",
            "408 within 60 s",
        ],
        |target| Box::pin(crowd::slow_bodies(target)),
    )
    .slow(),
    Flood::new(
        "half-closed",
        [
            "200 event streams whose readers close their half",
            "closed at once",
        ],
        |target| Box::pin(crowd::half_closed(target)),
    )
    .slow()
    .short(),
    Flood::new(
        "handshakes-half",
        [
            "1,000 TLS connections that stop in the middle of their hello",
            "closed within 10 s",
        ],
        |target| Box::pin(crowd::half_handshakes(target)),
    )
    .over_tls()
    .slow(),
    Flood::new(
        "chunks-endless",
        [
            "chunked bodies without end on 4 connections, again and again",
            "413 after 1 MiB",
        ],
        |target| Box::pin(bodies::endless_chunks(target)),
    )
    .grows(BODIES_MIB_MAX)
    .short(),
    Flood::new(
        "topics",
        [
            "GETs with 30,000 and with 3,900 parameters `topic=`, again and again on 4 connections",
            "431 and 400",
        ],
        |target| Box::pin(bodies::many_topics(target)),
    )
    .short(),
    Flood::new(
        "newlines",
        [
            "1,000,000 and 340,000 newlines as an event for 100 subscribers, again and again",
            "413 and 201; each line is 6 bytes on the wire, once",
        ],
        |target| Box::pin(bodies::newlines(target)),
    )
    .grows(NEWLINES_MIB_MAX)
    .short(),
    Flood::new(
        "descriptors",
        [
            "400 connections to a hub with 256 descriptors, then all closed",
            "no spinning; a newcomer is answered within 2 s; a publish is durable meanwhile",
        ],
        |target| Box::pin(crowd::out_of_descriptors(target)),
    )
    .with_descriptors(256)
    .slow()
    .short(),
    Flood::new(
        "slowhttptest-headers",
        ["slowhttptest -H -c 1000 -r 200 -i 10 -l 30", "available"],
        |target| Box::pin(foreign::slowhttptest(target, "-H -t GET")),
    )
    .slow(),
    Flood::new(
        "slowhttptest-body",
        [
            "slowhttptest -B -c 1000 -r 200 -i 10 -l 30 -s 8192",
            "available",
        ],
        |target| Box::pin(foreign::slowhttptest(target, "-B -s 8192 -t POST")),
    )
    .slow(),
    Flood::new(
        "slowhttptest-read",
        [
            "slowhttptest -X -c 1000 -r 200 -i 10 -l 30 -w 512 -y 1024 -n 5 -z 32 -k 3, of the hub's OpenAPI document",
            "available",
        ],
        |target| {
            Box::pin(foreign::slowhttptest(
                target,
                "-X -w 512 -y 1024 -n 5 -z 32 -k 3",
            ))
        },
    )
    .slow(),
];
