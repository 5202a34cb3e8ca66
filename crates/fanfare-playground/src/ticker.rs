//! The ticker: a message each second, and an event of its own type each
//! fifth second.

use std::sync::Arc;
use std::time::Duration;

use fanfare::{Hub, NewEvent, Request, Response};
use tokio::time::{self, Instant};

use crate::while_watched::WhileWatched;

/// Slow enough to read, quick enough not to bore.
const SECOND: Duration = Duration::from_secs(1);

/// A stream of ticks. All its clients share one timer, and without
/// clients there is none.
pub(crate) struct Ticker {
    hub: Hub,
    topic: &'static str,
    timer: Arc<WhileWatched>,
}

impl Ticker {
    /// A ticker that publishes to `topic`.
    pub(crate) fn new(hub: Hub, topic: &'static str) -> Self {
        let publisher = hub.clone();
        let timer = WhileWatched::new(topic, move || tick(publisher.clone(), topic));
        Self { hub, topic, timer }
    }

    /// `GET events`: what happens from now on.
    pub(crate) fn events(&self, request: &Request) -> impl Future<Output = Response> + use<> {
        let watcher = self.timer.watch();
        self.hub
            .subscribe(self.topic)
            .resume(request.headers())
            .on_close(move || drop(watcher))
            .respond()
    }
}

/// Publishes a tick each second, until the task is stopped.
async fn tick(hub: Hub, topic: &'static str) {
    let mut seconds = time::interval_at(Instant::now() + SECOND, SECOND);
    for count in 1_u64.. {
        seconds.tick().await;
        for event in events_of(count) {
            publish(&hub, topic, event).await;
        }
    }
}

async fn publish(hub: &Hub, topic: &str, event: NewEvent) {
    if let Err(error) = hub.publish(topic, event).await {
        tracing::warn!(target: "playground", %error, "{topic}: tick not published");
    }
}

/// What happens in second `count`.
fn events_of(count: u64) -> Vec<NewEvent> {
    let mut events = vec![NewEvent::new(format!("Message {count}"))];
    if count.is_multiple_of(5) {
        let custom = NewEvent::new(format!("Custom event after {count} seconds"));
        events.extend(custom.event_type("customEvent"));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_a_message_and_each_fifth_a_custom_event() {
        for (count, expected) in [(1, 1), (4, 1), (5, 2), (6, 1), (10, 2)] {
            assert_eq!(events_of(count).len(), expected, "second {count}");
        }
    }
}
