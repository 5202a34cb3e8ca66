//! `fanfare serve`: a hub for others.

pub(crate) mod supervise;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use fanfare::auth::Auth;
use fanfare::{Cors, Proxies, Server};
use http::Uri;

use crate::access::Access;
use crate::acme::Acme;
use crate::config::file_default as config_default;
use crate::jwks::Published;
use crate::ledger;
use crate::options::{HubOptions, listen, stop_signal};
use crate::running::Running;
use crate::tls::{TlsFiles, config};

/// Run a hub
///
/// Who may publish and subscribe is said with keys, whose tokens carry rights, with rights for
/// everybody, or with --open. Events are kept in a folder and are there again after a restart.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fanfare serve --key ES256=public.pem                       for who has a token (see `fanfare token`)
  fanfare serve --key HS256=secret --everybody-subscribe 'news/**'
                                                             the news for all, the rest by token
  fanfare serve --jwks https://login.example/.well-known/jwks.json
                                                             for who has a token of that issuer
  fanfare serve --config /etc/fanfare.toml                   as the file says
  fanfare serve --open                                       on this machine only
  fanfare serve --open --listen 0.0.0.0:4000                 for everybody who can reach it
  fanfare serve --open --data /var/lib/fanfare               with its events in a place of their own
  fanfare serve --open --cors-origin https://app.example     for the pages of one site
  fanfare serve --open --listen 0.0.0.0:443 --acme push.example
                                                             with certificates made and renewed
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
    pub(crate) access: Access,

    /// Let the pages of this origin use the hub; may be given more than once
    #[arg(
        long,
        env = "FANFARE_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    cors_origin: Vec<String>,

    /// Believe what the proxy at this address, or in this network, says in X-Forwarded-For about
    /// its clients, by whose addresses limits are kept; may be given more than once
    #[arg(
        long,
        env = "FANFARE_TRUSTED_PROXY",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    trusted_proxy: Vec<String>,

    /// File with options, read when it is there: each key is an option without its dashes, and
    /// `[limits]` is a table of limits [default: fanfare.toml]
    #[arg(long, env = "FANFARE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) tls_files: TlsFiles,

    #[command(flatten)]
    pub(crate) acme: Acme,

    #[command(flatten)]
    pub(crate) hub: HubOptions,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<()> {
        let published = Published::default();
        let auth = Auth::new(self.access.rules(&published)?);
        let (cors, proxies) = (self.cors()?, self.proxies()?);
        let stop = stop_signal()?;
        self.acme.check(self.listen)?;
        let certificate = match self.acme.is_on() {
            true => Some(Arc::default()),
            false => self.tls_files.load()?,
        };
        let tls = certificate.clone().map(config);
        let listener = listen(self.listen, "--listen")?;
        let hub = self.hub.hub()?;
        if let Some(folder) = self.hub.folder() {
            ledger::keep(&auth, folder)?;
            if let Some(certificate) = certificate.clone().filter(|_| self.acme.is_on()) {
                self.acme.clone().keep(certificate, folder)?;
            }
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr()?);
        let summary = self.summary();
        let server = Server::new(hub.clone())
            .cors(cors)
            .proxies(proxies)
            .auth(auth.clone())
            .carriers(self.access.carriers());
        let running = Running {
            options: self,
            hub,
            auth,
            published,
            controls: server.controls(),
            certificate,
        };
        let stop = supervise::told(running.hub.clone(), stop);
        running.fetch_first().await;
        running.keep()?;
        println!("Fanfare is listening on {address}");
        print!("{summary}");
        server.serve_all(vec![(listener, tls)], stop).await;
        Ok(())
    }

    /// What was decided, for those who start the hub.
    fn summary(&self) -> String {
        if self.hub.quiet {
            return String::new();
        }
        format!("{}\n{}\n", self.access.summary(), self.hub.keeping())
    }

    /// The pages that may use the hub.
    pub(crate) fn cors(&self) -> Result<Cors> {
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

    /// The proxies that are believed.
    pub(crate) fn proxies(&self) -> Result<Proxies> {
        Ok(Proxies::parse(
            self.trusted_proxy.iter().map(String::as_str),
        )?)
    }

    /// The files that options were read from.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let named = self.config.clone().or_else(config_default);
        let keys = self.access.files().chain(self.tls_files.files());
        named.into_iter().chain(keys).collect()
    }

    /// Which of these options are not those that a hub was started with.
    pub(crate) fn waits_for_restart(&self, before: &Self) -> Vec<&'static str> {
        let mut waits = Vec::new();
        if self.listen != before.listen {
            waits.push("listen");
        }
        if self.tls_files.is_on() != before.tls_files.is_on() {
            waits.push("tls-cert");
        }
        if self.acme != before.acme {
            waits.push("acme");
        }
        waits.extend(self.hub.waits_for_restart(&before.hub));
        waits
    }
}
