//! The hub under a supervisor that asks as systemd does: a real socket, the real binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::folder::DataFolder;
use crate::program::DEADLINE;

/// How often the supervisor wants to hear from the hub: often for a test, seldom enough for a busy
/// machine.
const EVERY: Duration = Duration::from_secs(2);
/// The same where it is awaited that nothing is heard any more.
const OFTEN: Duration = Duration::from_millis(600);
/// What is silence then.
const SILENCE: Duration = Duration::from_secs(3);

/// Syncs after which one finds trouble: more than a start makes, so that the hub is there first.
const SYNCS: u32 = 20;

/// A hub and its supervisor. Dropping it kills the process.
struct Supervised {
    socket: UnixDatagram,
    child: Child,
    address: String,
    _folder: DataFolder,
}

impl Supervised {
    /// Starts a hub; with `fault`, each of its syncs from some number on fares as strace is told.
    fn start(every: Duration, fault: Option<&str>) -> Self {
        let folder = DataFolder::new();
        std::fs::create_dir(folder.path()).unwrap();
        let at = folder.path().join("notify");
        let socket = UnixDatagram::bind(&at).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut child = command(fault, &folder.path().join("log"))
            .env("NOTIFY_SOCKET", &at)
            .env("WATCHDOG_USEC", every.as_micros().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        Self {
            socket,
            child,
            address,
            _folder: folder,
        }
    }

    /// The next word, unless none comes for so long.
    fn word_within(&self, wait: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut word = [0; 256];
        let bytes = self.socket.recv(&mut word).ok()?;
        Some(String::from_utf8(word[..bytes].to_vec()).unwrap())
    }

    fn word(&self) -> String {
        self.word_within(DEADLINE)
            .expect("a word to the supervisor")
    }

    /// The words until none comes any more.
    fn words_until_silence(&self) -> Vec<String> {
        let began = Instant::now();
        let mut words = Vec::new();
        while let Some(word) = self.word_within(SILENCE) {
            assert!(began.elapsed() < 4 * DEADLINE, "{words:?}");
            words.push(word);
        }
        words
    }

    fn ask(&self, path: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: hub\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.child.wait().unwrap()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // A thread that strace holds back does not end before strace does.
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        if let Some(tracer) = tracer.map(str::trim).filter(|tracer| *tracer != "0") {
            drop(Command::new("kill").args(["-s", "KILL", tracer]).status());
        }
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(fault: Option<&str>, log: &Path) -> Command {
    let hub = env!("CARGO_BIN_EXE_fanfare");
    let mut command = match fault {
        None => Command::new(hub),
        Some(fault) => {
            let mut strace = Command::new("strace");
            // The hub stays the child of this process (-D), and strace ends with it.
            strace.args(["-D", "-f", "-qq", "-o", "/dev/null"]);
            strace.args(["-e", "trace=fdatasync"]);
            strace.args(["-e", &format!("inject=fdatasync:{fault}:when={SYNCS}+")]);
            strace.arg(hub);
            strace
        }
    };
    command.args(["serve", "--open", "--quiet", "--listen", "127.0.0.1:0"]);
    command
        .args(["--segment-bytes", "1048576"])
        .arg("--data")
        .arg(log);
    command
}

#[test]
fn a_supervisor_is_told_when_the_hub_is_there_that_it_works_and_that_it_stops() {
    let mut hub = Supervised::start(EVERY, None);
    assert_eq!(hub.word(), "READY=1");
    assert!(hub.ask("/-/health/ready").starts_with("HTTP/1.1 200 "));
    let mut last = Instant::now();
    for _ in 0..4 {
        assert_eq!(hub.word(), "WATCHDOG=1");
        assert!(last.elapsed() < EVERY, "{:?}", last.elapsed());
        last = Instant::now();
    }
    // What the hub published to itself nobody sees.
    assert!(
        hub.ask("/**?history=all").ends_with("[\n]\n"),
        "{}",
        hub.ask("/**?history=all")
    );
    assert!(
        !hub.ask("/-/topics").contains("checks"),
        "{}",
        hub.ask("/-/topics")
    );
    assert!(
        hub.ask("/-/checks?history=all")
            .starts_with("HTTP/1.1 404 ")
    );
    hub.signal("HUP");
    let mut word = hub.word();
    while word == "WATCHDOG=1" {
        word = hub.word();
    }
    assert_eq!(
        (word.as_str(), hub.word().as_str()),
        ("RELOADING=1", "READY=1")
    );
    assert!(hub.terminate().success());
    let rest = hub.words_until_silence();
    assert_eq!(
        rest.last().map(String::as_str),
        Some("STOPPING=1"),
        "{rest:?}"
    );
}

#[test]
fn a_watchdog_is_not_fed_while_a_publish_hangs() {
    let hub = Supervised::start(OFTEN, Some("delay_enter=600000000"));
    assert_eq!(hub.word(), "READY=1");
    let words = hub.words_until_silence();
    assert!(
        words.len() >= 2 && words.iter().all(|word| word == "WATCHDOG=1"),
        "{words:?}"
    );
    // Alive it is, and reads are answered.
    assert!(hub.ask("/-/health/live").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_watchdog_is_not_fed_once_a_sync_has_failed() {
    let hub = Supervised::start(OFTEN, Some("error=EIO"));
    assert_eq!(hub.word(), "READY=1");
    let words = hub.words_until_silence();
    assert!(
        words.len() >= 2 && words.iter().all(|word| word == "WATCHDOG=1"),
        "{words:?}"
    );
    assert!(hub.ask("/-/health/ready").starts_with("HTTP/1.1 503 "));
}

#[test]
fn health_says_whether_a_publish_would_be_stored() {
    let health = |address: &str| {
        let server = format!("http://{address}");
        let output = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(["health", "--server", &server])
            // As in an image that has nothing in it but the hub.
            .env("SSL_CERT_FILE", "/nowhere")
            .env("SSL_CERT_DIR", "/nowhere")
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let hub = Supervised::start(OFTEN, Some("error=EIO"));
    assert_eq!(hub.word(), "READY=1");
    assert_eq!(health(&hub.address).0, Some(0));
    hub.words_until_silence();
    let (code, reason) = health(&hub.address);
    assert_eq!(code, Some(1));
    assert!(reason.contains("not ready"), "{reason}");
    let address = hub.address.clone();
    drop(hub);
    assert_eq!(health(&address).0, Some(1));
}
