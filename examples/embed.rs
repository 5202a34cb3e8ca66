//! A chat of your own: `cargo run -p fanfare --example embed`, then, in two terminals,
//! `curl -N localhost:3000/events` and `curl -d Hello localhost:3000/say`.

use axum::{Router, extract::State, http::HeaderMap, routing};
use fanfare::{Hub, Response};

async fn events(State(hub): State<Hub>, headers: HeaderMap) -> Response {
    hub.subscribe("chat").resume(&headers).respond().await
}

async fn say(State(hub): State<Hub>, text: String) -> Result<String, String> {
    let sent = hub.publish("chat", text).await;
    sent.map(|it| it.id.to_string()).map_err(|e| e.to_string())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (events, say) = (routing::get(events), routing::post(say));
    let router = Router::new().route("/events", events).route("/say", say);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, router.with_state(Hub::in_memory())).await
}
