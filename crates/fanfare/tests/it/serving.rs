//! The hub on a listener of its own, with routes of the embedder beside its own.

use std::future::Future;

use fanfare::{Body, Cors, Hub, Request, Response, Server, collect, websocket};
use fanfare_testkit::{Address, Form, Item, expect};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server that runs until it is told to stop.
struct Running {
    address: Address,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address(listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let task = tokio::spawn(server.serve(listener, stopped));
        Self {
            address,
            stop,
            task,
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        expect("the end of serve", self.task).await.unwrap();
    }
}

async fn shout(request: Request) -> Response {
    match collect(request.into_body(), 100, std::time::Duration::from_secs(5)).await {
        Ok(body) => Response::new(Body::from(body.to_ascii_uppercase())),
        Err(problem) => problem.into_response(),
    }
}

fn greet(request: Request) -> impl Future<Output = Response> + Send {
    let response = websocket::upgrade(request, |mut socket| async move {
        drop(socket.send("welcome".into()).await);
        while let Some(Ok(_)) = socket.next().await {}
    });
    std::future::ready(response)
}

#[tokio::test]
async fn a_server_answers_what_is_mounted_and_everything_of_the_hub() {
    let hub = Hub::in_memory();
    let server = Server::new(hub.clone())
        .cors(Cors::AnyOrigin)
        .home("/-/app/");
    let server = server
        .mount("/-/app/shout", shout)
        .mount("/-/app/greet", greet);
    let running = Running::start(server).await;
    let address = running.address;
    assert_eq!(
        address.post("/-/app/shout", "hello").send().await.text(),
        "HELLO"
    );
    let long = address.post("/-/app/shout", "x".repeat(101)).send().await;
    assert_eq!(long.code(), "body_too_large");
    let person = address
        .fetch("/")
        .header("accept", "text/html")
        .send()
        .await;
    assert_eq!((person.status, person.header("location")), (302, "/-/app/"));
    let page = address
        .post("/chat", "x")
        .header("origin", "https://page.example");
    assert_eq!(page.send().await.header("access-control-allow-origin"), "*");

    let mut greeted = address.subscribe(Form::WebSocket, "/-/app/greet").await;
    let welcome = greeted.next_message().await;
    assert_eq!(welcome.into_text().unwrap().as_str(), "welcome");
    let mut stream = address
        .subscribe(Form::SseOverHttp2, "/chat?history=all")
        .await;
    assert_eq!(stream.next_data().await, "x");
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_its_streams_and_returns() {
    let hub = Hub::in_memory();
    let running = Running::start(Server::new(hub.clone())).await;
    let mut stream = running.address.subscribe(Form::Sse, "/chat").await;
    stream.opening().await;
    hub.publish("chat", "last words").await.unwrap();
    running.stop().await;
    assert_eq!(stream.next_data().await, "last words");
    assert!(matches!(stream.rest().await[..], [Item::Retry(_)]));
    assert_eq!(hub.subscribers(), 0);
}

#[tokio::test]
async fn what_is_published_from_inside_is_counted_like_what_comes_from_outside() {
    let hub = Hub::in_memory();
    let running = Running::start(Server::new(hub.clone())).await;
    hub.publish("chat", "from inside").await.unwrap();
    running.address.publish("/chat", "from outside").await;
    hub.end("chat").await.unwrap();
    let metrics = running.address.fetch("/-/metrics").send().await;
    assert!(
        metrics
            .text()
            .contains("fanfare_published_events_total 2\n"),
        "{}",
        metrics.text()
    );
}
