//! One stream under test, and the reports of what it brings.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use fanfare_client::{Client, RetryPolicy, Subscribe, Update};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    stream_url: String,
    callback_url: String,
    initial_delay_ms: Option<u64>,
    read_timeout_ms: Option<u64>,
    #[serde(default)]
    last_event_id: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    method: Option<String>,
    #[serde(default)]
    body: String,
}

/// A stream that is followed until it is told to end.
pub struct Running {
    types: Arc<Mutex<HashSet<String>>>,
    restart: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Running {
    pub fn start(params: Params) -> Result<Self> {
        let types = Arc::new(Mutex::new(HashSet::from(["message".to_owned()])));
        let restart = Arc::new(Notify::new());
        let subscribe = subscribe(&params)?;
        let reports = Reports::new(params.callback_url);
        let id = params.last_event_id;
        let follow = follow(
            subscribe,
            id,
            Arc::clone(&types),
            Arc::clone(&restart),
            reports,
        );
        Ok(Self {
            types,
            restart,
            task: tokio::spawn(follow),
        })
    }

    pub fn restart(&self) {
        self.restart.notify_one();
    }

    pub fn listen(&self, event_type: String) {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.insert(event_type);
    }

    pub fn end(&self) {
        self.task.abort();
    }
}

fn subscribe(params: &Params) -> Result<Subscribe> {
    let mut fields = HeaderMap::new();
    for (name, value) in &params.headers {
        fields.insert(name.parse::<HeaderName>()?, HeaderValue::from_str(value)?);
    }
    let url: http::Uri = params.stream_url.parse()?;
    let origin = format!(
        "{}://{}",
        url.scheme_str().unwrap_or("http"),
        url.authority().map_or("", |it| it.as_str())
    );
    let client = Client::new(&origin)?.with_credentials(move |_| {
        let fields = fields.clone();
        async move { Ok(fields) }
    });
    let mut policy = RetryPolicy::default();
    if let Some(ms) = params.initial_delay_ms {
        policy.first = Duration::from_millis(ms);
    }
    let mut subscribe = client
        .follow(&params.stream_url)?
        .with_comments()
        .retry(policy);
    if let Some(ms) = params.read_timeout_ms {
        subscribe = subscribe.idle_timeout(Duration::from_millis(ms));
    }
    if let Some(method) = &params.method {
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())?;
        subscribe = subscribe.asking(method, params.body.clone());
    }
    Ok(subscribe)
}

async fn follow(
    subscribe: Subscribe,
    mut id: String,
    types: Arc<Mutex<HashSet<String>>>,
    restart: Arc<Notify>,
    mut reports: Reports,
) {
    loop {
        let subscriber = subscribe.clone().resume_after(id.as_str()).open();
        let mut subscriber = match subscriber {
            Ok(subscriber) => subscriber,
            Err(error) => return reports.error(&error.to_string()).await,
        };
        loop {
            let update = tokio::select! {
                update = subscriber.next() => update,
                () = restart.notified() => break,
            };
            match update {
                None => return,
                Some(Err(error)) => return reports.error(&error.to_string()).await,
                Some(Ok(update)) => reports.tell(update, &types).await,
            }
        }
        id = subscriber.last_event_id().to_owned();
    }
}

/// Posts what happened, one after the other.
struct Reports {
    url: String,
    count: u32,
    http: Http<HttpConnector, Full<Bytes>>,
}

impl Reports {
    fn new(url: String) -> Self {
        Self {
            url,
            count: 0,
            http: Http::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Reports an update, unless it is an event of a type that nobody listens to.
    async fn tell(&mut self, update: Update, types: &Mutex<HashSet<String>>) {
        if let Some(event) = update.event() {
            let types = types.lock().unwrap_or_else(PoisonError::into_inner);
            if !types.contains(&event.event_type) {
                return;
            }
        }
        match update {
            Update::Comment(text) => {
                self.send(json!({ "kind": "comment", "comment": text }))
                    .await
            }
            Update::Waiting { why, .. } => self.error(&why.to_string()).await,
            Update::TooLarge(bytes) => {
                let text = format!("an event is larger than {bytes} bytes");
                self.error(&text).await;
            }
            update => {
                if let Some(event) = update.event() {
                    let event =
                        json!({ "type": event.event_type, "data": event.data, "id": event.id });
                    let report = json!({ "kind": "event", "event": event });
                    self.send(report).await;
                }
            }
        }
    }

    async fn error(&mut self, text: &str) {
        self.send(json!({ "kind": "error", "error": text })).await;
    }

    async fn send(&mut self, report: Value) {
        self.count += 1;
        let url = format!("{}/{}", self.url, self.count);
        let body = Full::new(Bytes::from(report.to_string()));
        let request = Request::post(&url)
            .header("content-type", "application/json")
            .body(body);
        let Ok(request) = request else {
            return;
        };
        match self.http.request(request).await {
            Ok(response) => drop(response.into_body().collect().await),
            // The harness has left; there is nobody to tell.
            Err(error) => eprintln!("{url}: {error}"),
        }
    }
}
