//! The hub under test: a child process of the real binary, and what the system says of it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wire::{Answer, read_answer};
use super::{request, wire};
use crate::folder::DataFolder;

/// A running hub; killed when dropped.
pub(super) struct Hub {
    child: Child,
    pub(super) plain: SocketAddr,
    pub(super) tls: Option<SocketAddr>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    _data: DataFolder,
}

impl Hub {
    /// `fanfare dev` on free ports.
    pub(super) fn dev(options: &[impl AsRef<OsStr>]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.args("dev --listen 127.0.0.1:0 --tls-listen 127.0.0.1:0 --quiet".split(' '));
        command.args(options);
        Self::start(command)
    }

    /// Any command that becomes a hub.
    pub(super) fn start(mut command: Command) -> Self {
        let data = DataFolder::new();
        let mut child = command
            .env("FANFARE_DATA", data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut err = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&log);
        let reader = thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(len @ 1..) = err.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..len]);
                sink.lock().unwrap().push_str(&text);
            }
        });
        let mut address = |scheme: &str| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let address = line.trim_end().rsplit(scheme).next();
            let parsed = address.and_then(|address| address.parse().ok());
            parsed.unwrap_or_else(|| panic!("no address in {line:?}: {}", log.lock().unwrap()))
        };
        let plain = address("http://");
        let has_twin = command.get_args().any(|argument| argument == "dev");
        let tls = has_twin.then(|| address("https://"));
        Self {
            child,
            plain,
            tls,
            log,
            reader: Some(reader),
            _data: data,
        }
    }

    /// A connection that gives up when nothing comes.
    pub(super) fn connect(&self) -> TcpStream {
        wire::connect(self.plain)
    }

    /// Sends bytes on a new connection and reads one answer.
    pub(super) fn exchange(&self, sent: &[u8]) -> Answer {
        let mut socket = self.connect();
        wire::send(&mut socket, sent);
        read_answer(&mut socket)
    }

    /// Everything that is stored of a topic.
    pub(super) fn events(&self, topic: &str) -> Vec<Value> {
        let target = format!("/{topic}?history=all&limit=100000");
        let answer = self.exchange(&request("GET", target, "Accept: application/json\r\n", b""));
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Every topic with the number of its events.
    pub(super) fn topics(&self) -> Vec<(String, u64)> {
        let answer = self.exchange(&request("GET", "/-/topics", "", b""));
        let listing: Value = serde_json::from_slice(&answer.body).unwrap();
        let entries = listing["topics"].as_array().unwrap();
        let entry = |entry: &Value| {
            let name = entry["topic"].as_str().unwrap().to_owned();
            (name, entry["count"].as_u64().unwrap())
        };
        entries.iter().map(entry).collect()
    }

    /// The sum of a metric over its labels.
    pub(super) fn metric(&self, name: &str) -> i64 {
        let answer = self.exchange(&request("GET", "/-/metrics", "", b""));
        let text = String::from_utf8(answer.body).unwrap();
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        let number = |line: &str| line.rsplit(' ').next()?.parse::<i64>().ok();
        lines.filter_map(number).sum()
    }

    /// Waits until a metric has a value, and says how long that took.
    pub(super) fn await_metric(&self, name: &str, wanted: i64, deadline: Duration) -> Duration {
        let start = Instant::now();
        loop {
            let found = self.metric(name);
            if found == wanted {
                return start.elapsed();
            }
            assert!(
                start.elapsed() < deadline,
                "{name} is {found}, not {wanted}, after {deadline:?}"
            );
            // The hub has no wake-up for a gauge; this is the pace of asking, not a wait.
            thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Resident memory.
    pub(super) fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.expect("a live process has memory").parse().unwrap()
    }

    /// The process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time used so far (proc(5): fields 14 and 15, in hundredths of a second).
    pub(super) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        let ticks = after_name.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|text| text.parse::<u64>().unwrap()).sum();
        Duration::from_millis(10 * ticks)
    }

    /// Checks that the process runs, and that none of its tasks panicked.
    pub(super) fn assert_sound(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the hub died");
        let log = self.log.lock().unwrap();
        assert!(!log.contains("panicked"), "{log}");
    }

    /// What the process wrote to its log so far.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have ended already; the test has said so then.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(self.reader.take().map(JoinHandle::join));
    }
}
