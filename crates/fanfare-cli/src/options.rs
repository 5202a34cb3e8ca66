//! What `dev` and `serve` have in common: the hub's options, its listeners, its end.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use fanfare::{Hub, Limits, RetentionRules};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// What makes sense for a heartbeat. Less is only traffic; more, and half-open peers are found
/// later than promised, and clients that wait for three of them reconnect without end.
const HEARTBEATS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(20);

/// Options of the hub itself.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hub options")]
pub(crate) struct HubOptions {
    /// How long subscribers shall wait before they reconnect; each is told up to half more
    #[arg(long, env = "FANFARE_RETRY", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "2s")]
    retry: Duration,

    /// Silence after which a heartbeat keeps proxies from closing a stream; after 45 s without one
    /// `fanfare sub` connects anew
    #[arg(long, env = "FANFARE_HEARTBEAT", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "15s")]
    heartbeat: Duration,

    /// Keep at most so many events, over all topics
    #[arg(long, env = "FANFARE_HISTORY_EVENTS", value_name = "NUMBER", default_value_t = RetentionRules::default().hub.events_max)]
    history_events: u64,

    /// Keep at most so many bytes, over all topics
    #[arg(long, env = "FANFARE_HISTORY_BYTES", value_name = "BYTES", default_value_t = RetentionRules::default().hub.bytes_max)]
    history_bytes: u64,

    /// Keep events no longer than this
    #[arg(long, env = "FANFARE_HISTORY_AGE", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "24h")]
    history_age: Duration,

    /// Print the addresses and nothing else
    #[arg(long)]
    pub(crate) quiet: bool,
}

impl HubOptions {
    /// Builds the hub.
    pub(crate) fn hub(&self) -> Result<Hub> {
        if !HEARTBEATS.contains(&self.heartbeat) {
            bail!(
                "--heartbeat is {:?}: clients and proxies expect something between {:?} and {:?}",
                self.heartbeat,
                HEARTBEATS.start(),
                HEARTBEATS.end()
            );
        }
        let mut retention = RetentionRules::default();
        retention.hub.events_max = self.history_events;
        retention.hub.bytes_max = self.history_bytes;
        retention.hub.age_max = self.history_age;
        let limits = Limits {
            retry: self.retry,
            heartbeat: self.heartbeat,
            ..Limits::default()
        };
        Ok(Hub::builder().limits(limits).retention(retention).build())
    }
}

/// Opens a listener, or says what to change.
pub(crate) async fn listen(address: SocketAddr, option: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}: stop what listens there, or choose another address with {option} (port 0 takes a free one)"))
}

/// Resolves when the process is asked to stop: SIGTERM, or SIGINT from the terminal.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: streams end, requests in flight finish");
    })
}
