//! The hub as a child process: how it starts, what it says of itself, how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::command::{ask, run, words};

/// How the programs are built.
#[derive(Clone, Copy, Default)]
pub(crate) enum Build {
    /// As they are released: what is written down is found with these.
    #[default]
    Release,
    /// As tests are built, with every assertion, and in a fraction of the time.
    Debug,
}

/// A port that the system chooses.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Nothing is ever trimmed, so that whatever is missing at the end was lost.
pub(super) const KEEP_ALL: &str =
    "--history-age 10000h --history-events 1000000000 --history-bytes 1000000000000";

/// The smallest segments that there are, so that a run of seconds rolls over many.
pub(super) const SMALL_SEGMENTS: &str = "--segment-bytes 1048576";

/// What any log has to be ready in, after whatever happened to it.
pub(super) const READY_MAX: Duration = Duration::from_secs(2);
/// How long a hub that is late is waited for, so that lateness is told from absence.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a hub is asked; its start is told to the millisecond all the same.
const POLL: Duration = Duration::from_millis(1);

/// Programs that were built.
#[derive(Clone, Copy)]
pub(super) struct Programs {
    folder: &'static str,
}

/// A running hub. Dropping it kills it.
pub(super) struct Hub {
    child: Child,
    programs: Programs,
    pub(super) address: SocketAddr,
    /// From the start of the process until a publish would be stored.
    pub(super) ready: Duration,
}

impl Build {
    /// Builds what campaigns start. The hub comes last and by itself, so that it has its own
    /// features only, as it is released.
    pub(super) fn make(self) -> Result<Programs> {
        let (folder, lines) = match self {
            Self::Release => (
                "target/release",
                [
                    "cargo build --release --package fanfare-testkit --bins",
                    "cargo build --release --package fanfare-cli",
                ],
            ),
            // The whole workspace, because the tests have built just that already.
            Self::Debug => (
                "target/debug",
                [
                    "cargo build --workspace --bins",
                    "cargo build --package fanfare-cli",
                ],
            ),
        };
        lines.iter().try_for_each(|line| run(&mut words(line)))?;
        Ok(Programs { folder })
    }
}

impl Programs {
    pub(super) fn hub(self) -> PathBuf {
        self.path("fanfare")
    }

    /// Publishers, subscribers and the checker.
    pub(super) fn load(self) -> PathBuf {
        self.path("fanfare-load")
    }

    /// A program by its name.
    pub(super) fn path(self, name: &str) -> PathBuf {
        Path::new(self.folder).join(name)
    }

    /// A hub on a free port over this folder, still to be started.
    pub(super) fn serve(self, folder: &Path, options: &str) -> Command {
        self.serve_at(ANY_PORT, folder, options)
    }

    fn serve_at(self, listen: SocketAddr, folder: &Path, options: &str) -> Command {
        let mut command = Command::new(self.hub());
        command.args(["serve", "--open", "--quiet", "--listen"]);
        command.arg(listen.to_string()).arg("--data").arg(folder);
        command.args(options.split_whitespace());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

impl Hub {
    /// Starts a hub on a free port and waits until it is ready.
    pub(super) fn start(programs: Programs, folder: &Path, options: &str) -> Result<Self> {
        Self::start_at(programs, ANY_PORT, folder, options)
    }

    /// Starts a hub where this one was, and waits until it is ready.
    pub(super) fn start_again(&self, folder: &Path, options: &str) -> Result<Self> {
        Self::start_at(self.programs, self.address, folder, options)
    }

    fn start_at(
        programs: Programs,
        listen: SocketAddr,
        folder: &Path,
        options: &str,
    ) -> Result<Self> {
        let began = Instant::now();
        let mut child = programs
            .serve_at(listen, folder, options)
            .spawn()
            .context("cannot start the hub")?;
        let address = match address(&mut child) {
            Ok(address) => address,
            Err(error) => {
                child.kill().ok();
                child.wait().ok();
                return Err(error);
            }
        };
        let mut hub = Self {
            child,
            programs,
            address,
            ready: Duration::ZERO,
        };
        hub.wait_for("ready", |status, _| status == 200)?;
        hub.ready = began.elapsed();
        Ok(hub)
    }

    /// Ends it as the system does when it has no memory left: at once.
    pub(super) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends it as an operator does.
    pub(super) fn stop(mut self) -> Result<()> {
        self.ask_to_stop()?;
        self.check_end()
    }

    /// Tells it to stop, and does not wait for it.
    pub(super) fn ask_to_stop(&self) -> Result<()> {
        ask(&mut words(&format!("kill -s TERM {}", self.child.id()))).map(drop)
    }

    /// Waits for the end of a hub that was told to stop.
    pub(super) fn check_end(&mut self) -> Result<()> {
        let status = self.child.wait()?;
        ensure!(status.success(), "the hub ended with {status}");
        Ok(())
    }

    /// Whether the process is still the one that was started.
    pub(super) fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits until the answer of its readiness is as expected, and gives the body of the answer.
    pub(super) fn wait_for(
        &self,
        what: &str,
        is_expected: impl Fn(u16, &str) -> bool,
    ) -> Result<String> {
        let began = Instant::now();
        loop {
            let answer = self.fetch("/-/health/ready");
            match answer {
                Ok((status, body)) if is_expected(status, &body) => return Ok(body),
                _ if began.elapsed() < PATIENCE => sleep(POLL),
                answer => bail!("the hub is not {what}: {answer:?}"),
            }
        }
    }

    /// Asks for a path, on a connection of its own.
    pub(super) fn fetch(&self, path: &str) -> Result<(u16, String)> {
        self.ask(&format!("GET {path} HTTP/1.1"), "")
    }

    /// Publishes one event.
    pub(super) fn publish(&self, topic: &str, body: &str) -> Result<(u16, String)> {
        self.ask(&format!("POST /{topic} HTTP/1.1"), body)
    }

    fn ask(&self, request: &str, body: &str) -> Result<(u16, String)> {
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        let head = format!(
            "{request}\r\nHost: hub\r\nConnection: close\r\nAccept: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        socket.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((status.context("no status")?, body.to_owned()))
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // An error means that it is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The address that a hub says it listens on. Its first line has it.
fn address(child: &mut Child) -> Result<SocketAddr> {
    let output = child.stdout.take().context("the hub has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let url = line.split("http://").nth(1);
    let address = url.with_context(|| format!("the hub said {line:?}"))?;
    Ok(address.trim().parse()?)
}
