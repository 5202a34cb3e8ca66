//! Who may use the hub: the options of `serve` that decide it.

use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use fanfare::auth::{Auth, Rights, Rules};
use fanfare::{COOKIE_DEFAULT, Carriers};

use crate::keys::{KeySource, all_different};

/// Who may publish and subscribe.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access options")]
pub(crate) struct Access {
    /// Let everybody who reaches the address do everything
    #[arg(long, conflicts_with_all = ["key", "everybody_publish", "everybody_subscribe"])]
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
    #[arg(long, env = "FANFARE_ISSUER", value_name = "NAME", requires = "key")]
    issuer: Option<String>,

    /// What this hub is called in tokens that say whom they are for (`aud`)
    #[arg(long, env = "FANFARE_AUDIENCE", value_name = "NAME", requires = "key")]
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
    pub(crate) fn auth(&self) -> Result<Auth> {
        if self.open {
            return Ok(Auth::open());
        }
        let has_nothing = self.key.is_empty()
            && self.everybody_publish.is_empty()
            && self.everybody_subscribe.is_empty();
        if has_nothing {
            bail!(
                "no keys are configured, so that nobody could publish or subscribe: name one with --key (`fanfare token --help` shows how to make one), give rights to everybody with --everybody-subscribe and --everybody-publish, or add --open to let everybody do everything"
            );
        }
        Ok(Auth::new(self.rules()?))
    }

    /// Where tokens may stand.
    pub(crate) fn carriers(&self) -> Carriers {
        Carriers {
            cookie: self.cookie.clone(),
            takes_query: self.token_in_url,
        }
    }

    fn rules(&self) -> Result<Rules> {
        all_different(&self.key)?;
        let keys = self.key.iter().map(KeySource::key);
        let everybody = Rights {
            publish: self.everybody_publish.clone(),
            subscribe: self.everybody_subscribe.clone(),
            admin: false,
        };
        Ok(Rules {
            keys: keys.collect::<Result<_>>()?,
            everybody: Arc::new(everybody.to_grant().map_err(anyhow::Error::msg)?),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
        })
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
        let keys = match self.key.len() {
            1 => "1 key signs tokens".to_owned(),
            keys => format!("{keys} keys sign tokens"),
        };
        format!(
            "{keys}. Without one, everybody may publish to: {}; subscribe to: {}.",
            list(&self.everybody_publish),
            list(&self.everybody_subscribe)
        )
    }

    /// Whether there are keys to be read anew.
    pub(crate) fn has_keys(&self) -> bool {
        !self.key.is_empty()
    }

    /// Reads the keys anew.
    pub(crate) fn reload(&self, auth: &Auth) -> Result<()> {
        auth.replace(self.rules()?);
        Ok(())
    }
}
