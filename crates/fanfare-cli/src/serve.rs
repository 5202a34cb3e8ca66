//! `fanfare serve`: a hub for others.

mod supervise;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use fanfare::auth::Auth;
use fanfare::{Cors, Server};
use http::Uri;
use tokio::signal::unix::{SignalKind, signal};

use crate::access::Access;
use crate::options::{HubOptions, listen, stop_signal};
use crate::tls::{Certificate, TlsFiles, config};

/// Run a hub
///
/// Who may publish and subscribe is said with keys, whose tokens carry rights, with rights for
/// everybody, or with --open. Events are kept in a folder and are there again after a restart.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fanfare serve --key ES256=public.pem                       for who has a token (see `fanfare token`)
  fanfare serve --key HS256=secret --everybody-subscribe 'news/**'
                                                             the news for all, the rest by token
  fanfare serve --open                                       on this machine only
  fanfare serve --open --listen 0.0.0.0:4000                 for everybody who can reach it
  fanfare serve --open --data /var/lib/fanfare               with its events in a place of their own
  fanfare serve --open --cors-origin https://app.example     for the pages of one site
  fanfare serve --open --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem")]
pub(crate) struct Serve {
    /// Address to listen on
    #[arg(
        long,
        env = "FANFARE_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4000"
    )]
    listen: SocketAddr,

    #[command(flatten)]
    access: Access,

    /// Let the pages of this origin use the hub; may be given more than once
    #[arg(
        long,
        env = "FANFARE_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    cors_origin: Vec<String>,

    #[command(flatten)]
    tls_files: TlsFiles,

    #[command(flatten)]
    hub: HubOptions,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<()> {
        let auth = self.access.auth()?;
        let cors = self.cors()?;
        let stop = stop_signal()?;
        let certificate = self.tls_files.load()?;
        let tls = certificate.clone().map(config);
        let listener = listen(self.listen, "--listen")?;
        let hub = self.hub.hub()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        println!(
            "Fanfare is listening on {scheme}://{}",
            listener.local_addr()?
        );
        if !self.hub.quiet {
            println!("{}", self.access.summary());
            println!("{}", self.hub.keeping());
        }
        let carriers = self.access.carriers();
        let files = Files {
            access: self.access,
            auth: auth.clone(),
            tls: self.tls_files,
            certificate,
        };
        files.read_anew_on_hangup()?;
        let stop = supervise::told(hub.clone(), stop);
        let server = Server::new(hub).cors(cors).auth(auth).carriers(carriers);
        server.serve_all(vec![(listener, tls)], stop).await;
        Ok(())
    }

    fn cors(&self) -> Result<Cors> {
        for origin in &self.cors_origin {
            let uri: Uri = origin.parse().unwrap_or_default();
            let is_origin = uri.scheme().is_some() && uri.authority().is_some();
            if !is_origin || origin.ends_with('/') || uri.path() != "/" {
                bail!(
                    "{origin:?} is not an origin: write scheme, host and port only, such as https://app.example"
                );
            }
        }
        Ok(match self.cors_origin.is_empty() {
            true => Cors::SameOrigin,
            false => Cors::Origins(self.cors_origin.clone()),
        })
    }
}

/// What is read anew when the operator says so, with SIGHUP. What cannot be read changes nothing.
struct Files {
    access: Access,
    auth: Auth,
    tls: TlsFiles,
    certificate: Option<Arc<Certificate>>,
}

impl Files {
    fn read_anew_on_hangup(self) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                supervise::reloads(|| self.read_anew());
            }
        });
        Ok(())
    }

    fn read_anew(&self) {
        if self.access.has_keys() {
            match self.access.reload(&self.auth) {
                Ok(()) => tracing::info!("keys were read anew"),
                Err(error) => tracing::error!("keys stay as they were: {error:#}"),
            }
        }
        if let Some(certificate) = &self.certificate {
            match self.tls.reload(certificate) {
                Ok(()) => tracing::info!("the certificate was read anew"),
                Err(error) => tracing::error!("the certificate stays as it was: {error:#}"),
            }
        }
        tracing::info!("all other options stay until a restart");
    }
}
