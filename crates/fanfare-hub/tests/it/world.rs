//! A hub and its model side by side: every operation runs on both, and they have to agree.

use std::sync::Arc;
use std::time::Duration;

use fanfare_hub::{
    AppendError, EventId, Hub, IdempotencyKey, Limits, NewEvent, Page, Publication, PublishError,
    ReadBudget, Resume, RetentionRules, Selection, Seq, Start, Subscribed, Subscription, Timestamp,
    TopicName, Trusted,
};

use crate::fixture::{NOW, WHOLE, epoch, hub_with, now_or_panic};
use crate::follower::{Follower, check_opening, check_slice};
use crate::model::{Model, id};

/// A publication with a key: the key, the part, and the fingerprint.
pub(crate) type Key = (u8, u64, u8);

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) model: Model,
    pub(crate) now: Timestamp,
    pub(crate) followers: Vec<Follower>,
    topics_max: usize,
}

impl World {
    pub(crate) fn new(rules: RetentionRules, topics_max: usize) -> Self {
        let limits = Limits {
            topics_max,
            // The clock of the random tests jumps by years; windows have their own test.
            idempotency_window: Duration::MAX,
            ..Limits::default()
        };
        Self {
            hub: hub_with(rules.clone(), limits),
            model: Model::new(rules),
            now: NOW,
            followers: Vec::new(),
            topics_max,
        }
    }

    pub(crate) fn publish(
        &mut self,
        topic: &TopicName,
        texts: &[String],
        ends_topic: bool,
        key: Option<Key>,
    ) {
        let publication = Publication {
            topic: Trusted.publish(topic.clone()),
            events: texts.iter().map(NewEvent::new).collect(),
            ends_topic,
            idempotency: key.map(|(key, part, print)| IdempotencyKey {
                key: key.to_string(),
                part,
                fingerprint: [print; 32],
            }),
        };
        let result = now_or_panic(self.hub.publish(publication, self.now));
        let expected = self.publish_to_model(topic, texts, ends_topic, key);
        let found = result.map(|receipt| (receipt.id, receipt.count, receipt.is_replayed));
        let became_visible = matches!(found, Ok((.., false)));
        assert_eq!(found, expected);
        assert_eq!(self.hub.log().last(), self.model.last());
        for follower in &mut self.followers {
            let is_selected = follower.selection.matches(topic);
            follower.check_woken(became_visible && is_selected);
        }
    }

    fn publish_to_model(
        &mut self,
        topic: &TopicName,
        texts: &[String],
        ends_topic: bool,
        key: Option<Key>,
    ) -> Result<(EventId, u64, bool), PublishError> {
        if texts.is_empty() && !ends_topic {
            return Err(PublishError::NoEvent);
        }
        let place = key.map(|(key, part, _)| (topic.clone(), key, part));
        if let (Some(place), Some((.., print))) = (&place, key) {
            match self.model.keys.get(place) {
                Some(&(stored, seq, count)) if stored == print => {
                    return Ok((id(seq), count, true));
                }
                Some(_) => return Err(AppendError::KeyReused.into()),
                None => {}
            }
        }
        if self.model.ended.contains_key(topic) {
            return Err(AppendError::TopicEnded.into());
        }
        if self.topics_max < usize::MAX {
            let topics = self.model.topics();
            let is_full = !topics.contains(topic) && topics.len() >= self.topics_max;
            if is_full && !self.model.forget_retired() {
                return Err(AppendError::TooManyTopics(self.topics_max).into());
            }
        }
        for text in texts {
            self.model.push(topic, Some(text), self.now);
        }
        if ends_topic {
            self.model.push(topic, None, self.now);
        }
        let count = texts.len() as u64;
        if let (Some(place), Some((.., print))) = (place, key) {
            let stored = (print, self.model.last(), count);
            self.model.keys.insert(place, stored);
        }
        Ok((id(self.model.last()), count, false))
    }

    pub(crate) fn forget(&mut self, topic: &TopicName) {
        let dropped = now_or_panic(self.hub.log().forget(topic)).unwrap();
        assert_eq!(dropped, self.model.forget(topic));
        self.nobody_is_woken();
    }

    pub(crate) fn trim(&mut self) {
        self.hub.log().trim(self.now);
        self.model.trim(self.now);
        self.nobody_is_woken();
    }

    fn nobody_is_woken(&mut self) {
        for follower in &mut self.followers {
            follower.check_woken(false);
        }
    }

