//! Which hub `pub` and `sub` talk to, and who they are.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use fanfare_client::Client;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

/// The token itself, for where there is no file. Never an argument: everybody on the machine sees
/// those.
const TOKEN: &str = "FANFARE_TOKEN";

/// Which hub to talk to.
#[derive(Debug, Args)]
pub(crate) struct HubArg {
    /// The hub's URL; for `https://`, a certificate must be one that this system or the file in
    /// SSL_CERT_FILE trusts
    #[arg(
        long,
        value_name = "URL",
        env = "FANFARE_SERVER",
        default_value = "http://127.0.0.1:4000"
    )]
    server: String,

    /// File with the token to send, read anew for each connection; without one, the environment's
    /// FANFARE_TOKEN is sent, if it is set
    #[arg(long, value_name = "FILE", env = "FANFARE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl HubArg {
    /// The URL as it was given.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// A client of this hub.
    pub(crate) fn client(&self) -> Result<Client> {
        let client = Client::new(&self.server)?;
        let file = self.token_file.clone();
        if file.is_none() && std::env::var_os(TOKEN).is_none() {
            return Ok(client);
        }
        Ok(client.with_credentials(move |_| {
            let headers = credentials(file.as_deref());
            async { headers.map_err(Into::into) }
        }))
    }
}

fn credentials(file: Option<&Path>) -> Result<HeaderMap> {
    let token = match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", file.display()))?,
        None => std::env::var(TOKEN)?,
    };
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}
