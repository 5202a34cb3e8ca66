//! Who may use the hub: the options of `serve` that decide it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use fanfare::auth::{Rights, Rules};
use fanfare::{COOKIE_DEFAULT, Carriers};

use crate::jwks::{JwksUrl, Published};
use crate::keys::{KeySource, all_different};

/// Who may publish and subscribe.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Access options")]
pub(crate) struct Access {
    /// Let everybody who reaches the address do everything
    #[arg(long, conflicts_with_all = ["key", "jwks", "everybody_publish", "everybody_subscribe"])]
    open: bool,

    /// Take tokens (JWT) signed with this key; may be given more than once. The key lies in a file
    /// or, as `env:NAME`, in the environment: a PEM with a public key, or a secret for HS256.
    /// SIGHUP reads it anew
    #[arg(
        long,
        env = "FANFARE_KEY",
        value_name = "ALGORITHM[:ID]=FILE",
        value_delimiter = ','
    )]
    key: Vec<KeySource>,

    /// Take tokens signed with the keys that an issuer publishes here, a JWK set (RFC 7517); may be
    /// given more than once. Fetched every five minutes, and when a token names an unknown key
    #[arg(long, env = "FANFARE_JWKS", value_name = "URL", value_delimiter = ',')]
    pub(crate) jwks: Vec<JwksUrl>,

    /// Let everybody publish to this topic or pattern, without a token; may be given more than once
    #[arg(
        long,
        env = "FANFARE_EVERYBODY_PUBLISH",
        value_name = "PATTERN",
        value_delimiter = ','
    )]
    everybody_publish: Vec<String>,

    /// Let everybody subscribe to this topic or pattern, without a token; may be given more than
    /// once
    #[arg(
        long,
        env = "FANFARE_EVERYBODY_SUBSCRIBE",
        value_name = "PATTERN",
        value_delimiter = ','
    )]
    everybody_subscribe: Vec<String>,

    /// Refuse tokens that another issuer made (`iss`)
    #[arg(long, env = "FANFARE_ISSUER", value_name = "NAME")]
    issuer: Option<String>,

    /// What this hub is called in tokens that say whom they are for (`aud`)
    #[arg(long, env = "FANFARE_AUDIENCE", value_name = "NAME")]
    audience: Option<String>,

    /// The cookie in which a browser brings its token
    #[arg(long, env = "FANFARE_COOKIE", value_name = "NAME", default_value = COOKIE_DEFAULT)]
    cookie: String,

    /// Take tokens in the URL too (`?access_token=`): URLs are kept in histories and in the logs of
    /// proxies
    #[arg(long)]
    token_in_url: bool,
}

impl Access {
    /// Reads what was decided.
    pub(crate) fn rules(&self, published: &Published) -> Result<Rules> {
        let takes_tokens = !self.key.is_empty() || !self.jwks.is_empty();
        if !takes_tokens && (self.issuer.is_some() || self.audience.is_some()) {
            bail!("--issuer and --audience are about tokens: name a key with --key or --jwks");
        }
        if self.open {
            return Ok(Rules::open());
        }
        let has_nothing = !takes_tokens
            && self.everybody_publish.is_empty()
            && self.everybody_subscribe.is_empty();
        if has_nothing {
            bail!(
                "no keys are configured, so that nobody could publish or subscribe: name one with --key (`fanfare token --help` shows how to make one), give rights to everybody with --everybody-subscribe and --everybody-publish, or add --open to let everybody do everything"
            );
        }
        all_different(&self.key)?;
        let keys = self.key.iter().map(KeySource::key);
        let mut keys: Vec<_> = keys.collect::<Result<_>>()?;
        keys.extend(published.keys(&self.jwks));
        let everybody = Rights {
            publish: self.everybody_publish.clone(),
            subscribe: self.everybody_subscribe.clone(),
            admin: false,
        };
        Ok(Rules {
            keys,
            awaits_keys: !self.jwks.is_empty(),
            everybody: Arc::new(everybody.to_grant().map_err(anyhow::Error::msg)?),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
        })
    }

    /// Where tokens may stand.
    pub(crate) fn carriers(&self) -> Carriers {
        Carriers {
            cookie: self.cookie.clone(),
            takes_query: self.token_in_url,
        }
    }

    /// What was decided, for those who start the hub.
    pub(crate) fn summary(&self) -> String {
        if self.open {
            return "Open: everybody who reaches this address may publish and subscribe."
                .to_owned();
        }
        let list = |patterns: &[String]| match patterns {
            [] => "nothing".to_owned(),
            patterns => patterns.join(", "),
        };
        let keys = match (self.key.len(), self.jwks.len()) {
            (1, 0) => "1 key signs tokens".to_owned(),
            (keys, 0) => format!("{keys} keys sign tokens"),
            (0, 1) => format!("The keys at {} sign tokens", self.jwks[0]),
            (keys, sets) => format!("{keys} keys and those of {sets} issuers sign tokens"),
        };
        format!(
            "{keys}. Without one, everybody may publish to: {}; subscribe to: {}.",
            list(&self.everybody_publish),
            list(&self.everybody_subscribe)
        )
    }

    /// The files that keys are read from.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.key.iter().filter_map(KeySource::file)
    }
}
