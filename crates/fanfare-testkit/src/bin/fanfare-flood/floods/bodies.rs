//! Bodies and queries that are too much, again and again.

use std::collections::BTreeMap;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::Came;
use crate::door::{Door, Protocol, send};
use crate::talk::{answer, ask, ask_once, request};
use crate::trial::Target;

/// Connections side by side.
const CLIENTS: usize = 4;

type Answers = BTreeMap<String, usize>;

fn describe(answers: &Answers) -> String {
    let answers: Vec<_> = answers
        .iter()
        .map(|(answer, count)| format!("{count} x {answer}"))
        .collect();
    answers.join(", ")
}

/// Everything that was answered has to be one of these.
fn came(answers: Answers, wanted: &[&str]) -> Came {
    let is_wanted = |answer: &String| wanted.contains(&answer.as_str());
    let is_good = !answers.is_empty() && answers.keys().all(is_wanted);
    Came::seen(describe(&answers)).ensure(is_good, || format!("not only {wanted:?}"))
}

fn sum(answers: impl IntoIterator<Item = Answers>) -> Answers {
    let mut sum = Answers::new();
    for (answer, count) in answers.into_iter().flatten() {
        *sum.entry(answer).or_default() += count;
    }
    sum
}

pub(crate) async fn endless_chunks(target: &Target) -> Came {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(chunks(target.door.clone(), target.deadline()));
    }
    came(sum(clients.join_all().await), &["413 body_too_large"])
}

async fn chunks(door: Door, deadline: Instant) -> Answers {
    let head = request("POST /flooded", "Transfer-Encoding: chunked\r\n", b"");
    let chunk = [b"10000\r\n", &vec![0; 1 << 16][..], b"\r\n"].concat();
    let mut answers = Answers::new();
    while Instant::now() < deadline {
        let socket = door.knock().await.expect("let in");
        let (mut from, mut to) = socket.into_split();
        let pumping = tokio::spawn({
            let (head, chunk) = (head.clone(), chunk.clone());
            async move {
                let mut is_open = to.write_all(&head).await.is_ok();
                while is_open {
                    is_open = to.write_all(&chunk).await.is_ok();
                }
            }
        });
        let told = answer(&mut from).await.unwrap_or_default().as_text();
        *answers.entry(told).or_default() += 1;
        pumping.abort();
    }
    answers
}

pub(crate) async fn many_topics(target: &Target) -> Came {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let count = if client % 2 == 0 { 30_000 } else { 3_900 };
        let topics: Vec<_> = (0..count).map(|index| format!("topic=t{index}")).collect();
        let line = format!("GET /flooded?{}", topics.join("&"));
        let asked = request(&line, "", b"");
        let (door, deadline) = (target.door.clone(), target.deadline());
        clients.spawn(async move {
            let mut answers = Answers::new();
            while Instant::now() < deadline {
                let told = ask_once(&door, &asked).await;
                // Whoever still sends when the hub has answered and closed is reset.
                let told = told.map_or_else(|_| "reset".to_owned(), |answer| answer.as_text());
                *answers.entry(told).or_default() += 1;
            }
            answers
        });
    }
    let answers = sum(clients.join_all().await);
    came(answers, &["431", "400 too_many_topics", "reset"])
}

pub(crate) async fn newlines(target: &Target) -> Came {
    const SUBSCRIBERS: usize = 100;
    let mut subscribers = JoinSet::new();
    for _ in 0..SUBSCRIBERS {
        let mut socket = target.door.knock().await.expect("let in");
        let asked = request("GET /lines", "", b"");
        socket.write_all(&asked).await.expect("taken");
        subscribers.spawn(async move {
            let (mut bytes, mut buf) = (0, vec![0; 256 << 10]);
            while let Ok(len @ 1..) = socket.read(&mut buf).await {
                bytes += len;
            }
            bytes
        });
    }
    let mut wire = target.door.enter(Protocol::Http1).await.expect("let in");
    let [refused, taken] =
        [1_000_000, 340_000].map(|lines| request("POST /lines", "", &vec![b'\n'; lines]));
    let deadline = target.deadline();
    let mut answers = Answers::new();
    while Instant::now() < deadline {
        let told = ask(&mut *wire, &taken).await.unwrap_or_default().as_text();
        *answers.entry(told).or_default() += 1;
        // It is refused before it was read, and the connection may end with it.
        let told = ask_once(&target.door, &refused).await;
        let told = told.map_or_else(|_| "reset".to_owned(), |answer| answer.as_text());
        *answers.entry(told).or_default() += 1;
    }
    let end = request("POST /lines?end", "", b"");
    send(&mut *wire, &end).await.expect("taken");
    let bytes: usize = subscribers.join_all().await.iter().sum();
    let told = format!("{:.1} MB to {SUBSCRIBERS} subscribers", bytes as f64 / 1e6);
    let events = answers.get("201").copied().unwrap_or_default();
    // An event of 6 bytes a line for each, and little for chunks, heads and heartbeats.
    let bytes_max = SUBSCRIBERS * (events * (6 * 340_000 + 40_000) + 4_096);
    let mut came = came(answers, &["201", "413 event_too_large", "reset"]);
    came.seen = format!("{}; {told}", came.seen);
    came.ensure(bytes <= bytes_max, || {
        format!("{bytes} bytes on the wire, more than {bytes_max}")
    })
}
