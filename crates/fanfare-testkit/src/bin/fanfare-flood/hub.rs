//! The hub as a child process: its doors, its memory and its processor time.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::RootCertStore;

use crate::door::Door;

/// How often memory is looked at: a flood that is over in a moment must not hide its peak.
const LOOK: Duration = Duration::from_millis(5);
/// The kernel counts processor time in hundredths of a second (proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// What a hub is started with besides its folder.
pub(crate) struct Start {
    /// Whether it listens with TLS.
    pub(crate) is_tls: bool,
    /// Open files that it may have.
    pub(crate) descriptors: Option<u64>,
}

/// A running hub; killed when dropped.
pub(crate) struct Hub {
    child: Child,
    door: Door,
}

impl Hub {
    /// Starts a hub on an empty folder.
    pub(crate) fn start(program: &Path, folder: &Path, start: &Start) -> Self {
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap();
        }
        fs::create_dir_all(folder).unwrap();
        let mut command = match start.descriptors {
            None => Command::new(program),
            Some(descriptors) => {
                let mut limited = Command::new("prlimit");
                limited.arg(format!("--nofile={descriptors}:{descriptors}"));
                limited.arg(program);
                limited
            }
        };
        command.args(["serve", "--open", "--quiet", "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(folder.join("events"));
        let roots = start.is_tls.then(|| certify(&mut command, folder));
        let log = fs::File::create(folder.join("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().expect("the hub starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("the hub has an output");
        BufReader::new(output).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("://").next().unwrap_or_default();
        let address: SocketAddr = address
            .parse()
            .unwrap_or_else(|_| panic!("the hub said {line:?}"));
        Self {
            child,
            door: Door::new(address, roots),
        }
    }

    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process is still the one that was started.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // An error means that it is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A certificate for this hub alone, and who trusts it.
fn certify(command: &mut Command, folder: &Path) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    command.arg("--tls-cert").arg(certificate);
    command.arg("--tls-key").arg(key);
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    roots
}

/// Resident memory of a process; nothing when it is gone.
pub(crate) fn rss_kib(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time that a process has used so far (proc(5): fields 14 and 15).
fn cpu(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let after_name = stat.rsplit(')').next()?;
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|text| text.parse::<u64>().ok()).sum();
    Some(TICK * u32::try_from(ticks).ok()?)
}

/// Watches a process for a while.
pub(crate) struct Watch {
    id: u32,
    began: Instant,
    cpu: Duration,
    peak_kib: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    looking: JoinHandle<()>,
}

/// What was seen of a process meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) took: Duration,
    /// Of one processor.
    pub(crate) cpu_share: f64,
    pub(crate) peak_kib: u64,
}

impl Watch {
    pub(crate) fn of(id: u32) -> Self {
        let peak_kib = Arc::new(AtomicU64::new(rss_kib(id).unwrap_or_default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let looking = thread::spawn({
            let (peak_kib, is_over) = (Arc::clone(&peak_kib), Arc::clone(&is_over));
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    peak_kib.fetch_max(rss_kib(id).unwrap_or_default(), Ordering::Relaxed);
                    thread::park_timeout(LOOK);
                }
            }
        });
        Self {
            id,
            began: Instant::now(),
            cpu: cpu(id).unwrap_or_default(),
            peak_kib,
            is_over,
            looking,
        }
    }

    pub(crate) fn end(self) -> Seen {
        let took = self.began.elapsed();
        let used = cpu(self.id).unwrap_or_default().saturating_sub(self.cpu);
        self.is_over.store(true, Ordering::Relaxed);
        self.looking.join().unwrap();
        Seen {
            took,
            cpu_share: used.as_secs_f64() / took.as_secs_f64(),
            peak_kib: self.peak_kib.load(Ordering::Relaxed),
        }
    }
}
