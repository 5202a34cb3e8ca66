//! One publisher: a connection that is kept, with at most one request in flight.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags};

use crate::answer::Answer;
use crate::refusal::{Refusal, Role};
use crate::subscriber::reset;
use crate::target::Form;

/// Publishers connect before anything is measured; a server that takes longer is not there.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// No server answers a publish with nearly so much.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The event that a publisher waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    pub(crate) topic: u32,
    pub(crate) number: u32,
    pub(crate) due_ns: u64,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The answer is not whole.
    Waiting,
    /// The server has the event.
    Stored(InFlight),
    /// The server does not want the event, and says this.
    Refused(Refusal),
}

/// One publisher.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) socket: OwnedFd,
    form: Form,
    in_flight: Option<InFlight>,
    /// An answer that came in pieces.
    answer: Vec<u8>,
    /// The server has hung up, or will.
    is_spent: bool,
}

impl Publisher {
    pub(crate) fn connect(to: SocketAddr, form: Form) -> Result<Self> {
        Ok(Self {
            socket: connect(to)?,
            form,
            in_flight: None,
            answer: Vec::new(),
            is_spent: false,
        })
    }

    /// Whether the server takes nothing more on this connection.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Takes another connection, which the caller has to wait on.
    pub(crate) fn reconnect(&mut self, to: SocketAddr) -> Result<()> {
        // A port that waits for a minute would soon be missing.
        reset(std::mem::replace(&mut self.socket, connect(to)?));
        self.is_spent = false;
        Ok(())
    }

    /// Publishes an event.
    pub(crate) fn publish(&mut self, event: InFlight, due_unix_ns: u64) -> Result<()> {
        let request = self.form.fill(event.topic, event.number, due_unix_ns);
        let sent = net::send(&self.socket, request, SendFlags::NOSIGNAL);
        let sent = sent.context("the server hung up on a publisher")?;
        if sent != request.len() {
            bail!("a socket took {sent} bytes of a request only: choose a smaller payload");
        }
        self.in_flight = Some(event);
        Ok(())
    }

    /// Reads what is there.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Outcome> {
        let read = match net::recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, 0)) | Err(Errno::CONNRESET) if self.in_flight.is_none() => {
                self.is_spent = true;
                return Ok(Outcome::Waiting);
            }
            Ok((_, 0)) => bail!("the server hung up on a publisher"),
            Ok((_, read)) => read,
            Err(Errno::AGAIN) => return Ok(Outcome::Waiting),
            Err(error) => return Err(error).context("the server hung up on a publisher"),
        };
        let fresh = &buffer[..read];
        if self.answer.is_empty() {
            return self.outcome(fresh);
        }
        let mut answer = std::mem::take(&mut self.answer);
        answer.extend_from_slice(fresh);
        self.outcome(&answer)
    }

    fn outcome(&mut self, bytes: &[u8]) -> Result<Outcome> {
        let Some(answer) = Answer::parse(bytes)? else {
            if bytes.len() > ANSWER_BYTES_MAX {
                bail!("an answer to a publish has more than {ANSWER_BYTES_MAX} bytes");
            }
            self.answer.extend_from_slice(bytes);
            return Ok(Outcome::Waiting);
        };
        let event = self.in_flight.take().context("an answer to no request")?;
        self.is_spent = answer.is_last;
        if answer.bytes != bytes.len() {
            bail!("more than an answer came back to a publish");
        }
        Ok(match answer.status {
            200..300 => Outcome::Stored(event),
            status => Outcome::Refused(Refusal::new(Role::Publisher, status, bytes)),
        })
    }
}

fn connect(to: SocketAddr) -> Result<OwnedFd> {
    let stream = TcpStream::connect_timeout(&to, CONNECT_WAIT)
        .with_context(|| format!("cannot connect to {to}"))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream.into())
}
