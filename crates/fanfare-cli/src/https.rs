//! Asking others over HTTPS: issuers for their keys, certificate authorities for certificates.

use anyhow::{Context, Result};
use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Sends one request. Where the URL wants no TLS it is not looked at whom this system trusts: an
/// image may have nothing in it but the hub.
pub(crate) async fn ask<B>(request: Request<B>) -> Result<Response<Incoming>>
where
    B: http_body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.uri().scheme() == Some(&Scheme::HTTP) {
        let client = Client::builder(TokioExecutor::new()).build_http();
        return Ok(client.request(request).await?);
    }
    Ok(client()?.request(request).await?)
}

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
