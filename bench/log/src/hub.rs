//! The real program as a child process: started, asked whether it is ready, measured, stopped.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Longer than any start that is still worth a figure.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How often is asked whether it is ready: a hundredth of the two seconds that are promised.
const READY_POLL: Duration = Duration::from_millis(2);
/// Time for a clean end.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// A running hub. Dropping it kills the process.
pub struct Hub {
    child: Child,
    pub address: SocketAddr,
    /// From the start of the process to the first 200 of `/-/health/ready`.
    pub ready_after: Duration,
}

/// Memory of a process, in MiB.
pub struct Memory {
    pub now: f64,
    pub peak: f64,
}

impl Hub {
    /// Starts the program on this folder, with retention that keeps everything.
    pub fn start(program: &Path, data: &Path) -> Result<Self> {
        let begin = Instant::now();
        let everything = u64::MAX.to_string();
        let mut child = Command::new(program)
            .args(["serve", "--open", "--quiet", "--listen", "127.0.0.1:0"])
            .args(["--history-events", &everything])
            .args(["--history-bytes", &everything])
            .args(["--history-age", "100years"])
            .arg("--data")
            .arg(data)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut line = String::new();
        let output = child.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().rsplit('/').next().unwrap_or_default();
        let address = address
            .parse()
            .with_context(|| format!("the hub did not say where it listens but {line:?}"))?;
        let mut hub = Self {
            child,
            address,
            ready_after: Duration::ZERO,
        };
        while !hub.is_ready() {
            if begin.elapsed() > READY_WITHIN {
                bail!("the hub is not ready after {READY_WITHIN:?}");
            }
            thread::sleep(READY_POLL);
        }
        hub.ready_after = begin.elapsed();
        Ok(hub)
    }

    fn is_ready(&self) -> bool {
        let answer = || -> Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.write_all(
                b"GET /-/health/ready HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n",
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        answer().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    pub fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let mib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
            Some(kib / 1024.0)
        };
        Ok(Memory {
            now: mib("VmRSS:").context("no VmRSS")?,
            peak: mib("VmHWM:").context("no VmHWM")?,
        })
    }

    /// Ends it as an operator would, and waits.
    pub fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", "TERM", &pid]).status()?;
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > STOP_WITHIN {
                bail!("the hub did not end within {STOP_WITHIN:?}");
            }
            thread::sleep(READY_POLL);
        }
        Ok(())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Drops what the kernel has cached of files; says whether it could (only root may).
pub fn drop_caches() -> bool {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}
