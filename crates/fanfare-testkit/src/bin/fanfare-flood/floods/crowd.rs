//! Many connections of HTTP/1.1 at once that read, write or close too slowly.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::Came;
use crate::Extent;
use crate::door::Door;
use crate::hub::Watch;
use crate::probe::publish_steadily;
use crate::talk::{answer, ask_once, metric, request};
use crate::trial::{Target, idle};

/// How late a busy machine may be.
const SLACK: Duration = Duration::from_secs(4);
/// The streams of the neighbour.
const NEIGHBOURS: i64 = 1;
/// How often the hub is asked for a number.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until a number of the hub is so low, and says how long that took.
async fn until_at_most(door: &Door, name: &str, max: i64, patience: Duration) -> Option<Duration> {
    let began = Instant::now();
    let mut looks = interval(LOOK);
    while began.elapsed() < patience {
        looks.tick().await;
        if metric(door, name).await.is_some_and(|now| now <= max) {
            return Some(began.elapsed());
        }
    }
    None
}

pub(crate) async fn stalled_readers(target: &Target) -> Came {
    const READERS: usize = 2_000;
    /// Half-open peers are found within 53 s, and so is who does not read.
    const CUT_MAX: Duration = Duration::from_secs(60);
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut socket = target.door.knock_narrowly(2_048).await.expect("let in");
        let asked = request("GET /flood", "", b"");
        socket.write_all(&asked).await.expect("taken");
        readers.push(socket);
    }
    let began = Instant::now();
    let deadline = match target.extent {
        Extent::Full => began + CUT_MAX,
        Extent::Short => target.deadline(),
    };
    let publishing = publish_steadily(&target.door, "/flood", deadline);
    if target.extent == Extent::Short {
        let published = publishing.await as f64 / 1e6;
        let open = metric(&target.door, "fanfare_streams").await.unwrap_or(-1);
        return Came::seen(format!(
            "{published:.1} MB acknowledged, {open} streams open"
        ))
        .ensure(published > 0.05, || "publishers were held up".to_owned());
    }
    let cutting = until_at_most(&target.door, "fanfare_streams", NEIGHBOURS, CUT_MAX);
    let (published, cut) = tokio::join!(publishing, cutting);
    let published = published as f64 / 1e6;
    let told = match cut {
        Some(cut) => format!("all cut off after {:.0} s", cut.as_secs_f64()),
        None => format!(
            "{} streams open in the end",
            metric(&target.door, "fanfare_streams").await.unwrap_or(-1)
        ),
    };
    Came::seen(format!("{published:.1} MB acknowledged; {told}"))
        .ensure(published > 6.0, || "publishers were held up".to_owned())
        .ensure(cut.is_some(), || "stalled readers stay".to_owned())
}

/// What a slow client is told in the end, and when.
struct Told {
    answer: String,
    after: Duration,
}

/// Sends a beginning and then a byte a second until the hub has had enough.
async fn drip(mut socket: TcpStream, beginning: Vec<u8>) -> Told {
    let began = Instant::now();
    let (mut from, mut to) = socket.split();
    let dripping = async {
        if to.write_all(&beginning).await.is_err() {
            return;
        }
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            if to.write_all(b"a").await.is_err() {
                return;
            }
        }
    };
    let dripping = async {
        dripping.await;
        std::future::pending().await
    };
    let answer = tokio::select! {
        answer = answer(&mut from) => answer.unwrap_or_default().as_text(),
        () = dripping => String::new(),
    };
    Told {
        answer,
        after: began.elapsed(),
    }
}

/// A thousand of them side by side.
async fn dripping(target: &Target, beginning: &[u8], bound: Duration) -> Came {
    const CLIENTS: usize = 1_000;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let socket = target.door.knock().await.expect("let in");
        clients.spawn(drip(socket, beginning.to_vec()));
    }
    let told = clients.join_all().await;
    let mut answers = BTreeMap::<_, usize>::new();
    for told in &told {
        *answers.entry(told.answer.as_str()).or_default() += 1;
    }
    let answers: Vec<_> = answers
        .iter()
        .map(|(answer, count)| format!("{count} x {answer}"))
        .collect();
    let times = told.iter().map(|told| told.after.as_secs_f64());
    let (first, last) = times.fold((f64::MAX, 0.0_f64), |(first, last), time| {
        (first.min(time), last.max(time))
    });
    Came::seen(format!(
        "{} after {first:.1} s to {last:.1} s",
        answers.join(", ")
    ))
    .ensure(last < (bound + SLACK).as_secs_f64(), || {
        format!("waited for for {last:.1} s")
    })
}

