//! `fanfare health`: asks a hub whether it is ready, for container runtimes and scripts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use http::Uri;

/// Ask a hub whether a publish would be stored; ends with 0 when it is, and with 1 otherwise
///
/// Speaks HTTP without TLS. What it says when it fails is the hub's own reason.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fanfare health                                 the hub on this machine
  fanfare health --server http://10.0.0.7:4000   another one")]
pub(crate) struct HealthCheck {
    /// The hub's URL
    #[arg(
        long,
        value_name = "URL",
        env = "FANFARE_SERVER",
        default_value = "http://127.0.0.1:4000"
    )]
    server: String,

    /// How long the answer may take
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "3s")]
    within: Duration,
}

/// Bytes of an answer: some hundred; what is longer is no hub's.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

impl HealthCheck {
    pub(crate) fn run(&self) -> Result<()> {
        let until = Instant::now() + self.within;
        let uri: Uri = self.server.parse().unwrap_or_default();
        ensure!(
            uri.scheme_str() == Some("http"),
            "{:?} is no URL that begins with http://: TLS is not spoken here",
            self.server
        );
        let host = uri.host().context("the URL names no host")?;
        let port = uri.port_u16().unwrap_or(80);
        let mut socket = self.connect(host, port, until)?;
        let request = format!(
            "GET /-/health/ready HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        );
        socket.set_write_timeout(Some(left(until)?))?;
        socket.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        socket.set_read_timeout(Some(left(until)?))?;
        let mut reader = socket.take(ANSWER_BYTES_MAX);
        reader
            .read_to_end(&mut answer)
            .context("the hub did not answer in time")?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if head.split(' ').nth(1) == Some("200") {
            println!("ready");
            return Ok(());
        }
        let reason = match body.trim() {
            "" => head.lines().next().unwrap_or_default(),
            body => body,
        };
        bail!("not ready: {reason}");
    }

    fn connect(&self, host: &str, port: u16, until: Instant) -> Result<TcpStream> {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = (name, port).to_socket_addrs();
        let addresses: Vec<SocketAddr> = addresses
            .with_context(|| format!("there is no address for {name:?}"))?
            .collect();
        let mut last = anyhow!("there is no address for {name:?}");
        for address in addresses {
            match TcpStream::connect_timeout(&address, left(until)?) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = anyhow!(error).context(format!("no connection to {address}")),
            }
        }
        Err(last)
    }
}

fn left(until: Instant) -> Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    ensure!(!left.is_zero(), "the hub did not answer in time");
    Ok(left)
}
