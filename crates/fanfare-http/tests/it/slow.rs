//! A reader that stands still while retention overtakes it is told so when it reads again.
//!
//! HTTP/2 makes it exact: with a flow-control window of zero not one byte of the body may be sent,
//! and the test alone decides when the window opens.

use bytes::Bytes;
use fanfare_testkit::{Address, Form, TestHub, expect, until};
use h2::client::Connection;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A body over HTTP/2 whose window is shut until it is opened.
struct ShutStream {
    body: h2::RecvStream,
    open: Option<oneshot::Sender<()>>,
}

impl ShutStream {
    async fn subscribe(hub: Address, path: &str) -> Self {
        let socket = TcpStream::connect(hub.0).await.unwrap();
        let mut builder = h2::client::Builder::new();
        let handshake = builder.initial_window_size(0).handshake::<_, Bytes>(socket);
        let (requests, connection) = handshake.await.unwrap();
        let (open, opened) = oneshot::channel();
        tokio::spawn(drive(connection, opened));
        let mut requests = requests.ready().await.unwrap();
        let url = format!("http://{}{path}", hub.0);
        let request = http::Request::get(url).body(()).unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        let body = expect("a head", response).await.unwrap().into_body();
        Self {
            body,
            open: Some(open),
        }
    }

    fn open_window(&mut self) {
        let open = self.open.take().expect("the window is opened once");
        open.send(()).unwrap();
    }

    /// Reads up to a text.
    async fn read_through(&mut self, text: &str) -> String {
        let mut read = String::new();
        while !read.contains(text) {
            let bytes = expect(text, self.body.data()).await.unwrap().unwrap();
            read.push_str(std::str::from_utf8(&bytes).unwrap());
            let flow = self.body.flow_control();
            flow.release_capacity(bytes.len()).unwrap();
        }
        read
    }
}

async fn drive(mut connection: Connection<TcpStream, Bytes>, opened: oneshot::Receiver<()>) {
    tokio::select! {
        _ = &mut connection => return,
        _ = opened => connection.set_initial_window_size(1 << 20).unwrap(),
    }
    drop(connection.await);
}

#[tokio::test]
async fn a_reader_that_retention_overtakes_is_told_that_it_was_slow() {
    let hub = TestHub::builder().keep_events(10).start().await;
    let start = hub.publish("/news", "before").await.id;
    let mut shut = ShutStream::subscribe(hub.address(), "/news").await;
    hub.publish_many("/news", 50).await;
    let last = hub.publish("/news", "last").await.id;

    shut.open_window();
    let read = shut.read_through("data: last\n\n").await;
    let mut blocks = read.split_terminator("\n\n").map(str::to_owned);
    let opening = blocks.next().unwrap();
    assert!(opening.contains(&format!("id: {start}")), "{opening}");
    assert!(!opening.contains("data:"), "{opening}");

    let gap = blocks.next().unwrap();
    let (epoch, _) = last.split_once('-').unwrap();
    // The 52 events leave the last ten: 43 to 52.
    assert_eq!(
        gap,
        format!(
            "id: {epoch}-42\nevent: fanfare.gap\ndata: {{\"reason\":\"slow\",\"asked\":\"{start}\",\"oldest\":\"{epoch}-43\"}}"
        )
    );
    let seqs: Vec<_> = blocks
        .map(|block| block.lines().next().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = (43..=52).map(|seq| format!("id: {epoch}-{seq}")).collect();
    assert_eq!(seqs, expected);

    hub.publish("/news", "live").await;
    let live = shut.read_through("data: live\n\n").await;
    assert!(!live.contains("fanfare.gap"), "{live}");
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_nobody_up() {
    let hub = TestHub::start().await;
    let mut shut = ShutStream::subscribe(hub.address(), "/news").await;
    let mut other = hub.subscribe(Form::Sse, "/news").await;
    let line = "x".repeat(10_000);
    for _ in 0..200 {
        hub.publish("/news", &line).await;
        assert_eq!(other.next_data().await, line);
    }
    shut.open_window();
    hub.publish("/news", "last").await;
    let read = shut.read_through("data: last\n\n").await;
    assert!(!read.contains("fanfare.gap"));
    assert_eq!(read.matches(&line).count(), 200);
}

#[tokio::test]
async fn a_stalled_http1_reader_is_overtaken_too() {
    let hub = TestHub::builder().keep_events(5).start().await;
    let mut raw = hub.raw().await;
    raw.send("GET /news HTTP/1.1\r\nhost: x\r\n\r\n").await;
    raw.read_through("\r\n\r\n").await;
    // More than the buffers of both sockets hold, without a read on our side.
    let line = "x".repeat(1_000_000);
    for _ in 0..40 {
        hub.publish("/news", &line).await;
    }
    hub.publish("/news", "last").await;
    let read = raw.read_through("data: last\n").await;
    assert!(read.contains("\"reason\":\"slow\""));
    until("one subscriber", || async {
        hub.app().hub().subscribers_len() == 1
    })
    .await;
}
