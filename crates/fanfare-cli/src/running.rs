//! What of a hub can be changed while it runs: who may, which pages, the certificate, the limits.
//!
//! SIGHUP reads everything anew, and so does a change of a file that something was read from. What
//! cannot be read changes nothing, and what cannot be changed says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use fanfare::auth::Auth;
use fanfare::{Controls, Hub};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, interval_at};

use crate::cli;
use crate::jwks::{self, Issuer, Published};
use crate::serve::{Serve, supervise};
use crate::tls::Certificate;

/// How often it is looked whether a file has changed. Looking costs some microseconds for each.
const WATCH: Duration = Duration::from_secs(2);

/// A hub that runs, and the options that it runs by.
pub(crate) struct Running {
    pub(crate) options: Serve,
    pub(crate) hub: Hub,
    pub(crate) auth: Auth,
    pub(crate) published: Published,
    pub(crate) controls: Controls,
    pub(crate) certificate: Option<Arc<Certificate>>,
}

/// What tells one state of a file from the next: another one, or written to.
type Stamp = Option<(SystemTime, u64)>;

impl Running {
    /// Keeps the hub as its files say, for as long as it runs.
    pub(crate) fn keep(mut self) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
        tokio::spawn(async move {
            let mut issuers = self.issuers();
            let mut looks = interval_at(Instant::now() + jwks::LOOK, jwks::LOOK);
            let mut watches = interval_at(Instant::now() + WATCH, WATCH);
            let mut stamps = self.stamps();
            loop {
                tokio::select! {
                    hangup = hangup.recv() => {
                        if hangup.is_none() {
                            return;
                        }
                        supervise::reloads(|| self.read_anew());
                        issuers = self.issuers();
                    }
                    _ = watches.tick() => {
                        let now = self.stamps();
                        if now != stamps {
                            tracing::info!("a file has changed");
                            supervise::reloads(|| self.read_anew());
                            issuers = self.issuers();
                        }
                    }
                    _ = looks.tick() => {
                        fetch(&mut issuers, &self.auth, &self.published, &self.options).await;
                        continue;
                    }
                }
                stamps = self.stamps();
            }
        });
        Ok(())
    }

    /// Fetches the keys of all issuers once, so that the first token finds them.
    pub(crate) async fn fetch_first(&self) {
        let mut issuers = self.issuers();
        fetch(&mut issuers, &self.auth, &self.published, &self.options).await;
    }

    fn issuers(&self) -> Vec<Issuer> {
        let urls = self.options.access.jwks.iter();
        let issuers = urls.map(Issuer::new).collect::<Result<_>>();
        issuers.unwrap_or_else(|error| {
            tracing::error!("cannot fetch keys: {error:#}");
            Vec::new()
        })
    }

    /// The files that options were read from, as they are now.
    fn stamps(&self) -> BTreeMap<PathBuf, Stamp> {
        let stamp = |path: PathBuf| {
            let found = fs::metadata(&path).ok();
            let stamp = found.and_then(|it| Some((it.modified().ok()?, it.len())));
            (path, stamp)
        };
        self.options.files().into_iter().map(stamp).collect()
    }

    fn read_anew(&mut self) {
        let changed = cli::options_anew().and_then(|options| self.change(options));
        if let Err(error) = changed {
            tracing::error!("everything stays as it was: {error:#}");
        }
    }

    /// Changes what can be changed, all of it or nothing.
    fn change(&mut self, options: Serve) -> Result<()> {
        let rules = options.access.rules(&self.published)?;
        let (cors, proxies) = (options.cors()?, options.proxies()?);
        let (limits, _) = options.hub.limits_here()?;
        let key = match &self.certificate {
            Some(_) => options.tls_files.read()?,
            None => None,
        };
        self.auth.replace(rules);
        self.controls.set_cors(cors);
        self.controls.set_proxies(proxies);
        self.controls.set_carriers(options.access.carriers());
        let mut waits = self.hub.set_limits(limits);
        if let (Some(certificate), Some(key)) = (&self.certificate, key) {
            certificate.replace(key);
        }
        waits.extend(options.waits_for_restart(&self.options));
        self.options = options;
        tracing::info!("keys, rights, origins, proxies, certificate and limits were read anew");
        if !waits.is_empty() {
            tracing::warn!(
                "these stay as they are until a restart: {}",
                waits.join(", ")
            );
        }
        Ok(())
    }
}

async fn fetch(issuers: &mut [Issuer], auth: &Auth, published: &Published, options: &Serve) {
    let has_missed = auth.take_missed();
    let mut is_new = false;
    for issuer in issuers {
        is_new |= issuer.look(has_missed, published).await;
    }
    if is_new {
        match options.access.rules(published) {
            Ok(rules) => auth.replace(rules),
            Err(error) => tracing::error!("the keys stay as they were: {error:#}"),
        }
    }
}
