//! The hub in an axum app: its own routes as a service, streams as answers of the app's routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use fanfare::{Cors, History, Hub, Limits, Problem, Response, Service, websocket};
use fanfare_testkit::{Address, Form, Item, until};
use http::HeaderMap;
use tokio::net::TcpListener;

/// Serves an app on port 0 for as long as the test runs.
async fn serve(app: Router) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address(listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn the_whole_hub_answers_beside_the_routes_of_the_app() {
    let hub = Hub::in_memory();
    let app = Router::new()
        .route("/own", get(|| async { "the app's own" }))
        .fallback_service(Service::new(&hub, Cors::SameOrigin));
    let app = serve(app).await;
    assert_eq!(app.fetch("/own").send().await.text(), "the app's own");
    let mut streams = Vec::new();
    for form in Form::ALL {
        let mut stream = app.subscribe(form, "/chat").await;
        stream.opening().await;
        streams.push(stream);
    }
    let stored = app.publish("/chat?event=note", "from outside").await;
    let receipt = hub.publish("chat", "from inside").await.unwrap();
    for mut stream in streams {
        assert_eq!(
            stream.next().await.fields(),
            (&*stored.id, "note", "from outside")
        );
        let id = receipt.id.to_string();
        assert_eq!(
            stream.next().await.fields(),
            (&*id, "message", "from inside")
        );
    }
    assert_eq!(app.fetch("/-/info").send().await.json()["name"], "fanfare");
    assert_eq!(app.fetch("/-/nothing").send().await.code(), "not_found");
}

#[tokio::test]
async fn below_a_prefix_the_prefix_is_no_part_of_the_topic() {
    let hub = Hub::in_memory();
    let app = Router::new().nest_service("/push", Service::new(&hub, Cors::AnyOrigin));
    let app = serve(app).await;
    let mut stream = app.subscribe(Form::Sse, "/push/a/b?topic=c").await;
    assert_eq!(app.publish("/push/a/b", "1").await.topic, "a/b");
    hub.publish("c", "2").await.unwrap();
    assert_eq!(stream.next_data().await, "1");
    assert_eq!(stream.next_data().await, "2");
}

#[derive(Clone)]
struct Board {
    hub: Hub,
    /// Who has left.
    gone: Arc<AtomicUsize>,
}

/// Streams a board, and notices who leaves.
async fn stream(State(board): State<Board>, headers: HeaderMap) -> Response {
    let gone = Arc::clone(&board.gone);
    let subscription = board.hub.subscribe("board").and("rooms/*");
    subscription
        .history(History::All)
        .resume(&headers)
        .on_close(move || {
            gone.fetch_add(1, Ordering::Relaxed);
        })
        .respond()
        .await
}

async fn say(State(board): State<Board>, text: String) -> Result<String, Response> {
    let receipt = board.hub.publish("board", text).await;
    let receipt = receipt.map_err(|error| Problem::from(error).into_response())?;
    Ok(receipt.id.to_string())
}

async fn board(hub: &Hub) -> (Address, Arc<AtomicUsize>) {
    let gone = Arc::new(AtomicUsize::new(0));
    let state = Board {
        hub: hub.clone(),
        gone: Arc::clone(&gone),
    };
    let app = Router::new()
        .route("/stream", get(stream))
        .route("/say", post(say));
    (serve(app.with_state(state)).await, gone)
}

#[tokio::test]
async fn a_route_answers_with_a_stream_that_resumes() {
    let hub = Hub::in_memory();
    let (app, _) = board(&hub).await;
    let first = app.post("/say", "1").send().await.text().to_owned();
    hub.publish("rooms/7", "2").await.unwrap();
    hub.publish("elsewhere", "unseen").await.unwrap();
    let mut all = app.subscribe(Form::SseOverHttp2, "/stream").await;
    assert_eq!(all.headers()["content-type"], "text/event-stream");
    let get = app.fetch("/stream").last_event_id(&first);
    let mut resumed = get.subscribe(Form::Sse).await;
    assert_eq!(all.next_data().await, "1");
    for stream in [&mut all, &mut resumed] {
        assert_eq!(stream.next_data().await, "2");
    }
    app.post("/say", "3").send().await;
    for stream in [&mut all, &mut resumed] {
        assert_eq!(stream.next_data().await, "3");
    }
}

#[tokio::test]
async fn a_publish_that_is_refused_is_a_problem_response() {
    let hub = Hub::in_memory();
    let (app, _) = board(&hub).await;
    hub.end("board").await.unwrap();
    let refused = app.post("/say", "too late").send().await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "topic_ended")
    );
}

#[tokio::test]
async fn the_app_is_told_once_when_a_subscriber_is_gone() {
    let hub = Hub::in_memory();
    let (app, gone) = board(&hub).await;
    let (mut one, mut two) = (
        app.subscribe(Form::Sse, "/stream").await,
        app.subscribe(Form::SseOverHttp2, "/stream").await,
    );
    one.opening().await;
    two.opening().await;
    assert_eq!((hub.subscribers(), gone.load(Ordering::Relaxed)), (2, 0));
    drop(one);
    until("the first to be gone", || async {
        gone.load(Ordering::Relaxed) == 1
    })
    .await;
    assert_eq!(hub.subscribers(), 1);
    hub.publish("board", "still here").await.unwrap();
    assert_eq!(two.next_data().await, "still here");
    drop(two);
    until("the second to be gone", || async {
        gone.load(Ordering::Relaxed) == 2
    })
    .await;
    assert_eq!(hub.subscribers(), 0);
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_a_problem_response() {
    let limits = Limits {
        subscribers_max: 1,
        selectors_max: 2,
        ..Limits::default()
    };
    let hub = Hub::builder().limits(limits).build();
    let _only = hub.subscribe("a").stream().await.unwrap();
    for (subscription, status) in [
        (hub.subscribe("a//b"), 400),
        (hub.subscribe("a").and("-/own"), 400),
        (hub.subscribe("a").and("b").and("c"), 400),
        (hub.subscribe("a"), 429),
    ] {
        let response = subscription.respond().await;
        assert_eq!(response.status(), status);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}

#[tokio::test]
async fn a_route_may_become_a_socket() {
    let echo = |request: axum::extract::Request| async {
        websocket::upgrade(request, |mut socket| async move {
            use futures_util::{SinkExt, StreamExt};
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    };
    let app = serve(Router::new().route("/echo", get(echo))).await;
    let mut socket = app.subscribe(Form::WebSocket, "/echo").await;
    for text in ["hello", "\u{1f600}"] {
        socket.send(text.into()).await;
        assert_eq!(
            socket.next_message().await.into_text().unwrap().as_str(),
            text
        );
    }
    assert_eq!(app.fetch("/echo").send().await.code(), "bad_upgrade");
}

#[tokio::test]
async fn the_builder_decides_what_subscribers_are_told() {
    let retry = std::time::Duration::from_millis(100);
    let heartbeat = std::time::Duration::from_millis(300);
    let hub = Hub::builder().retry(retry).heartbeat(heartbeat).build();
    let app = serve(Router::new().fallback_service(Service::new(&hub, Cors::SameOrigin))).await;
    let mut stream = app.subscribe(Form::Sse, "/a").await;
    let told = stream.opening().await.retry.unwrap();
    assert!((100..=150).contains(&told), "{told}");
    assert_eq!(stream.next_item().await, Some(Item::Heartbeat));
}
