//! The load and the checker: a program beside this one, so that nothing here needs a runtime.
//!
//! It is told on its standard input when a round begins and when the last one is over, and answers
//! with one line of JSON.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Publishers and subscribers that survive the hub they talk to.
pub(super) struct Load {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What the publishers and subscribers of a round saw.
#[derive(Clone, Copy, Default)]
pub(super) struct Traffic {
    /// Requests acknowledged.
    pub(super) acknowledged: u64,
    /// Requests refused.
    pub(super) refused: u64,
    /// Requests without an answer.
    pub(super) unknown: u64,
    /// Entries on event streams.
    pub(super) seen: u64,
}

/// What the checker found.
pub(super) struct Verdict {
    /// Its sentence, with all of its counts.
    pub(super) line: String,
    /// The first breaches, if there are any.
    pub(super) cases: Vec<String>,
    /// Acknowledged events that are not in the final history.
    pub(super) lost: u64,
    /// Gaps told to subscribers.
    pub(super) gaps: u64,
    /// Whether every count is zero.
    pub(super) is_clean: bool,
}

impl Load {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the load")?;
        let orders = child.stdin.take().context("the load has no input")?;
        let answers = child.stdout.take().context("the load has no output")?;
        Ok(Self {
            child,
            orders,
            answers: BufReader::new(answers),
        })
    }

    /// Lets everybody connect, publish and read until the hub is gone.
    pub(super) fn begin(&mut self, hub: SocketAddr) -> Result<()> {
        self.order(&format!("round {hub}"))
    }

    /// Lets everybody stop though the hub is there.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.order("stop")
    }

    /// To be called once the hub is gone or the load was stopped: what everybody saw since the
    /// beginning of the round.
    pub(super) fn traffic(&mut self) -> Result<Traffic> {
        let answer = self.answer()?;
        Ok(Traffic {
            acknowledged: count(&answer, "acked")?,
            refused: count(&answer, "refused")?,
            unknown: count(&answer, "unknown")?,
            seen: count(&answer, "entries")?,
        })
    }

    /// Reads the whole history, compares it with what everybody saw, and keeps all of it in a file.
    pub(super) fn check(self, hub: SocketAddr, journal: &Path) -> Result<Verdict> {
        self.judge(&format!("end {hub} {}", journal.display()))
    }

    /// The same of a hub that trims: what is older than its oldest event is not lost.
    pub(super) fn check_trimmed(self, hub: SocketAddr, journal: &Path) -> Result<Verdict> {
        self.judge(&format!("end {hub} {} trimmed", journal.display()))
    }

    fn judge(self, order: &str) -> Result<Verdict> {
        self.end(order).map(|(verdict, _)| verdict)
    }

    /// Gives an order that is answered at once, or when it is carried out.
    pub(super) fn tell(&mut self, order: &str) -> Result<Value> {
        self.order(order)?;
        self.answer()
    }

    /// Gives the last order, and gives its answer besides the verdict in it.
    pub(super) fn end(mut self, order: &str) -> Result<(Verdict, Value)> {
        let answer = self.tell(order)?;
        let line = answer["line"].as_str().context("the checker has no line")?;
        let cases = answer["cases"].as_array().into_iter().flatten();
        let verdict = Verdict {
            line: line.to_owned(),
            cases: cases
                .filter_map(|case| case.as_str().map(str::to_owned))
                .collect(),
            lost: count(&answer, "lost")?,
            gaps: count(&answer, "gaps")?,
            // It ends well when every count is zero.
            is_clean: self.child.wait()?.success(),
        };
        Ok((verdict, answer))
    }

    fn order(&mut self, order: &str) -> Result<()> {
        writeln!(self.orders, "{order}").context("the load is gone")
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the load ended without an answer");
        serde_json::from_str(&line).with_context(|| format!("the load answered {line}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // An error means that it is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A count that an answer has to tell.
pub(super) fn count(answer: &Value, name: &str) -> Result<u64> {
    answer[name]
        .as_u64()
        .with_context(|| format!("the load tells no count of `{name}`"))
}
