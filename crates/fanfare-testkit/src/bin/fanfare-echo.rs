//! `fanfare-echo ADDRESS`: a hub with a WebSocket at `/echo` that sends back what it is sent, for
//! suites of others that test the protocol itself. Serves until it is killed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

use fanfare_http::{Request, websocket};
use fanfare_testkit::TestHub;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).expect("fanfare-echo ADDRESS");
    let listener = TcpListener::bind(address).await.unwrap();
    let hub = TestHub::builder().listener(listener);
    let hub = hub.mount("/echo", |request: Request| async {
        websocket::upgrade(request, |mut socket| async move {
            while let Some(Ok(message)) = socket.next().await {
                if matches!(message, Message::Text(_) | Message::Binary(_))
                    && socket.send(message).await.is_err()
                {
                    return;
                }
            }
        })
    });
    let hub = hub.start().await;
    println!("ws://{}/echo", hub.address().0);
    std::future::pending::<()>().await;
}
