//! The real binary as a child process: a hub, a publisher or a subscriber whose lines are awaited.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::folder::DataFolder;

/// Longer than any single step takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A running `fanfare`. Dropping it kills the process.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    errors: Receiver<String>,
    /// Where it keeps events, should it be a hub that is not told of another place.
    _data: DataFolder,
}

/// What a program said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Program {
    /// Starts `fanfare` against the hub at `server`, with its standard input open.
    pub(crate) fn start(server: &str, args: &[&str]) -> Self {
        Self::start_trusting(server, None, args)
    }

    /// Starts `fanfare` trusting the certificate in this file alone.
    pub(crate) fn start_trusting(server: &str, certificate: Option<&str>, args: &[&str]) -> Self {
        let data = DataFolder::new();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(args)
            .env("FANFARE_SERVER", server)
            .envs(certificate.map(|file| ("SSL_CERT_FILE", file)))
            .env("FANFARE_DATA", data.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = lines(child.stdout.take().unwrap());
        let errors = lines(child.stderr.take().unwrap());
        Self {
            child,
            input,
            output,
            errors,
            _data: data,
        }
    }

    /// The next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        let line = self.output.recv_timeout(DEADLINE);
        line.unwrap_or_else(|error| {
            panic!(
                "no line: {error}; said {:?}",
                self.errors.try_iter().collect::<Vec<_>>()
            )
        })
    }

    /// Waits for a line of standard error that holds this text.
    pub(crate) fn says(&mut self, text: &str) -> String {
        loop {
            let line = self.errors.recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|error| panic!("`{text}` was never said: {error}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Writes to standard input.
    pub(crate) fn write(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Closes standard input and waits for the end.
    pub(crate) fn finish(mut self) -> Exit {
        self.input = None;
        self.ended()
    }

    /// Waits for the end while standard input stays open.
    pub(crate) fn ended(mut self) -> Exit {
        let (output, errors) = (rest(&self.output), rest(&self.errors));
        let code = self.child.wait().unwrap().code();
        Exit {
            code,
            output,
            errors,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs `fanfare` to its end, with this standard input.
pub(crate) fn run(server: &str, args: &[&str], input: &str) -> Exit {
    let mut program = Program::start(server, args);
    // A program that refuses its arguments does not read its input.
    drop(program.input.as_mut().unwrap().write_all(input.as_bytes()));
    program.finish()
}

/// Publishes, and answers the id.
pub(crate) fn publish(server: &str, topic: &str, text: &str) -> String {
    let exit = run(server, &["pub", topic, text], "");
    assert_eq!((exit.code, exit.errors.as_str()), (Some(0), ""));
    exit.output
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if line.is_ok_and(|line| sender.send(line).is_err()) {
                break;
            }
        }
    });
    receiver
}

/// All lines until the stream ends.
fn rest(lines: &Receiver<String>) -> String {
    use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
    let mut all = Vec::new();
    loop {
        match lines.recv_timeout(DEADLINE) {
            Ok(line) => all.push(line),
            Err(Disconnected) => return all.join("\n"),
            Err(Timeout) => panic!("it did not end; it said {all:?}"),
        }
    }
}

/// A hub in a process of its own.
pub(crate) struct HubProgram {
    program: Program,
    /// Its URL.
    pub(crate) url: String,
}

impl HubProgram {
    /// Starts a hub on a port that the system chooses.
    pub(crate) fn start() -> Self {
        Self::listening("127.0.0.1:0")
    }

    fn listening(address: &str) -> Self {
        let args = [
            "dev",
            "--quiet",
            "--listen",
            address,
            "--tls-listen",
            "127.0.0.1:0",
        ];
        let mut program = Program::start("", &args);
        let line = program.line();
        let url = line
            .strip_prefix("Fanfare is listening on ")
            .unwrap()
            .to_owned();
        Self { program, url }
    }

    /// Where it listens, without the scheme.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.program.child.id()
    }

    /// Ends the process as this signal does, and answers what starts a new hub on the same port.
    pub(crate) fn stop(self, signal: &str) -> impl FnOnce() -> Self {
        let address = self.address().to_owned();
        self.program.signal(signal);
        self.program.ended();
        move || Self::listening(&address)
    }
}
