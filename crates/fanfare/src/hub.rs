//! The hub as an embedder sees it: texts in, receipts out, the clock read here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fanfare_http::{App, Problem, Settings, clock};
use fanfare_hub::{
    Durability, Epoch, Limits, Log, MemoryLog, NewEvent, Publication, PublishError, Receipt,
    RetentionRules, TopicError, TopicName, Trusted,
};
use fanfare_log::{DiskLog, OpenError, Options};

use crate::subscribe::Subscribe;

/// A push hub. A cheap handle; clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    pub(crate) app: App,
}

/// How a hub is built; see [`Hub::builder`].
#[derive(Clone, Default)]
pub struct HubBuilder {
    limits: Limits,
    retention: RetentionRules,
    /// Where [`HubBuilder::open`] keeps the events.
    data: Option<PathBuf>,
    durability: Option<Durability>,
    segment_bytes: Option<u64>,
}

/// Why there is no receipt: nothing was published, unless the log says that it does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The text is not a topic name.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The hub or its log refused.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl From<HubError> for Problem {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Topic(error) => error.into(),
            HubError::Publish(error) => error.into(),
        }
    }
}

impl Hub {
    /// A hub that keeps its events in memory, with default bounds.
    ///
    /// # Panics
    /// Outside a tokio runtime: it applies retention by age in the background.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::builder().build()
    }

    /// Starts to build a hub.
    #[must_use]
    pub fn builder() -> HubBuilder {
        HubBuilder::default()
    }

    /// Publishes one event. Returns when it is as durable as the log promises.
    ///
    /// # Errors
    /// Says why nothing was stored, or that this is not known: [`AppendError::Uncertain`].
    ///
    /// [`AppendError::Uncertain`]: fanfare_hub::AppendError::Uncertain
    pub async fn publish(
        &self,
        topic: &str,
        event: impl Into<NewEvent>,
    ) -> Result<Receipt, HubError> {
        self.store(topic, vec![event.into()], false).await
    }

    /// Ends a topic: readers get what remains and `fanfare.end`, then their stream closes and
    /// browsers stop reconnecting.
    ///
    /// # Errors
    /// The topic was not ended, and the error says why.
    pub async fn end(&self, topic: &str) -> Result<Receipt, HubError> {
        self.store(topic, Vec::new(), true).await
    }

    /// Starts a subscription to a topic or pattern.
    pub fn subscribe(&self, topic: &str) -> Subscribe {
        Subscribe::new(self.app.clone(), topic)
    }

    /// How many event streams are open.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.app.hub().subscribers_len()
    }

    /// The bounds of this hub, as they are now.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits::clone(&self.app.hub().limits())
    }

    /// Sets other bounds, and names those that wait for a restart because what they bound is set
    /// up when the hub starts. What is open already stays.
    pub fn set_limits(&self, limits: Limits) -> Vec<&'static str> {
        self.app.hub().set_limits(limits)
    }

    async fn store(
        &self,
        topic: &str,
        events: Vec<NewEvent>,
        ends_topic: bool,
    ) -> Result<Receipt, HubError> {
        let topic = TopicName::parse(topic)?;
        let publication = Publication {
            topic: Trusted.publish(topic),
            events,
            ends_topic,
            idempotency: None,
        };
        Ok(self.app.publish(publication).await?)
    }
}

impl HubBuilder {
    /// Sets the bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how much history is kept.
    #[must_use]
    pub fn retention(mut self, retention: RetentionRules) -> Self {
        self.retention = retention;
        self
    }

    /// Sets the base of the reconnection time that subscribers are told.
    #[must_use]
    pub fn retry(mut self, retry: Duration) -> Self {
        self.limits.retry = retry;
        self
    }

    /// Sets the silence after which a heartbeat is sent.
    #[must_use]
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.limits.heartbeat = heartbeat;
        self
    }

    /// Has [`open`](Self::open) keep the events in this folder, which is created when there is
    /// none.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Sets what acknowledged events survive in that folder. [`Durability::Disk`] is the default;
    /// [`Durability::Memory`] is no level of a folder and is taken for [`Durability::Written`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Sets the bytes of one file of the log. The default is right outside of trials.
    #[must_use]
    pub fn segment_bytes(mut self, segment_bytes: u64) -> Self {
        self.segment_bytes = Some(segment_bytes);
        self
    }

    /// Builds a hub that keeps its events in memory, whatever folder was named.
    ///
    /// # Panics
    /// Outside a tokio runtime: it applies retention by age in the background.
    #[must_use]
    pub fn build(self) -> Hub {
        let epoch = Epoch::from_entropy(entropy());
        let log = MemoryLog::new(epoch, self.retention, &self.limits);
        hub_over(Arc::new(log), self.limits)
    }

    /// Opens a hub that keeps its events in the folder given with [`data`](Self::data), or in
    /// memory when there is none. Reads the folder before it returns, which takes a moment.
    ///
    /// # Errors
    /// The folder is another hub's, cannot be used, or was written by a later version.
    ///
    /// # Panics
    /// Outside a tokio runtime: it applies retention by age in the background.
    pub fn open(self) -> Result<Hub, OpenError> {
        let Some(folder) = &self.data else {
            return Ok(self.build());
        };
        let usual = Options::default();
        let options = Options {
            durability: self.durability.unwrap_or(usual.durability),
            segment_bytes: self.segment_bytes.unwrap_or(usual.segment_bytes),
            retention: self.retention,
            limits: self.limits.clone(),
            ..usual
        };
        let log = DiskLog::open(folder, options)?;
        Ok(hub_over(Arc::new(log), self.limits))
    }
}

fn hub_over(log: Arc<dyn Log>, limits: Limits) -> Hub {
    let hub = fanfare_hub::Hub::new(log, limits);
    Hub {
        app: App::new(hub, Settings::default()),
    }
}

/// Random bits for the epoch. Should the system have none to give, the time of the start is as
/// unlikely to come twice.
fn entropy() -> u32 {
    let time = || u32::try_from(clock::now().0 & u64::from(u32::MAX)).unwrap_or_default();
    getrandom::u32().unwrap_or_else(|_no_source| time())
}