pub(crate) async fn slow_heads(target: &Target) -> Came {
    let beginning = b"GET /flooded HTTP/1.1\r\nHost: x\r\nX: ";
    dripping(target, beginning, Duration::from_secs(10)).await
}

pub(crate) async fn slow_bodies(target: &Target) -> Came {
    let beginning = request("POST /flooded", "Content-Length: 1000\r\n", b"");
    dripping(target, &beginning, Duration::from_secs(60)).await
}

pub(crate) async fn half_closed(target: &Target) -> Came {
    const READERS: usize = 200;
    /// What "at once" is on a busy machine; nothing else would ever close them.
    const AT_ONCE: Duration = Duration::from_secs(10);
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut socket = target.door.knock().await.expect("let in");
        let asked = request("GET /flooded", "", b"");
        socket.write_all(&asked).await.expect("taken");
        assert_eq!(answer(&mut socket).await.expect("answered").status, 200);
        readers.push(socket);
    }
    let began = Instant::now();
    for socket in &mut readers {
        socket.shutdown().await.expect("half closed");
    }
    let mut closed = 0;
    let mut rest = Vec::new();
    for socket in &mut readers {
        let reading = timeout(AT_ONCE, socket.read_to_end(&mut rest));
        closed += usize::from(reading.await.is_ok());
    }
    let took = began.elapsed().as_millis();
    // A loop that spins would be seen now.
    let watch = Watch::of(target.id);
    idle(target.extent.while_flooded()).await;
    let share = 100.0 * watch.end().cpu_share;
    Came::seen(format!(
        "{closed} of {READERS} closed after {took} ms, then {share:.1} % of a processor"
    ))
    .ensure(closed == READERS, || "some stay half closed".to_owned())
}

pub(crate) async fn half_handshakes(target: &Target) -> Came {
    const CLIENTS: usize = 1_000;
    let hello = target.door.client_hello();
    let half = &hello[..hello.len() / 2];
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut socket = target.door.knock().await.expect("let in");
        socket.write_all(half).await.expect("taken");
        let began = Instant::now();
        clients.spawn(async move {
            let mut rest = Vec::new();
            // A reset is an end too.
            socket.read_to_end(&mut rest).await.ok();
            began.elapsed()
        });
    }
    let times = clients.join_all().await;
    let slowest = times.iter().max().copied().unwrap_or_default();
    let seconds = slowest.as_secs_f64();
    Came::seen(format!("all closed after {seconds:.1} s at most"))
        .ensure(slowest < Duration::from_secs(10) + SLACK, || {
            format!("waited for for {seconds:.1} s")
        })
}

pub(crate) async fn out_of_descriptors(target: &Target) -> Came {
    const CLIENTS: usize = 400;
    /// Of a processor; who spins takes all that there is.
    const SPINNING: f64 = 0.5;
    let mut held = Vec::new();
    for _ in 0..CLIENTS {
        held.push(target.door.knock().await.expect("the kernel lets in"));
    }
    let watch = Watch::of(target.id);
    idle(2 * target.extent.while_flooded()).await;
    let share = watch.end().cpu_share;
    drop(held);
    let began = Instant::now();
    let publish = request("POST /flooded", "", b"durable");
    let answer = timeout(Duration::from_secs(10), ask_once(&target.door, &publish)).await;
    let answer = answer.ok().and_then(Result::ok).unwrap_or_default();
    let took = began.elapsed();
    Came::seen(format!(
        "{:.1} % of a processor while full; a newcomer's publish {} after {} ms",
        100.0 * share,
        answer.as_text(),
        took.as_millis()
    ))
    .ensure(share < SPINNING, || "spinning".to_owned())
    .ensure(answer.status == 201, || "no durable publish".to_owned())
    .ensure(
        took < Duration::from_secs(2) || target.extent == Extent::Short,
        || format!("a newcomer waited {took:?}"),
    )
}
