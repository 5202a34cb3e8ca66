//! Whether a hub does its work: it publishes to itself and reads it back. A process that is alive
//! tells nothing of that.

use fanfare_http::clock;
use fanfare_hub::{
    AppendError, NewEvent, Publication, PublishError, ReadBudget, Selection, Selector, Start,
    Subscription, TopicName, Trusted,
};

use crate::hub::Hub;

/// What became of an event that a hub published to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It was stored and read back.
    Works,
    /// It was refused, as all others are at the moment. This passes without a restart: a full disk
    /// is the usual reason, and what is stored can be read all the same.
    Refuses(String),
    /// It was not stored, or not found afterwards, and only a restart helps.
    Broken(String),
}

impl Hub {
    /// Publishes an event to the hub's own topic and reads it back. Nobody else sees it, and
    /// one of them is kept at a time. Waits as long as a publisher would: whoever asks
    /// gives it a deadline.
    ///
    /// # Cancel safety
    /// Once the append began, dropping the future does not cancel it.
    pub async fn check(&self) -> Health {
        let hub = self.app.hub();
        let publication = Publication {
            topic: Trusted.publish(TopicName::of_checks()),
            events: vec![NewEvent::new("check")],
            ends_topic: false,
            idempotency: None,
        };
        // Not by way of the application, which counts what others publish.
        let stored = match hub.publish(publication, clock::now()).await {
            Ok(receipt) => receipt.id,
            Err(error) => {
                let is_over = matches!(error, PublishError::Append(AppendError::Uncertain(_)))
                    || hub.log().is_broken();
                return match is_over {
                    true => Health::Broken(error.to_string()),
                    false => Health::Refuses(error.to_string()),
                };
            }
        };
        let selector = Selector::Topic(TopicName::of_checks());
        let selection = match Selection::new([selector], &hub.limits()) {
            Ok(selection) => Trusted.subscribe(selection),
            Err(error) => return Health::Refuses(error.to_string()),
        };
        let subscription = Subscription {
            selection,
            start: Start::Last(1),
        };
        let budget = ReadBudget {
            bytes: hub.limits().turn_bytes_max,
            events: 1,
        };
        let page = hub.page(subscription, budget, clock::now()).await;
        let newest = page.slice.events.to_vec().pop();
        // Another check may have stored one since.
        match newest.is_some_and(|newest| newest.seq >= stored.seq) {
            true => Health::Works,
            false => Health::Broken(format!("{stored} was stored and is not to be found")),
        }
    }
}
