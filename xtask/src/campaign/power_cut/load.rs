//! The load and the checker: a program beside this one, so that nothing here needs a runtime.
//!
//! It is told on its standard input when a round begins and when the power is gone, and answers
//! each word with one line.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
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
    pub(super) acknowledged: u64,
    pub(super) unknown: u64,
    pub(super) seen: u64,
}

/// What the checker found.
pub(super) struct Verdict {
    /// Its sentence, with all of its counts.
    pub(super) line: String,
    /// Acknowledged events that are not in the final history.
    pub(super) lost: u64,
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

    /// Returns when everybody is connected.
    pub(super) fn begin(&mut self, hub: SocketAddr) -> Result<()> {
        self.order(&format!("round {hub}")).map(drop)
    }

    /// To be called once the power is gone: everybody lets go, and waits for the next round.
    pub(super) fn let_go(&mut self) -> Result<Traffic> {
        let answer = self.order("cut")?;
        Ok(Traffic {
            acknowledged: count(&answer, "acknowledged")?,
            unknown: count(&answer, "unknown")?,
            seen: count(&answer, "seen")?,
        })
    }

    /// Reads the whole history and compares it with what everybody saw.
    pub(super) fn check(mut self, hub: SocketAddr) -> Result<Verdict> {
        let answer = self.order(&format!("check {hub}"))?;
        let line = answer["line"].as_str().context("the checker has no line")?;
        Ok(Verdict {
            line: line.to_owned(),
            lost: count(&answer, "lost")?,
            is_clean: answer["is_clean"].as_bool().context("no verdict")?,
        })
    }

    fn order(&mut self, order: &str) -> Result<Value> {
        writeln!(self.orders, "{order}").context("the load is gone")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the load ended at `{order}`");
        match serde_json::from_str(&line) {
            Ok(answer) => Ok(answer),
            Err(_) => bail!("the load answered `{order}` with {line}"),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // An error means that it is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn count(answer: &Value, name: &str) -> Result<u64> {
    answer[name]
        .as_u64()
        .with_context(|| format!("the load tells no count of `{name}`"))
}
