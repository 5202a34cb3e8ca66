//! TLS configurations: from PEM files, or made up for development.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Args;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "TLS options")]
pub(crate) struct TlsFiles {
    /// Certificate chain, PEM; SIGHUP reads it and its key anew, and open streams stay
    #[arg(long, env = "FANFARE_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Private key, PEM
    #[arg(long, env = "FANFARE_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

/// What an authority asks for that wants to see a proof (RFC 8737 6.2).
const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// The certificate that connections are answered with from now on.
#[derive(Debug, Default)]
pub(crate) struct Certificate {
    current: RwLock<Option<Arc<CertifiedKey>>>,
    /// What authorities are shown, by domain.
    proofs: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut protocols = hello.alpn().into_iter().flatten();
        if protocols.any(|protocol| protocol == ACME_PROTOCOL) {
            let proofs = self.proofs.read().unwrap_or_else(PoisonError::into_inner);
            return proofs.get(hello.server_name()?).cloned();
        }
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }
}

impl Certificate {
    /// Answers with another one from now on. Open connections stay as they are.
    pub(crate) fn replace(&self, key: Arc<CertifiedKey>) {
        let current = self.current.write();
        *current.unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    /// Answers with this chain from now on, and says when another one is due: when a third of its
    /// time is left, as authorities advise.
    pub(crate) fn take_up(&self, chain: &str, key: &str) -> Result<SystemTime> {
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
        let chain: Vec<_> = chain.collect::<Result<_, _>>()?;
        let first = chain
            .first()
            .context("there is no certificate in the chain")?;
        let (_, parsed) = x509_parser::parse_x509_certificate(first)?;
        let validity = parsed.validity();
        let begin = u64::try_from(validity.not_before.timestamp())?;
        let end = u64::try_from(validity.not_after.timestamp())?;
        let due = end.saturating_sub(end.saturating_sub(begin) / 3);
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        self.replace(certified(chain, key)?);
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(due))
    }

    /// Shows this to an authority that asks for the domain.
    pub(crate) fn show_proof(&self, domain: &str, proof: Arc<CertifiedKey>) {
        let proofs = self.proofs.write();
        let mut proofs = proofs.unwrap_or_else(PoisonError::into_inner);
        proofs.insert(domain.to_owned(), proof);
    }

    /// Shows no proofs any more.
    pub(crate) fn forget_proofs(&self) {
        let proofs = self.proofs.write();
        proofs.unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What shows an authority that whoever ordered has the domain (RFC 8737 3).
pub(crate) fn proof(domain: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>> {
    let pair = rcgen::KeyPair::generate()?;
    let mut parameters = rcgen::CertificateParams::new([domain.to_owned()])?;
    let extension = rcgen::CustomExtension::new_acme_identifier(digest);
    parameters.custom_extensions = vec![extension];
    let made = parameters.self_signed(&pair)?;
    let key = PrivatePkcs8KeyDer::from(pair.serialize_der());
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = provider.key_provider.load_private_key(key.into())?;
    // Not held against its key: what is critical in it is for authorities only to understand.
    let shown = CertifiedKey::new(vec![made.der().clone()], key);
    Ok(Arc::new(shown))
}

impl TlsFiles {
    /// Reads the files, if there are any.
    pub(crate) fn load(&self) -> Result<Option<Arc<Certificate>>> {
        Ok(self.read()?.map(|key| {
            let certificate = Certificate::default();
            certificate.replace(key);
            Arc::new(certificate)
        }))
    }

    /// Whether there is a certificate.
    pub(crate) fn is_on(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// The files, if there are any.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.tls_cert
            .clone()
            .into_iter()
            .chain(self.tls_key.clone())
    }

    /// Reads what is in the files, if there are any.
    pub(crate) fn read(&self) -> Result<Option<Arc<CertifiedKey>>> {
        let (certificate, key) = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            _ => bail!("a certificate and its key go together: give --tls-cert and --tls-key"),
        };
        let chain = read_chain(certificate)
            .with_context(|| format!("cannot read certificates from {}", certificate.display()))?;
        let key = PrivateKeyDer::from_pem_file(key)
            .with_context(|| format!("cannot read a private key from {}", key.display()))?;
        certified(chain, key)
            .context("the certificate and the key do not fit together")
            .map(Some)
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    anyhow::ensure!(!chain.is_empty(), "there is no certificate in it");
    Ok(chain)
}

/// A configuration with a certificate of its own for this machine. Browsers ask once whether they
/// shall trust it.
pub(crate) fn self_made() -> Result<Arc<ServerConfig>> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let certificate = Certificate::default();
    certificate.replace(certified(vec![made.cert.der().clone()], key.into())?);
    Ok(config(Arc::new(certificate)))
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain, key, &provider)?;
    Ok(Arc::new(certified))
}

/// A configuration that answers with whatever certificate is current.
pub(crate) fn config(certificate: Arc<Certificate>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    let protocols = [&b"h2"[..], b"http/1.1", ACME_PROTOCOL];
    config.alpn_protocols = protocols.map(<[u8]>::to_vec).to_vec();
    Arc::new(config)
}
