//! Certificates that are ordered and renewed by the hub itself (RFC 8555), over the port on which
//! it listens (RFC 8737).

mod folder;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use http::Request;
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, HttpClient,
    Identifier, LetsEncrypt, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};

use self::folder::Folder;
use crate::https::{self, Https};
use crate::tls::{Certificate, proof};

/// After an order that failed, the first pause; each one doubles it. Authorities count failures by
/// the hour, and let five pass.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));
/// How long an authority may take to look and to sign.
const ORDER_MAX: Duration = Duration::from_secs(120);
/// Between two looks at the certificate's age, at most: clocks are set and machines sleep.
const LOOK_MAX: Duration = Duration::from_secs(3_600);

/// Certificates by ACME.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "TLS options")]
pub(crate) struct Acme {
    /// Have a certificate for this domain made and renewed (ACME, RFC 8555); may be given more than
    /// once. The authority must reach the hub at port 443 of the domain, and its terms of service
    /// are agreed to
    #[arg(
        long = "acme",
        env = "FANFARE_ACME",
        value_name = "DOMAIN",
        value_delimiter = ',',
        conflicts_with_all = ["tls_cert", "tls_key", "memory"]
    )]
    domains: Vec<String>,

    /// Whom the authority may write to about the certificates
    #[arg(
        long = "acme-contact",
        env = "FANFARE_ACME_CONTACT",
        value_name = "EMAIL"
    )]
    contact: Option<String>,

    /// The authority, by the URL of its directory
    #[arg(
        long = "acme-directory",
        env = "FANFARE_ACME_DIRECTORY",
        value_name = "URL",
        default_value = LetsEncrypt::Production.url()
    )]
    directory: String,
}

impl Acme {
    /// Whether certificates are wanted.
    pub(crate) fn is_on(&self) -> bool {
        !self.domains.is_empty()
    }

    /// Looks at what was asked for, as far as one can without asking the authority.
    pub(crate) fn check(&self, listen: SocketAddr) -> Result<()> {
        for domain in &self.domains {
            let is_name = domain.contains('.') || domain == "localhost";
            let is_plain = domain.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
            });
            if !is_name || !is_plain {
                bail!(
                    "{domain:?} is no domain: write it like push.example, in lower case and without a star"
                );
            }
        }
        if self.is_on()
            && listen.ip().is_loopback()
            && self.directory == LetsEncrypt::Production.url()
        {
            bail!("the authority cannot reach {listen}: add --listen 0.0.0.0:443");
        }
        Ok(())
    }

    /// Takes up the certificate from before, and has others made in time from now on.
    pub(crate) fn keep(self, certificate: Arc<Certificate>, data: &std::path::Path) -> Result<()> {
        let folder = Folder::open(data)?;
        let found = folder.certificate(&self.domains)?;
        let renews = match found {
            Some((chain, key)) => certificate.take_up(&chain, &key)?,
            None => SystemTime::UNIX_EPOCH,
        };
        let authority = Authority {
            options: self,
            folder,
            certificate,
        };
        tokio::spawn(authority.run(renews));
        Ok(())
    }
}

/// Whoever makes certificates, and those for whom they are.
struct Authority {
    options: Acme,
    folder: Folder,
    certificate: Arc<Certificate>,
}

impl Authority {
    async fn run(self, mut renews: SystemTime) {
        let mut pause = PAUSES.0;
        loop {
            let left = renews.duration_since(SystemTime::now()).unwrap_or_default();
            if !left.is_zero() {
                tokio::time::sleep(left.min(LOOK_MAX)).await;
                continue;
            }
            match self.renew().await {
                Ok(next) => {
                    renews = next;
                    pause = PAUSES.0;
                    let domains = self.options.domains.join(", ");
                    let next = humantime::format_rfc3339_seconds(next);
                    tracing::info!(
                        "a certificate for {domains} was made; the next one is due {next}"
                    );
                }
                Err(error) => {
                    let wait = humantime::format_duration(pause);
                    tracing::error!("no new certificate, the next try is in {wait}: {error:#}");
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(PAUSES.1);
                }
            }
        }
    }

    /// Has a certificate made, and returns when the next one is due.
    async fn renew(&self) -> Result<SystemTime> {
        let account = self.account().await?;
        let identifiers = self.options.domains.iter().cloned().map(Identifier::Dns);
        let identifiers: Vec<_> = identifiers.collect();
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
        let proven = self.prove(&mut order).await;
        self.certificate.forget_proofs();
        proven?;
        let key = order
            .finalize()
            .await
            .context("the authority refused the order")?;
        let chain = order.poll_certificate(&patience()).await?;
        let renews = self.certificate.take_up(&chain, &key)?;
        self.folder.keep(&self.options.domains, &chain, &key)?;
        Ok(renews)
    }

    /// Shows the authority that whoever orders has the domains.
    async fn prove(&self, order: &mut Order) -> Result<()> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let mut challenge = authorization
                .challenge(ChallengeType::TlsAlpn01)
                .context("the authority takes no proof over TLS (tls-alpn-01)")?;
            let domain = challenge.identifier().to_string();
            let digest = challenge.key_authorization().digest();
            let shown = proof(&domain, digest.as_ref())?;
            self.certificate.show_proof(&domain, shown);
            challenge.set_ready().await?;
        }
        let status = order.poll_ready(&patience()).await;
        let status = status
            .context("the authority was not convinced: does port 443 of the domain lead here?")?;
        ensure!(
            status == OrderStatus::Ready,
            "the order is {status:?} and not ready"
        );
        Ok(())
    }

    async fn account(&self) -> Result<Account> {
        let builder =
            || -> Result<_> { Ok(Account::builder_with_http(Box::new(Asks(https::client()?)))) };
        if let Some(credentials) = self.folder.account(&self.options.directory)? {
            return Ok(builder()?.from_credentials(credentials).await?);
        }
        let contact = self
            .options
            .contact
            .iter()
            .map(|email| format!("mailto:{email}"));
        let contact: Vec<_> = contact.collect();
        let contact: Vec<_> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let directory = self.options.directory.clone();
        let (account, credentials) = builder()?.create(&new, directory, None).await?;
        self.folder
            .keep_account(&self.options.directory, &credentials)?;
        Ok(account)
    }
}

fn patience() -> RetryPolicy {
    RetryPolicy::new().timeout(ORDER_MAX)
}

/// Carries requests to the authority.
struct Asks(Https<BodyWrapper<Bytes>>);

impl HttpClient for Asks {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let answer = self.0.request(request);
        Box::pin(async move {
            let answer = answer.await;
            let answer = answer.map_err(|error| instant_acme::Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(answer))
        })
    }
}
