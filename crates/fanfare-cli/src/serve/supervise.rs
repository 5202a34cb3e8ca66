//! What the hub tells who started it, as `sd_notify(3)` has it: that it is there, that it still
//! does its work, that it stops. Where nobody asks, nothing is told.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use fanfare::{Health, Hub};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Where a supervisor listens.
const SOCKET: &str = "NOTIFY_SOCKET";
/// How often it wants to be told, in microseconds, and which process shall do so.
const WATCHDOG: (&str, &str) = ("WATCHDOG_USEC", "WATCHDOG_PID");
/// Of that time, one check may take a half: then one that comes late is still told in time.
const SHARE: u32 = 2;

/// Says that the hub is ready, then again and again that it works, until `stop` resolves; then that
/// it stops. To be awaited by who serves: the first thing it does when it is polled is to say so.
pub(crate) async fn told(hub: Hub, stop: impl Future<Output = ()>) {
    let Some(supervisor) = Supervisor::of_environment() else {
        return stop.await;
    };
    supervisor.tell("READY=1");
    tokio::select! {
        () = stop => {}
        () = supervisor.watch(&hub) => {}
    }
    supervisor.tell("STOPPING=1");
}

/// Says that files are read anew while that is so.
pub(crate) fn reloads(read: impl FnOnce()) {
    let supervisor = Supervisor::of_environment();
    let tell = |word| {
        if let Some(supervisor) = &supervisor {
            supervisor.tell(word);
        }
    };
    tell("RELOADING=1");
    read();
    tell("READY=1");
}

/// Who started the hub and wants to know how it is.
struct Supervisor {
    socket: UnixDatagram,
    address: OsString,
    /// How often.
    every: Option<Duration>,
}

impl Supervisor {
    fn of_environment() -> Option<Self> {
        let address = env::var_os(SOCKET).filter(|address| !address.is_empty())?;
        let socket = UnixDatagram::unbound().and_then(|socket| {
            // A supervisor that does not read must not stop the hub.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => Some(Self {
                socket,
                address,
                every: every(),
            }),
            Err(error) => {
                tracing::warn!(%error, "cannot tell the supervisor anything");
                None
            }
        }
    }

    /// Checks the hub and tells that it works, for ever. A hub that neither stores nor refuses, or
    /// that only a restart helps, is not told of: the supervisor ends it when its time is over.
    async fn watch(&self, hub: &Hub) {
        let Some(every) = self.every else {
            return std::future::pending().await;
        };
        let every = every / SHARE;
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut trouble = None;
        loop {
            ticks.tick().await;
            let found = match timeout(every, hub.check()).await {
                Ok(Health::Works | Health::Refuses(_)) => None,
                Ok(Health::Broken(reason)) => Some(reason),
                Err(_elapsed) => Some(format!("a publish was not answered within {every:?}")),
            };
            match &found {
                None => self.tell("WATCHDOG=1"),
                // Once, not each time.
                Some(reason) if trouble.is_none() => {
                    tracing::error!(
                        reason,
                        "the hub does not do its work; the watchdog is not fed"
                    );
                }
                Some(_) => {}
            }
            trouble = found;
        }
    }

    fn tell(&self, word: &str) {
        // Who does not listen is not worth an end; a supervisor that misses a word acts on it.
        if let Err(error) = send(&self.socket, &self.address, word) {
            tracing::warn!(%error, word, "the supervisor could not be told");
        }
    }
}

/// How often the supervisor wants to be told, if it is this process that shall do so.
fn every() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let micros = number(WATCHDOG.0).filter(|micros| *micros > 0)?;
    let is_ours = env::var_os(WATCHDOG.1).is_none()
        || number(WATCHDOG.1) == Some(u64::from(std::process::id()));
    is_ours.then(|| Duration::from_micros(micros))
}

#[cfg(target_os = "linux")]
fn send(socket: &UnixDatagram, address: &OsStr, word: &str) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::SocketAddr;
    // A name that is in no folder (unix(7)).
    match address.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.send_to_addr(word.as_bytes(), &SocketAddr::from_abstract_name(name)?),
        None => socket.send_to(word.as_bytes(), address),
    }
    .map(drop)
}

#[cfg(not(target_os = "linux"))]
fn send(socket: &UnixDatagram, address: &OsStr, word: &str) -> io::Result<()> {
    socket.send_to(word.as_bytes(), address).map(drop)
}
