//! The client of one hub: a cheap handle from which publishing and subscribing start.

use std::future::Future;
use std::sync::Arc;

use http::HeaderMap;
use rustls::ClientConfig;

use crate::address::{AddressError, HubUrl, Query, Target};
use crate::credentials::{Attempted, Credentials, CredentialsError};
use crate::history::History;
use crate::publication::Publication;
use crate::publish::Publish;
use crate::subscribe::Subscribe;
use crate::transport::Transport;

/// A hub as seen from here. Cloning is cheap, and clones share their idle connections.
///
/// Nothing is sent before the first publication or subscription.
#[derive(Debug, Clone)]
pub struct Client {
    hub: Arc<HubUrl>,
    transport: Arc<Transport>,
    credentials: Credentials,
}

impl Client {
    /// Makes a client from a URL such as `http://127.0.0.1:4000`.
    ///
    /// `https://` trusts what the operating system trusts (or the file that `SSL_CERT_FILE` names).
    ///
    /// # Errors
    /// The text is not the URL of a hub.
    pub fn new(hub: &str) -> Result<Self, AddressError> {
        Ok(Self {
            hub: Arc::new(hub.parse()?),
            transport: Arc::default(),
            credentials: Credentials::default(),
        })
    }

    /// Speaks TLS as `config` says. It must offer no protocol but `http/1.1` by ALPN.
    #[must_use]
    pub fn with_tls(self, config: Arc<ClientConfig>) -> Self {
        Self {
            transport: Arc::new(Transport::with_tls(config)),
            ..self
        }
    }

    /// Sends the header fields that `make` returns with each request, so that a token is never
    /// stale: they are asked for anew at each attempt, and once more when the hub refused them (401
    /// or 403). They follow no redirect to another origin.
    ///
    /// # Examples
    /// ```
    /// use fanfare_client::Client;
    /// use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
    ///
    /// # async fn token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # fn example() -> Result<(), fanfare_client::AddressError> {
    /// let hub = Client::new("https://hub.example")?.with_credentials(async |_| {
    ///     let mut token = HeaderValue::try_from(format!("Bearer {}", token().await?))?;
    ///     token.set_sensitive(true);
    ///     Ok(HeaderMap::from_iter([(AUTHORIZATION, token)]))
    /// });
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_credentials<F, M>(self, make: F) -> Self
    where
        F: Fn(Attempted) -> M + Send + Sync + 'static,
        M: Future<Output = Result<HeaderMap, CredentialsError>> + Send + 'static,
    {
        Self {
            credentials: Credentials::new(make),
            ..self
        }
    }

    /// Publishes to a topic: one event, or a stream of them. Options may be set before it is
    /// awaited.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = fanfare_client::Client::new("http://127.0.0.1:4000")?;
    /// let receipt = hub.publish("chat", "hello").await?;
    /// println!("stored as {}", receipt.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish(&self, topic: impl Into<String>, what: impl Into<Publication>) -> Publish {
        Publish::new(self.clone(), topic.into(), what.into())
    }

    /// Ends a topic: its readers get what remains, and then the end.
    pub fn end(&self, topic: impl Into<String>) -> Publish {
        self.publish(topic, Publication::nothing()).ending()
    }

    /// Follows a topic or pattern.
    ///
    /// # Examples
    /// ```no_run
    /// use fanfare_client::{Client, History, Update};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Client::new("http://127.0.0.1:4000")?;
    /// let mut subscriber = hub.subscribe("chat").history(History::All).open()?;
    /// while let Some(update) = subscriber.next().await {
    ///     if let Update::Event(event) = update? {
    ///         println!("{}: {}", event.event_type, event.data);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, topic: impl Into<String>) -> Subscribe {
        Subscribe::new(self.clone(), topic.into())
    }

    /// Follows the stream behind any URL of the hub's server, such as one that another program
    /// serves there.
    ///
    /// # Errors
    /// The text is no URL with `http://` or `https://`.
    pub fn follow(&self, url: &str) -> Result<Subscribe, AddressError> {
        Ok(Subscribe::at(self.clone(), url.parse()?))
    }

    /// The hub's URL.
    #[must_use]
    pub fn hub(&self) -> &HubUrl {
        &self.hub
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The target of a subscription: the first topic in the path, the others in the query.
    pub(crate) fn subscription(
        &self,
        topics: &[String],
        history: Option<History>,
    ) -> Result<Target, AddressError> {
        let (first, others) = topics.split_first().ok_or(AddressError::EmptyTopic)?;
        let mut query = Query::default();
        for topic in others {
            if topic.is_empty() {
                return Err(AddressError::EmptyTopic);
            }
            query.pair("topic", topic);
        }
        if let Some(history) = history {
            query.pair("history", &history.to_string());
        }
        self.hub.target(first, &query)
    }
}
