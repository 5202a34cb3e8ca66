//! The servers that are measured: each as a process of its own, started, watched and ended here.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::cores::{self, Cores};

/// Longer than any start here; nothing has history to read.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Time for a clean end, with the last segment to be sealed.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// How often a start and an end are looked at.
const POLL: Duration = Duration::from_millis(10);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nchan in memory, with so many worker processes.
    Nchan(usize),
    /// Fanfare, with what its acknowledged events survive.
    Fanfare(&'static str),
}

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::Nchan(1),
        Self::Nchan(2),
        Self::Fanfare("memory"),
        Self::Fanfare("written"),
        Self::Fanfare("disk"),
    ];

    pub fn name(self) -> String {
        match self {
            Self::Nchan(1) => "Nchan, memory, 1 worker".to_owned(),
            Self::Nchan(workers) => format!("Nchan, memory, {workers} workers"),
            Self::Fanfare("memory") => "Fanfare, memory".to_owned(),
            Self::Fanfare("written") => "Fanfare, written".to_owned(),
            Self::Fanfare(_) => "Fanfare, **disk**".to_owned(),
        }
    }
}

/// Where the servers' programs and files are.
pub struct Place {
    pub fanfare: PathBuf,
    pub nginx: PathBuf,
    pub nchan_module: PathBuf,
    /// Emptied for each server.
    pub dir: PathBuf,
}

/// A running server. Dropping it kills the process.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// The path in front of the topic's number.
    pub prefix: &'static str,
}

impl Server {
    /// Starts a server in an empty folder, on the given cores, and waits until it listens.
    pub fn start(kind: Kind, place: &Place, cores: Cores) -> Result<Self> {
        let dir = place.dir.join(match kind {
            Kind::Nchan(workers) => format!("nchan-{workers}"),
            Kind::Fanfare(durability) => format!("fanfare-{durability}"),
        });
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        match kind {
            Kind::Nchan(workers) => nchan(place, &dir, workers, cores),
            Kind::Fanfare(durability) => fanfare(&place.fanfare, &dir, durability, cores),
        }
    }

    /// CPU time of the process and its children so far.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.child.id())
    }

    /// Ends it as an operator would, and waits.
    pub fn stop(mut self) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > STOP_WITHIN {
                bail!("a server did not end within {STOP_WITHIN:?}");
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn fanfare(program: &Path, dir: &Path, durability: &str, cores: Cores) -> Result<Server> {
    let mut command = Command::new(program);
    command.args(["serve", "--open", "--quiet", "--listen", "127.0.0.1:0"]);
    match durability {
        "memory" => command.arg("--memory"),
        level => command.args(["--durability", level, "--data"]).arg(dir),
    };
    let mut child = spawn(command.stdout(Stdio::piped()), cores)?;
    let output = child.stdout.take().context("its output is piped")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let address = line.trim().rsplit('/').next().unwrap_or_default();
    let address = address
        .parse()
        .with_context(|| format!("Fanfare did not say where it listens but {line:?}"))?;
    Ok(Server {
        child,
        address,
        prefix: "/bench-",
    })
}

fn nchan(place: &Place, dir: &Path, workers: usize, cores: Cores) -> Result<Server> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    drop(listener);
    let config = nchan_config(&place.nchan_module, workers, address);
    fs::write(dir.join("nginx.conf"), config)?;
    let dir = dir.canonicalize()?;
    let mut command = Command::new(&place.nginx);
    command.arg("-p").arg(&dir).arg("-c").arg("nginx.conf");
    let mut server = Server {
        child: spawn(&mut command, cores)?,
        address,
        prefix: "/pub/bench-",
    };
    let begin = Instant::now();
    while TcpStream::connect(address).is_err() {
        if begin.elapsed() > READY_WITHIN || server.child.try_wait()?.is_some() {
            bail!("nginx does not listen: see {}/error.log", dir.display());
        }
        thread::sleep(POLL);
    }
    Ok(server)
}

/// A publisher's location as Nchan's README has it, with nothing in its way: no access log, and
/// connections that are never closed. A channel keeps 1,000 messages instead of 10, which changes
/// its figures by less than they vary.
fn nchan_config(module: &Path, workers: usize, address: SocketAddr) -> String {
    let module = module.display();
    format!(
        "load_module {module};
daemon off;
worker_processes {workers};
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    nchan_shared_memory_size 512m;
    server {{
        listen {address} backlog=1024;
        location ~ ^/pub/([A-Za-z0-9-]+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
            nchan_message_buffer_length 1000;
            nchan_message_timeout 1h;
        }}
    }}
}}
"
    )
}

fn spawn(command: &mut Command, cores: Cores) -> Result<Child> {
    // A child inherits the cores of the thread that starts it.
    let spawned = cores::on(cores, || command.process_group(0).spawn())?;
    spawned.with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// CPU time of a process, all its threads and its children. The clock of the scheduler is exact;
/// that of `stat` counts ticks.
fn cpu(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        let times = fs::read_to_string(task.join("schedstat"))?;
        let ns = times.split_whitespace().next().unwrap_or_default();
        sum += Duration::from_nanos(ns.parse()?);
        let children = fs::read_to_string(task.join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            sum += cpu(child.parse()?)?;
        }
    }
    Ok(sum)
}
