//! What the kernel says of a connection, and what the hub has it keep.

use std::net::SocketAddr;

use fanfare_testkit::{RawConnection, TestHub, until};

/// A field of the hub's end of a connection (proc_net_tcp.rst in the kernel's documentation).
pub(crate) fn field(hub: SocketAddr, client: SocketAddr, nth: usize) -> String {
    let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ports = [hub, client].map(|address| format!(":{:04X}", address.port()));
    let fields = connections.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_it = fields[1].ends_with(&ports[0]) && fields[2].ends_with(&ports[1]);
        is_it.then_some(fields)
    });
    fields.expect("the connection is open")[nth].to_owned()
}

/// All sockets of a machine share the kernel's memory: what it keeps for those that do not read is
/// taken from those that do.
#[tokio::test]
async fn a_reader_that_stands_still_takes_little_of_the_kernels_memory() {
    // 128 KiB are asked for. The kernel looks before it takes the next piece of up to 64 KiB, and
    // what the client's window still admits (twice its buffer at most) counts until it is
    // acknowledged. Without a bound it is megabytes.
    const UNSENT_BYTES_MAX: u64 = 512 << 10;
    const WINDOW_BYTES: u32 = 16 << 10;
    let hub = TestHub::start().await;
    let mut stream = RawConnection::open_narrow(hub.address(), WINDOW_BYTES).await;
    stream.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    stream.read_through("retry: ").await;
    let kept = || {
        let queues = field(hub.address().0, stream.local_address(), 4);
        let (unsent, _) = queues.split_once(':').unwrap();
        u64::from_str_radix(unsent, 16).unwrap()
    };
    let text = "x".repeat(32 << 10);
    for _ in 0..150 {
        hub.publish("/a", &text).await;
        assert!(kept() <= UNSENT_BYTES_MAX, "{} bytes unsent", kept());
    }
    until("its socket is full", async || kept() > 0).await;
}
