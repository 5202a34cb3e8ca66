//! `fanfare health`: asks a hub whether it is ready, for container runtimes and scripts.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use tokio::time::timeout;

use crate::https;

/// Ask a hub whether a publish would be stored; ends with 0 when it is, and with 1 otherwise
///
/// What it says when it fails is the hub's own reason.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fanfare health                                 the hub on this machine
  fanfare health --server https://push.example   another one")]
pub(crate) struct HealthCheck {
    /// The hub's URL; for `https://`, a certificate must be one that this system or the file in
    /// SSL_CERT_FILE trusts
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
const ANSWER_BYTES_MAX: usize = 64 << 10;

impl HealthCheck {
    pub(crate) async fn run(&self) -> Result<()> {
        let asked = timeout(self.within, self.ask()).await;
        let (status, body) = asked.context("the hub did not answer in time")??;
        if status == StatusCode::OK {
            println!("ready");
            return Ok(());
        }
        let reason = String::from_utf8_lossy(&body);
        match reason.trim() {
            "" => bail!("not ready: the answer is {status}"),
            reason => bail!("not ready: {reason}"),
        }
    }

    async fn ask(&self) -> Result<(StatusCode, Bytes)> {
        let server = self.server.trim_end_matches('/');
        let uri: Uri = format!("{server}/-/health/ready")
            .parse()
            .unwrap_or_default();
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            bail!(
                "{:?} is no URL of a hub: begin it with http:// or https://",
                self.server
            );
        }
        let request = Request::get(uri).body(Empty::<Bytes>::new())?;
        let answer = https::ask(request).await;
        let answer = answer.with_context(|| format!("no answer from {server}"))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| anyhow!("the answer cannot be read: {error}"))?;
        Ok((status, body.to_bytes()))
    }
}
