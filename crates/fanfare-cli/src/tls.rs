//! TLS configurations: from PEM files, or made up for development.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

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

/// The certificate that connections are answered with from now on.
#[derive(Debug)]
pub(crate) struct Certificate {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

impl Certificate {
    /// Answers with another one from now on. Open connections stay as they are.
    pub(crate) fn replace(&self, key: Arc<CertifiedKey>) {
        let current = self.current.write();
        *current.unwrap_or_else(PoisonError::into_inner) = key;
    }
}

impl TlsFiles {
    /// Reads the files, if there are any.
    pub(crate) fn load(&self) -> Result<Option<Arc<Certificate>>> {
        let Some(key) = self.read()? else {
            return Ok(None);
        };
        let current = RwLock::new(key);
        Ok(Some(Arc::new(Certificate { current })))
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
    let current = RwLock::new(certified(vec![made.cert.der().clone()], key.into())?);
    Ok(config(Arc::new(Certificate { current })))
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
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}
