//! Running servers: each a process of its own, started on its cores, watched, and ended here.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fanfare_bench::cores::{self, Cores};
use fanfare_bench::{Target, usage};
use rustix::process::{Pid, Signal, kill_process};

/// Longer than any start here; nothing has history to read.
pub const READY_WITHIN: Duration = Duration::from_secs(20);
/// Time for a clean end.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// How often a start and an end are looked at.
pub const POLL: Duration = Duration::from_millis(10);

/// Ends what is running when this process is told to end. Servers are in groups of their own, so
/// that no signal from a terminal reaches them.
pub fn end_on_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
    let [mut interrupt, mut terminate] = {
        let _guard = runtime.enter();
        kinds.map(signal)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(interrupt), Ok(terminate)) = (&mut interrupt, &mut terminate) else {
                return;
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let family = usage::family(&[std::process::id()]).unwrap_or_default();
            end(family.get(1..).unwrap_or_default());
            std::process::exit(130);
        });
    });
    Ok(())
}

/// Where programs and files are.
#[derive(Clone, Debug)]
pub struct Place {
    pub fanfare: PathBuf,
    pub nginx: PathBuf,
    pub nchan_module: PathBuf,
    /// The folder with the other programs of this benchmark.
    pub programs: PathBuf,
    /// The folder with the servers' sources.
    pub sources: PathBuf,
    /// Emptied for each server.
    pub dir: PathBuf,
}

/// A running server. Dropping it ends the process.
pub struct Server {
    child: Child,
    pub target: Target,
    /// The path under which a subscriber gets all that a topic has.
    pub history: Option<String>,
}

impl Server {
    pub fn new(child: Child, target: Target) -> Self {
        Self {
            child,
            target,
            history: None,
        }
    }

    pub fn with_history(mut self, path: String) -> Self {
        self.history = Some(path);
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as an operator would, and waits.
    pub fn stop(mut self) -> Result<()> {
        let family = self.family();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > STOP_WITHIN {
                bail!("a server did not end within {STOP_WITHIN:?}");
            }
            thread::sleep(POLL);
        }
        end(&family[1..]);
        Ok(())
    }

    /// Its processes. Some servers put theirs in groups of their own.
    fn family(&self) -> Vec<u32> {
        let pid = self.child.id();
        usage::family(&[pid]).unwrap_or_else(|_| vec![pid])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then it is not reaped yet, and its number is its own.
        if matches!(self.child.try_wait(), Ok(None)) {
            end(&self.family());
        }
        drop(self.child.wait());
    }
}

/// Ends what is left of a server.
fn end(family: &[u32]) {
    for pid in family {
        if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
            // Most have ended with their parent.
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

/// Starts a process on the given cores, in a group of its own.
pub fn spawn(command: &mut Command, cores: Cores) -> Result<Child> {
    // A child inherits the cores of the thread that starts it.
    let spawned = cores::on(cores, || command.process_group(0).spawn())?;
    spawned.with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// Starts a process that prints its address in its first line, and reads that.
pub fn spawn_talking(command: &mut Command, cores: Cores) -> Result<(Child, SocketAddr)> {
    let mut child = spawn(command.stdout(Stdio::piped()), cores)?;
    let output = child.stdout.take().context("its output is piped")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let address = line.trim().rsplit('/').next().unwrap_or_default();
    let address = address.parse();
    Ok((
        child,
        address.with_context(|| format!("no address in {line:?}"))?,
    ))
}

/// Waits until somebody listens at an address.
pub fn wait_for(child: &mut Child, address: SocketAddr) -> Result<()> {
    let begin = Instant::now();
    while TcpStream::connect(address).is_err() {
        if begin.elapsed() > READY_WITHIN || child.try_wait()?.is_some() {
            bail!("nobody listens at {address}");
        }
        thread::sleep(POLL);
    }
    Ok(())
}
