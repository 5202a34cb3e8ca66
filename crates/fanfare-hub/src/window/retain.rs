//! Dropping events: by retention or with their topic.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Topic, Window};
use crate::drops::Floor;
use crate::event::{Event, Timestamp};
use crate::retention::Retention;
use crate::topic::TopicName;

/// When to look at which topic for events that are too old.
#[derive(Debug, Default)]
pub(super) struct Alarms(BTreeSet<(Timestamp, TopicName)>);

impl Alarms {
    /// Sets the alarm of a topic to its oldest event, unless it rings before that anyway.
    fn set(&mut self, name: &TopicName, topic: &mut Topic) {
        let age_max = topic.retention.age_max;
        let Some(oldest) = topic.events.front().filter(|_| age_max != Duration::MAX) else {
            return;
        };
        let due = oldest.time.after(age_max);
        if topic.alarm.is_none_or(|alarm| due < alarm) {
            self.clear(name, topic);
            self.0.insert((due, name.clone()));
            topic.alarm = Some(due);
        }
    }

    fn clear(&mut self, name: &TopicName, topic: &mut Topic) {
        if let Some(alarm) = topic.alarm.take() {
            self.0.remove(&(alarm, name.clone()));
        }
    }

    /// The next topic whose oldest event is older than it may be, if its alarm tells the truth.
    fn ring(&mut self, now: Timestamp) -> Option<TopicName> {
        let (due, _) = self.0.first()?;
        let is_due = *due < now;
        is_due
            .then(|| self.0.pop_first())
            .flatten()
            .map(|(_, name)| name)
    }
}

impl Window {
    /// Applies retention by age. Looks at nothing but what has to go.
    pub fn trim(&mut self, now: Timestamp) {
        self.trim_hub(now);
        while let Some(name) = self.alarms.ring(now) {
            if let Some(topic) = self.topics.get_mut(&name) {
                topic.alarm = None;
            }
            self.trim_topic(&name, now);
            self.set_alarm(&name);
        }
    }

    /// Drops a topic, its events and its end. Answers how many events were dropped.
    pub fn forget(&mut self, name: &TopicName) -> u64 {
        let mut dropped = 0;
        let topic = self.topics.get_mut(name);
        if let Some(end) = topic.and_then(|topic| topic.ended.take()) {
            self.retired.remove(&end);
        }
        while self.drop_oldest_of(name) {
            dropped += 1;
        }
        self.close_topic_if_empty(name);
        dropped
    }

    /// Forgets the topic that ended longest ago, of those that have no event left. Makes room for a
    /// new one; `false` when there is none.
    pub fn forget_retired(&mut self) -> bool {
        let Some(name) = self.retired.first_key_value().map(|(_, name)| name.clone()) else {
            return false;
        };
        self.forget(&name);
        true
    }

    pub(super) fn set_alarm(&mut self, name: &TopicName) {
        if let Some(topic) = self.topics.get_mut(name) {
            self.alarms.set(name, topic);
        }
    }

    pub(super) fn trim_topic(&mut self, name: &TopicName, now: Timestamp) {
        while let Some(topic) = self.topics.get(name) {
            let count = topic.events.len() as u64;
            let oldest = topic.events.front();
            if !exceeds(&topic.retention, count, topic.bytes, oldest, now) {
                break;
            }
            self.drop_oldest_of(name);
        }
        self.close_topic_if_empty(name);
    }

    pub(super) fn trim_hub(&mut self, now: Timestamp) {
        while let Some((_, oldest)) = self.order.first_key_value() {
            let count = self.order.len() as u64;
            if !exceeds(&self.rules.hub, count, self.bytes, Some(oldest), now) {
                break;
            }
            // The oldest of the hub is the oldest of its topic, whose events are in order too.
            let name = oldest.topic.clone();
            self.drop_oldest_of(&name);
            self.close_topic_if_empty(&name);
        }
    }

    fn close_topic_if_empty(&mut self, name: &TopicName) {
        let Some(topic) = self.topics.get_mut(name) else {
            return;
        };
        if !topic.events.is_empty() {
            return;
        }
        if let Some(end) = topic.ended {
            self.retired.insert(end, name.clone());
            return;
        }
        if !name.is_own() {
            self.forgotten.raise(topic.floor);
        }
        self.alarms.clear(name, topic);
        self.topics.remove(name);
        self.names.remove(name);
    }

    /// Drops the oldest event of a topic; `false` when there is none.
    fn drop_oldest_of(&mut self, name: &TopicName) -> bool {
        let Some(topic) = self.topics.get_mut(name) else {
            return false;
        };
        let Some(event) = topic.events.pop_front() else {
            return false;
        };
        self.drops.push(event.seq, event.topic.clone(), self.last);
        topic.bytes -= event.cost_bytes();
        topic.floor.raise(Floor {
            through: event.seq,
            at: self.drops.count(),
        });
        topic.give_back_room();
        // Only a clock that was set back makes the next event due before this one.
        if topic
            .events
            .front()
            .is_some_and(|next| next.time < event.time)
        {
            self.alarms.set(name, topic);
        }
        self.bytes -= event.cost_bytes();
        self.trimmed_max = self.trimmed_max.max(event.seq);
        let removed = self.order.remove(&event.seq);
        debug_assert!(
            removed.is_some(),
            "order and the topics hold the same events"
        );
        true
    }
}

impl Topic {
    /// A topic that was once long does not hold the room of its longest time.
    fn give_back_room(&mut self) {
        if self.events.capacity() > 64 && self.events.len() < self.events.capacity() / 4 {
            self.events.shrink_to(self.events.capacity() / 2);
        }
    }
}

/// Whether the oldest event has to go.
fn exceeds(
    retention: &Retention,
    count: u64,
    bytes: u64,
    oldest: Option<&Arc<Event>>,
    now: Timestamp,
) -> bool {
    oldest.is_some_and(|oldest| retention.exceeds(count, bytes, oldest.time, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, NewEvent};
    use crate::position::{Epoch, EventId};
    use crate::retention::RetentionRules;

    #[test]
    fn a_topic_gives_back_the_room_of_its_longest_time() {
        let rules = RetentionRules {
            hub: Retention {
                age_max: Duration::from_millis(10),
                ..Retention::UNBOUNDED
            },
            ..RetentionRules::default()
        };
        let mut window = Window::new(rules);
        let topic = TopicName::parse("a").unwrap();
        let epoch = Epoch::from_entropy(1);
        let push = |window: &mut Window, time| {
            let seq = window.last().next();
            let id = EventId { epoch, seq };
            let encoded = NewEvent::new("text").encode();
            let event = Event::new(encoded, Kind::Published, topic.clone(), id, time);
            window.push(Arc::new(event));
        };
        for _ in 0..10_000 {
            push(&mut window, Timestamp(0));
        }
        push(&mut window, Timestamp(20));
        let topic = &window.topics["a"];
        assert_eq!(topic.events.len(), 1);
        assert!(topic.events.capacity() <= 64);
    }
}
