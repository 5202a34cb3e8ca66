//! How long a subscriber bears a silent stream, with a real hub behind a network that can be held.

use std::time::Duration;

use fanfare_client::{Client, Loss, Subscribe, Subscriber, Update};
use fanfare_testkit::{Address, TestHub};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::script::{Beat, DEADLINE, HEAD, Scripted, Write};
use crate::subscribe::{brisk, expect};

/// Long enough that a busy machine beats in time.
const HEARTBEAT: Duration = Duration::from_millis(400);

/// A network between a client and a hub, which keeps its connections while it is held and passes
/// nothing on.
struct Network {
    url: String,
    is_held: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Network {
    async fn to(hub: Address) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (is_held, held) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut pipes = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, to_client) = client.into_split();
                let (from_hub, to_hub) = TcpStream::connect(hub.0).await.unwrap().into_split();
                pipes.spawn(pass(from_client, to_hub, held.clone()));
                pipes.spawn(pass(from_hub, to_client, held.clone()));
            }
        });
        Self {
            url,
            is_held,
            _tasks: tasks,
        }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut held: watch::Receiver<bool>) {
    let mut buf = [0; 4096];
    while let Ok(len @ 1..) = from.read(&mut buf).await {
        let is_free = held.wait_for(|is_held| !is_held).await.is_ok();
        if !is_free || to.write_all(&buf[..len]).await.is_err() {
            return;
        }
    }
}

async fn hub_that_beats_every(heartbeat: Duration) -> (TestHub, Network) {
    let hub = TestHub::builder()
        .limits(|limits| limits.heartbeat = heartbeat)
        .start()
        .await;
    let network = Network::to(hub.address()).await;
    (hub, network)
}

fn follow(url: &str) -> Subscribe {
    Client::new(url).unwrap().subscribe("chat").retry(brisk())
}

/// The silence after which a subscriber gives a stream up.
async fn borne(subscriber: &mut Subscriber) -> Duration {
    let update = timeout(DEADLINE, subscriber.next()).await;
    match update.expect("a loss in time") {
        Some(Ok(Update::Waiting {
            why: Loss::Silent(silence),
            ..
        })) => silence,
        other => panic!("{other:?} in place of silence"),
    }
}

#[tokio::test]
async fn two_and_a_half_heartbeats_of_silence_are_a_loss_and_nothing_is_missed() {
    let (hub, network) = hub_that_beats_every(HEARTBEAT).await;
    let mut subscriber = follow(&network.url).open().unwrap();
    expect(&mut subscriber, ["opened"]).await;
    // More silence of events than it bears of the stream: heartbeats are heard.
    let quiet = timeout(HEARTBEAT * 4, subscriber.next()).await;
    assert!(quiet.is_err(), "{quiet:?} in place of nothing");
    network.is_held.send(true).unwrap();
    let stored = hub.publish("/chat", "a").await;
    assert_eq!(borne(&mut subscriber).await, HEARTBEAT * 5 / 2);
    network.is_held.send(false).unwrap();
    let event = format!("{} message a", stored.id);
    expect(&mut subscriber, ["opened", &event]).await;
}

#[tokio::test]
async fn what_the_caller_sets_wins_over_what_the_hub_announces() {
    let (_hub, network) = hub_that_beats_every(Duration::from_secs(15)).await;
    let silence = Duration::from_millis(300);
    let mut subscriber = follow(&network.url).idle_timeout(silence).open().unwrap();
    expect(&mut subscriber, ["opened"]).await;
    assert_eq!(borne(&mut subscriber).await, silence);
}

#[tokio::test]
async fn a_heartbeat_that_no_hub_has_neither_ends_a_stream_nor_the_client() {
    let beating = |heartbeat: &str| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nfanfare-heartbeat";
        let late = Beat("data: a\n\n", 1, Duration::from_millis(100));
        vec![HEAD, Write(format!("{head}: {heartbeat}\r\n\r\n")), late]
    };
    let server = Scripted::play(["0", "-1", "soon", "18446744073709551615"].map(beating)).await;
    let mut subscriber = follow(&server.url).open().unwrap();
    for _ in 0..4 {
        expect(&mut subscriber, ["opened", " message a", "ended"]).await;
    }
}