    /// Opens a stream, which may turn out to be over.
    pub(crate) fn subscribe(&mut self, selection: &Selection, start: &Start) {
        if let Some(follower) = self.open(selection, start) {
            self.followers.push(follower);
        }
    }

    fn open(&self, selection: &Selection, start: &Start) -> Option<Follower> {
        let (rest, reason) = self.model.start(selection, start, self.now);
        let subscription = Subscription {
            selection: Trusted.subscribe(selection.clone()),
            start: start.clone(),
        };
        let is_over = rest.is_empty() && reason.is_none() && self.model.is_over(selection);
        let (selection, model) = (selection.clone(), &self.model);
        match now_or_panic(self.hub.subscribe(subscription, self.now)).unwrap() {
            Subscribed::Over => {
                assert!(is_over, "{start:?} of {selection:?} is not over");
                None
            }
            Subscribed::Open(cursor) => {
                assert!(!is_over, "{start:?} of {selection:?} is over");
                Some(Follower::new(cursor, selection, start, model, self.now))
            }
        }
    }

    pub(crate) fn poll(&mut self, follower: usize, budget: ReadBudget) {
        let count = self.followers.len();
        if let Some(follower) = self.followers.get_mut(follower % count.max(1)) {
            follower.poll(&self.model, budget);
        }
    }

    pub(crate) fn close(&mut self, follower: usize) {
        if !self.followers.is_empty() {
            let gone = self.followers.swap_remove(follower % self.followers.len());
            gone.audit(&self.model);
        }
        assert_eq!(self.hub.subscribers_len(), self.followers.len());
    }

    pub(crate) fn page(&self, selection: &Selection, start: &Start, budget: ReadBudget) {
        let subscription = Subscription {
            selection: Trusted.subscribe(selection.clone()),
            start: start.clone(),
        };
        let Page { gap, slice, .. } = now_or_panic(self.hub.page(subscription, budget, self.now));
        let is_over = !slice.has_more && self.model.is_over(selection);
        assert_eq!(slice.is_over, is_over);
        let (expected, reason) = self.model.start(selection, start, self.now);
        let mut rest = self.model.rest(selection, Seq::ZERO);
        rest.retain(|entry| expected.first().is_some_and(|&first| entry.seq >= first));
        if rest.is_empty() {
            assert!(slice.events.is_empty() && !slice.has_more);
        } else {
            // The turns of a page are its own affair, and so is where the last one began.
            check_slice(&slice, &rest, budget, Seq::ZERO);
        }
        let after = gap.as_ref().map_or(Seq::ZERO, |gap| gap.resumes_after.seq);
        check_opening(&self.model, selection, start, reason, gap.as_ref(), after);
    }

    /// Resumes the stream of a follower from one of the ids that it saw, and reads the rest.
    pub(crate) fn resume(&mut self, follower: usize, nth: usize) {
        let Some(first) = self.followers.get(follower % self.followers.len().max(1)) else {
            return;
        };
        let ids = first.ids_seen();
        let asked = ids[nth % ids.len()];
        let selection = first.selection.clone();
        let start = Start::Resume(Resume::After(EventId {
            epoch: epoch(),
            seq: asked,
        }));
        if let Some(mut second) = self.open(&selection, &start) {
            second.drain(&self.model, WHOLE);
            second.audit(&self.model);
        }
    }

    /// What the log says of its topics is what the model counts.
    pub(crate) fn check_topics(&self) {
        let found = now_or_panic(self.hub.log().topics(None, usize::MAX));
        let expected = self.model.topics();
        assert_eq!(found.len(), expected.len());
        for (status, name) in found.iter().zip(&expected) {
            let kept = self.model.of_topic(name);
            assert_eq!(status.topic, *name);
            assert_eq!(status.events, kept.len() as u64);
            assert_eq!(status.oldest, kept.first().map(|entry| entry.seq));
            assert_eq!(status.newest, kept.last().map(|entry| entry.seq));
            assert_eq!(status.is_ended, self.model.ended.contains_key(name));
        }
    }

    /// Lets everybody read to the end and looks at all transcripts.
    pub(crate) fn finish(mut self, budget: ReadBudget) {
        self.check_topics();
        let Self {
            followers, model, ..
        } = &mut self;
        for follower in followers {
            follower.drain(model, budget);
            follower.audit(model);
        }
        let hub = self.hub.clone();
        drop(self.followers);
        assert_eq!(hub.subscribers_len(), 0);
        assert_eq!(Arc::strong_count(hub.log()), 1, "nobody holds the log");
    }
}
