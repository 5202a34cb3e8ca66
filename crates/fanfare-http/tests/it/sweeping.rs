//! Events that come while others are being sent to a crowd.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare_testkit::{TestHub, until};
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// So many that one event takes several turns of the driver.
const SUBSCRIBERS: usize = 400;
const EVENT_BYTES: usize = 20_000;
const ROUNDS: usize = 100;

/// Nothing else happens on this hub: an event that was overlooked stays so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_during_a_sweep_is_not_overlooked() {
    let hub = TestHub::builder();
    // No timer has the hub look around either.
    let hub = hub.limits(|limits| {
        limits.heartbeat = Duration::from_secs(600);
        limits.head_deadline = Duration::from_secs(600);
    });
    let hub = hub.start().await;
    let ends = Arc::new(AtomicUsize::new(0));
    for _ in 0..SUBSCRIBERS {
        let mut socket = TcpStream::connect(hub.address().0).await.unwrap();
        socket
            .write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        tokio::spawn(count(socket, Arc::clone(&ends)));
    }
    until("all are there", || async {
        hub.app().hub().subscribers_len() == SUBSCRIBERS
    })
    .await;
    let large = format!(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {EVENT_BYTES}\r\n\r\n{}",
        "x".repeat(EVENT_BYTES)
    );
    let small = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n$";
    // They stay, because a connection that closes would have the hub look around.
    let (mut first, mut second) = (hub.raw().await, hub.raw().await);
    for round in 0..ROUNDS {
        first.send(&large).await;
        // Each time a little later.
        for _ in 0..20 * round {
            tokio::task::yield_now().await;
        }
        second.send(small).await;
        first.read_through("}\n").await;
        second.read_through("}\n").await;
        let wanted = (round + 1) * SUBSCRIBERS;
        until("all have read it", || async {
            ends.load(Ordering::Relaxed) == wanted
        })
        .await;
    }
}

/// Counts the small events.
async fn count(mut socket: TcpStream, ends: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = socket.read(&mut buffer).await {
        let count = buffer[..len].iter().filter(|byte| **byte == b'$').count();
        ends.fetch_add(count, Ordering::Relaxed);
    }
}
