//! The Rust client behind the protocol of the SSE contract tests (../README.md).

mod stream;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use clap::Parser;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;

use crate::stream::{Params, Running};

const CAPABILITIES: [&str; 10] = [
    "bom",
    "comments",
    "headers",
    "last-event-id",
    "post",
    "report",
    "read-timeout",
    "restart",
    "event-type-listeners",
    "server-directed-shutdown-request",
];

#[derive(Parser)]
struct Cli {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
}

#[derive(Clone, Default)]
struct Service {
    streams: Arc<Mutex<HashMap<usize, Running>>>,
    over: Arc<Notify>,
}

impl Service {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<usize, Running>) -> T) -> T {
        work(&mut self.streams.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
enum Command {
    Restart,
    Listen { listen: Listen },
}

#[derive(Deserialize)]
struct Listen {
    r#type: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let listener = tokio::net::TcpListener::bind(Cli::parse().listen).await?;
    println!("http://{}", listener.local_addr()?);
    let service = Service::default();
    let app = Router::new()
        .route("/", get(tell).post(open).delete(quit))
        .route("/streams/{number}", post(command).delete(close))
        .with_state(service.clone());
    let over = async move { service.over.notified().await };
    axum::serve(listener, app)
        .with_graceful_shutdown(over)
        .await?;
    Ok(())
}

async fn tell() -> impl IntoResponse {
    axum::Json(json!({ "name": "fanfare-client (Rust)", "capabilities": CAPABILITIES }))
}

async fn open(State(service): State<Service>, body: String) -> impl IntoResponse {
    let params: Params = match serde_json::from_str(&body) {
        Ok(params) => params,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let running = match Running::start(params) {
        Ok(running) => running,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let number = service.with(|streams| {
        let number = streams.len() + 1;
        streams.insert(number, running);
        number
    });
    let location = [(header::LOCATION, format!("/streams/{number}"))];
    (StatusCode::CREATED, location).into_response()
}

async fn command(
    State(service): State<Service>,
    Path(number): Path<usize>,
    body: String,
) -> StatusCode {
    let Ok(command) = serde_json::from_str(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    service.with(|streams| match (streams.get(&number), command) {
        (None, _) => StatusCode::NOT_FOUND,
        (Some(running), Command::Restart) => {
            running.restart();
            StatusCode::ACCEPTED
        }
        (Some(running), Command::Listen { listen }) => {
            running.listen(listen.r#type);
            StatusCode::ACCEPTED
        }
    })
}

async fn close(State(service): State<Service>, Path(number): Path<usize>) -> StatusCode {
    match service.with(|streams| streams.get(&number).map(Running::end)) {
        Some(()) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn quit(State(service): State<Service>) -> StatusCode {
    service.with(|streams| streams.values().for_each(Running::end));
    service.over.notify_one();
    StatusCode::NO_CONTENT
}
