//! Asking others over HTTPS: issuers for their keys, certificate authorities for certificates.

use anyhow::{Context, Result};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A client for requests with such bodies.
pub(crate) type Https<B> = Client<HttpsConnector<HttpConnector>, B>;

/// A client that trusts whom this system (or `SSL_CERT_FILE`) trusts, and follows nobody elsewhere.
pub(crate) fn client<B>() -> Result<Https<B>>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(provider)
        .context("cannot read the certificates that this system trusts")?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
