//! crates.io `eventsource-client`: it reconnects and resumes by itself.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use eventsource_client::{Client, ClientBuilder, ReconnectOptions, SSE};
use futures::StreamExt;
use launchdarkly_sdk_transport::HyperTransport;
use serde_json::{Value, json};

/// The status by which the hub says that a stream is over for good.
const NO_CONTENT: u16 = 204;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args()
        .nth(1)
        .ok_or("the URL of the stream is missing")?;
    // Its own backoff doubles up to a minute; ten cuts shall not cost minutes.
    let reconnect = ReconnectOptions::reconnect(true)
        .retry_initial(true)
        .delay(Duration::from_millis(100))
        .backoff_factor(1)
        .build();
    let transport = HyperTransport::builder().disable_proxy().build_http()?;
    let client = ClientBuilder::for_url(&url)?
        .reconnect(reconnect)
        .build_with_transport(transport);

    let mut stream = client.stream();
    while let Some(item) = stream.next().await {
        match item {
            // The client takes a 204 for an open stream and would ask again for ever.
            Ok(SSE::Connected(connection)) if connection.response().status() == NO_CONTENT => {
                return print(&json!({ "over": "adapter" }));
            }
            Ok(SSE::Connected(_)) => print(&json!({ "open": true }))?,
            Ok(SSE::Event(event)) => {
                print(&json!({ "id": event.id, "event": event.event_type, "data": event.data }))?;
            }
            // Comments carry nothing, and after an error the client comes back by itself.
            Ok(SSE::Comment(_)) | Err(_) => {}
        }
    }
    print(&json!({ "over": "client" }))
}

fn print(line: &Value) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
