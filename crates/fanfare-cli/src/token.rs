//! `fanfare token`: mints one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::Args;
use fanfare::auth::{Audience, Claims, Rights};

use crate::keys::KeySource;

/// Make a token
///
/// A token (JWT, RFC 7519) says what its holder may do, and until when. Prints it and nothing else.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  openssl rand -base64 48 > secret && chmod 600 secret
  fanfare token --key HS256=secret --subscribe 'chat/**'
  fanfare token --key HS256=secret --publish orders --ttl 30d --subject shop
  fanfare serve --key HS256=secret                    takes both

With a pair of keys, the hub needs to know nothing secret:
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private.pem
  openssl pkey -in private.pem -pubout -out public.pem
  fanfare token --key ES256=private.pem --subscribe '**'
  fanfare serve --key ES256=public.pem

A browser brings it in the cookie `fanfare_token`, everything else as
  curl -H \"Authorization: Bearer $(fanfare token ...)\" ...")]
pub(crate) struct Token {
    /// What to sign with: a secret, or a PEM with a private key, in a file or as `env:NAME`
    #[arg(long, env = "FANFARE_SIGNING_KEY", value_name = "ALGORITHM[:ID]=FILE")]
    key: KeySource,

    /// A topic or pattern to publish to; may be given more than once
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    publish: Vec<String>,

    /// A topic or pattern to subscribe to; may be given more than once
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    subscribe: Vec<String>,

    /// Open the hub's own doors: metrics, list of topics, dropping history, revoking tokens
    #[arg(long)]
    admin: bool,

    /// How long it is worth something
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "1h")]
    ttl: Duration,

    /// Who holds it; all of a subject's tokens can be revoked together
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,

    /// Its own id, by which it can be revoked
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// Who issues it
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,

    /// The hub that it is for
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
}

impl Token {
    pub(crate) fn run(self) -> Result<()> {
        if self.publish.is_empty() && self.subscribe.is_empty() && !self.admin {
            bail!(
                "the token would let its holder do nothing: add --publish, --subscribe or --admin"
            );
        }
        if self.ttl.as_secs() == 0 {
            bail!("the token would be worth nothing: --ttl is a second at least");
        }
        let fanfare = Rights {
            publish: self.publish,
            subscribe: self.subscribe,
            admin: self.admin,
        };
        fanfare.to_grant().map_err(anyhow::Error::msg)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = Claims {
            exp: now.saturating_add(self.ttl.as_secs()),
            nbf: None,
            iat: Some(now),
            jti: self.id,
            sub: self.subject,
            iss: self.issuer,
            aud: self.audience.map(Audience::One),
            fanfare,
        };
        let token = claims
            .sign(&self.key.signing_key()?)
            .map_err(anyhow::Error::msg)?;
        println!("{token}");
        Ok(())
    }
}
