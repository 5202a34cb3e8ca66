//! Connections that are there before the server is.

use std::net::SocketAddr;

use fanfare_testkit::{Address, RawConnection, TestHub};
use tokio::net::TcpListener;

use crate::kernel;

/// A listener takes in connections from the moment it is bound, and those that a restarted or
/// socket-activated hub finds are no worse than others: who of them vanishes is noticed.
#[tokio::test]
async fn who_connects_before_the_server_starts_is_watched_like_everybody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address(listener.local_addr().unwrap());
    let early = subscribe(address).await;
    let hub = TestHub::builder().listener(listener).start().await;
    let late = subscribe(hub.address()).await;
    for mut stream in [early, late] {
        stream.read_through("retry: ").await;
        assert!(has_keep_alive(address.0, stream.local_address()));
    }
}

async fn subscribe(address: Address) -> RawConnection {
    let mut stream = address.raw().await;
    stream.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    stream
}

/// Whether the kernel asks the peer for a sign of life from time to time: the connection's timer is
/// of kind 2 (proc_net_tcp.rst in the kernel's documentation).
fn has_keep_alive(hub: SocketAddr, client: SocketAddr) -> bool {
    kernel::field(hub, client, 5).starts_with("02:")
}
