//! What `dev` and `serve` have in common: the hub's options, its listeners, its end.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use fanfare::{Durability, Hub, HubBuilder, Limits, RetentionRules};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

use crate::files;
use crate::limit::Limit;

/// What makes sense for a heartbeat. Less is only traffic; more, and half-open peers are found
/// later than promised, and clients that wait for three of them reconnect without end.
const HEARTBEATS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(20);

/// Options of the hub itself.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "Hub options")]
pub(crate) struct HubOptions {
    /// How long subscribers shall wait before they reconnect; each is told up to half more
    #[arg(long, env = "FANFARE_RETRY", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "2s")]
    retry: Duration,

    /// Silence after which a heartbeat keeps proxies from closing a stream; clients connect anew
    /// after two and a half of them
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

    /// Folder in which events are kept; created when there is none
    #[arg(
        long,
        env = "FANFARE_DATA",
        value_name = "FOLDER",
        default_value = "fanfare-data"
    )]
    data: PathBuf,

    /// Keep events in memory only: all of them are gone when the hub stops
    #[arg(long, conflicts_with_all = ["data", "durability", "segment_bytes"])]
    memory: bool,

    /// Connections at once; more are closed unread. Each takes an open file
    #[arg(long, env = "FANFARE_CONNECTIONS_MAX", value_name = "NUMBER", default_value_t = Limits::default().connections_max)]
    connections_max: usize,

    /// Subscribers at once; more are answered 429
    #[arg(long, env = "FANFARE_SUBSCRIBERS_MAX", value_name = "NUMBER", default_value_t = Limits::default().subscribers_max)]
    subscribers_max: usize,

    /// Set any other limit by its name; may be given more than once. `fanfare check` lists all, and
    /// what they are
    #[arg(
        long,
        env = "FANFARE_LIMIT",
        value_name = "NAME=VALUE",
        value_delimiter = ','
    )]
    limit: Vec<Limit>,

    /// What an acknowledged event survives
    #[arg(long, env = "FANFARE_DURABILITY", value_name = "LEVEL", value_enum, default_value_t = Level::Disk)]
    durability: Level,

    /// Bytes of one file of the log; for trials
    #[arg(long, value_name = "BYTES", hide = true)]
    segment_bytes: Option<u64>,

    /// Print the addresses and nothing else
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// What an acknowledged event survives, as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// A power cut: it is synced to the disk first
    Disk,
    /// A killed hub, but no power cut: it is written, and the system syncs it when it likes
    Written,
}

impl From<Level> for Durability {
    fn from(level: Level) -> Self {
        match level {
            Level::Disk => Self::Disk,
            Level::Written => Self::Written,
        }
    }
}

impl HubOptions {
    /// Where events are kept and what they survive, for those who start the hub.
    pub(crate) fn keeping(&self) -> String {
        let folder = self.data.display();
        match (self.memory, self.durability) {
            (true, _) => "Events are kept in memory and are gone when the hub stops.".to_owned(),
            (false, Level::Disk) => {
                format!("Events are kept in {folder} and survive a power cut once acknowledged.")
            }
            (false, Level::Written) => format!(
                "Events are kept in {folder} and survive a killed hub; a power cut may take the last seconds."
            ),
        }
    }

    /// Opens the hub.
    pub(crate) fn hub(&self) -> Result<Hub> {
        let (limits, note) = self.limits_here()?;
        if let Some(note) = note {
            tracing::warn!("{note}");
        }
        let builder = Hub::builder().limits(limits);
        let builder = builder.retention(self.retention());
        Ok(self.place(builder).open()?)
    }

    /// The limits that were set, and the defaults of all others.
    pub(crate) fn limits(&self) -> Result<Limits> {
        let mut limits = Limits {
            retry: self.retry,
            heartbeat: self.heartbeat,
            connections_max: self.connections_max,
            subscribers_max: self.subscribers_max,
            ..Limits::default()
        };
        Limit::apply(&self.limit, &mut limits);
        if !HEARTBEATS.contains(&limits.heartbeat) {
            bail!(
                "--heartbeat is {:?}: clients and proxies expect something between {:?} and {:?}",
                limits.heartbeat,
                HEARTBEATS.start(),
                HEARTBEATS.end()
            );
        }
        Ok(limits)
    }

    /// The folder in which the hub keeps what shall survive it, if it has one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        (!self.memory).then_some(self.data.as_path())
    }

    /// Bytes of events that are kept in memory, where they are kept nowhere else.
    pub(crate) fn history_in_memory(&self) -> Option<u64> {
        self.memory.then_some(self.history_bytes)
    }

    /// The limits as far as this machine allows them, and what it does not allow.
    pub(crate) fn limits_here(&self) -> Result<(Limits, Option<String>)> {
        let mut limits = self.limits()?;
        let note = files::fit(&mut limits);
        Ok((limits, note))
    }

    fn retention(&self) -> RetentionRules {
        let mut retention = RetentionRules::default();
        retention.hub.events_max = self.history_events;
        retention.hub.bytes_max = self.history_bytes;
        retention.hub.age_max = self.history_age;
        retention
    }

    /// Which of these options are not those that a hub was started with, besides limits, which the
    /// hub itself tells of.
    pub(crate) fn waits_for_restart(&self, before: &Self) -> Vec<&'static str> {
        let changed = [
            ("data", self.data != before.data),
            ("memory", self.memory != before.memory),
            ("durability", self.durability != before.durability),
            ("history-*", self.retention() != before.retention()),
        ];
        let changed = changed.into_iter().filter(|(_, is_changed)| *is_changed);
        changed.map(|(name, _)| name).collect()
    }

    /// Says where the hub keeps its events.
    fn place(&self, builder: HubBuilder) -> HubBuilder {
        if self.memory {
            return builder;
        }
        let builder = builder.data(&self.data).durability(self.durability.into());
        match self.segment_bytes {
            Some(segment_bytes) => builder.segment_bytes(segment_bytes),
            None => builder,
        }
    }
}

/// Connections that wait to be accepted, from the first moment on: a hub that comes back finds all
/// its subscribers there, and a full queue costs them a second each. More than the system's own
/// bound (`net.core.somaxconn`, 4,096 unless set otherwise) has no effect.
const BACKLOG: u32 = 4_096;

/// Opens a listener, or says what to change.
pub(crate) fn listen(address: SocketAddr, option: &str) -> Result<TcpListener> {
    let bound = bind(address);
    bound.with_context(|| format!("cannot listen on {address}: stop what listens there, or choose another address with {option} (port 0 takes a free one)"))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Or a hub that was stopped could not come back at its address for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
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
