//! Many publishers, many subscribers, all forms, replay and live at once: one sequence.

use std::sync::Arc;
use std::time::Instant;

use fanfare_testkit::{Address, Connection, Form, Protocol, Received, TestHub, until};
use http::Method;
use tokio::task::JoinSet;

const PUBLISHERS: usize = 8;
const EVENTS_EACH: usize = 500;
const EVENTS: usize = PUBLISHERS * EVENTS_EACH;

/// Publishes `<name> 0`, `<name> 1` and so on, one request each, and gives each with its id.
async fn publisher(hub: Address, name: usize) -> Vec<(String, String)> {
    let connection = Arc::new(Connection::open(hub, Protocol::Http1).await);
    let mut acknowledged = Vec::new();
    for number in 0..EVENTS_EACH {
        let data = format!("{name} {number}");
        let post = hub.post("/news", data.clone()).on(&connection);
        acknowledged.push((post.send().await.stored().id, data));
    }
    acknowledged
}

async fn subscriber(hub: Address, form: Form, path: &'static str) -> Vec<Received> {
    hub.subscribe(form, path).await.take(EVENTS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_sees_the_same_sequence() {
    let hub = TestHub::start().await;
    let address = hub.address();
    let started = Instant::now();

    let mut subscribers = JoinSet::new();
    for form in Form::ALL.repeat(4) {
        let mut live = hub.subscribe(form, "/news").await;
        subscribers.spawn(async move { live.take(EVENTS).await });
    }
    let mut publishers = JoinSet::new();
    for name in 0..PUBLISHERS {
        publishers.spawn(publisher(address, name));
    }
    until("half of the events", || async {
        let head = address.ask(Method::HEAD, "/news").send().await;
        head.header("fanfare-count").parse::<usize>().unwrap() >= EVENTS / 2
    })
    .await;
    for form in Form::ALL {
        subscribers.spawn(subscriber(address, form, "/news?history=all"));
    }

    let acknowledged = publishers.join_all().await;
    let sequences = subscribers.join_all().await;
    println!(
        "{EVENTS} events of {PUBLISHERS} publishers at {} subscribers in {:?}",
        sequences.len(),
        started.elapsed()
    );
    assert_eq!(sequences.len(), 20);
    let fields = |events: &[Received]| -> Vec<_> {
        let fields = events
            .iter()
            .map(|event| (event.id.clone(), event.data.clone()));
        fields.collect()
    };
    let first = fields(&sequences[0]);
    for sequence in &sequences {
        assert_eq!(fields(sequence), first);
    }
    for acknowledged in acknowledged {
        let (name, _) = acknowledged[0].1.split_once(' ').unwrap();
        let own = first
            .iter()
            .filter(|(_, data)| data.split(' ').next() == Some(name));
        assert!(own.eq(&acknowledged), "publisher {name}");
    }
}

/// Ids that are resumed from at the same time.
const WAVE: usize = 100;
const IDS: usize = 10_000;
/// Events that are published at the same time: every one alone wakes every stream.
const TOGETHER: usize = 10;

/// What the hub must send for each event, computed without the hub.
struct Expected {
    epoch: String,
    blocks: Vec<u8>,
    /// Where the block after each event begins.
    ends: Vec<usize>,
}

impl Expected {
    fn new(epoch: &str) -> Self {
        let (mut blocks, mut ends) = (Vec::new(), vec![0]);
        for number in 1..=IDS + 2 * WAVE {
            blocks.extend(format!("id: {epoch}-{number}\ndata: event {number}\n\n").into_bytes());
            ends.push(blocks.len());
        }
        Self {
            epoch: epoch.to_owned(),
            blocks,
            ends,
        }
    }

    fn between(&self, after: usize, through: usize) -> &[u8] {
        &self.blocks[self.ends[after]..self.ends[through]]
    }
}

/// Resumes after one event and reads through another: nothing is missing, nothing comes twice.
async fn resume(
    hub: Address,
    connection: Arc<Connection>,
    expected: Arc<Expected>,
    ids: [usize; 2],
) -> usize {
    let [after, through] = ids;
    let get = hub.fetch("/walk").over(Protocol::Http2).on(&connection);
    let get = get.last_event_id(format!("{}-{after}", expected.epoch));
    let mut stream = get.subscribe(Form::SseOverHttp2).await;
    let opening = String::from_utf8(stream.next_bytes().await.unwrap().to_vec()).unwrap();
    assert!(
        opening.contains(&format!("id: {}-{after}\n", expected.epoch)),
        "{opening}"
    );
    let mut missing = expected.between(after, through);
    while !missing.is_empty() {
        let bytes = stream.next_bytes().await.unwrap();
        // Publishing goes on: the last piece may hold more than was asked for.
        let len = bytes.len().min(missing.len());
        assert!(bytes[..len] == missing[..len], "after {after}: {bytes:?}");
        missing = &missing[len..];
    }
    through - after
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_from_each_of_10000_ids_is_exact_while_publishing_goes_on() {
    let hub = TestHub::start().await;
    let address = hub.address();
    let started = Instant::now();
    let epoch = hub.app().hub().log().epoch();
    let expected = Arc::new(Expected::new(epoch.as_str()));

    let mut pipe = hub.pipe("/walk", "application/x-ndjson").await;
    let mut tail = hub.subscribe(Form::Sse, "/walk?history=all").await;
    let (mut published, mut events, mut behind) = (0, 0, 0);
    for first in (0..IDS).step_by(WAVE) {
        // What the wave resumes from is published; what it must reach is published meanwhile.
        let through = first + 2 * WAVE;
        let connection = Arc::new(Connection::open(address, Protocol::Http2).await);
        while published < first + WAVE {
            published += 1;
            pipe.send(format!("event {published}\n")).await;
        }
        tail.take(published - behind).await;
        behind = published;
        let mut wave = JoinSet::new();
        for after in first..first + WAVE {
            let (connection, expected) = (Arc::clone(&connection), Arc::clone(&expected));
            wave.spawn(resume(address, connection, expected, [after, through]));
        }
        while published < through {
            let lines = (1..=TOGETHER).map(|next| format!("event {}\n", published + next));
            pipe.send(lines.collect::<String>()).await;
            published += TOGETHER;
        }
        events += wave.join_all().await.into_iter().sum::<usize>();
    }
    let stored = pipe.finish().await.stored();
    assert_eq!(stored.count as usize, IDS + WAVE);
    println!(
        "{IDS} resumed streams, {events} events, each exactly once, in {:?}",
        started.elapsed()
    );
}
