//! Making groups visible that are durable, and known to those who wait.

use std::sync::Arc;

use fanfare_hub::{AppendError, Event, Timestamp, TopicName};

use super::commit::Failed;
use super::retain::{Walk, is_bounded};
use super::stage::{Change, Group};
use crate::answer::Told;
use crate::index::Entry;
use crate::segment::Segment;
use crate::shared::Shared;

/// Events shown under one lock: between two readers get in, and whoever stages.
const RUN: usize = 256;

/// Makes things visible, in order, and drops what retention wants gone.
pub(super) struct Shower {
    pub(super) shared: Arc<Shared>,
    /// What retention looked at last.
    pub(super) walk: Walk,
    /// The time by which retention judges ages.
    pub(super) now: Timestamp,
    /// Whether ages are to be looked at, though nothing came in.
    pub(super) is_tick: bool,
    /// Topics with a rule of their own that something was published to.
    pub(super) bounded: Vec<u32>,
    /// Why the last group was not stored, and where it began.
    failed: Option<(AppendError, u64)>,
}

impl Shower {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let bounded = {
            let view = shared.view();
            let topics = view.topics.iter();
            let bounded = topics.filter(|topic| is_bounded(&topic.retention));
            // The rules may have changed since they were last applied.
            bounded.map(|topic| topic.id).collect()
        };
        Self {
            shared,
            walk: Walk::default(),
            now: Timestamp::default(),
            is_tick: false,
            bounded,
            failed: None,
        }
    }

    /// Shows a group and answers for it, or says that it is not stored.
    pub(super) fn finish(&mut self, group: &mut Group, result: Result<(), Failed>) {
        if group.now > Timestamp::default() {
            self.now = group.now;
        }
        self.is_tick |= group.is_tick;
        match result {
            Ok(()) => {
                self.show(group);
                let mut told = Told::default();
                for (answer, receipt) in group.answers.drain(..) {
                    told.tell(answer, Ok(receipt));
                }
                told.wake();
            }
            Err(failed) => {
                let error = match failed {
                    Failed::NotStored(reason) => AppendError::Unavailable(reason),
                    Failed::Uncertain(reason) => AppendError::Uncertain(reason),
                };
                tracing::error!(%error, "the log could not store events");
                refuse(group, |_| error.clone());
                self.failed = Some((error, group.start));
            }
        }
    }

    /// Refuses what was staged behind the group that was not stored. Answers where that one began.
    pub(super) fn take_back(&mut self, group: &mut Group) -> Option<u64> {
        let (error, start) = self.failed.take()?;
        // Of this one nothing was written. Who asks for an event again asks for the other one's.
        refuse(group, |is_replayed| match &error {
            AppendError::Uncertain(reason) if !is_replayed => {
                AppendError::Unavailable(reason.clone())
            }
            error => error.clone(),
        });
        Some(start)
    }

    /// Makes the group visible.
    fn show(&mut self, group: &mut Group) {
        let Some(segment) = group.segment.take() else {
            return;
        };
        self.show_keys(&segment, group);
        let mut topics: Vec<TopicName> = Vec::new();
        let mut changes = group.changes.drain(..).peekable();
        while changes.peek().is_some() {
            let run = changes.by_ref().take(RUN);
            self.show_some(run, (&segment, group.start), &mut topics);
        }
        drop(changes);
        self.shared.set_durable(group.last);
        if let Some(observer) = self.shared.observer() {
            topics.sort_unstable();
            topics.dedup();
            topics.iter().for_each(|topic| observer.visible(topic));
        }
    }

    fn show_keys(&self, segment: &Segment, group: &mut Group) {
        if group.keys.is_empty() {
            return;
        }
        let mut index = segment.index_mut();
        let mut keys = self.shared.keys_mut();
        for row in group.keys.drain(..) {
            index.key(row.clone());
            keys.remember(row);
        }
    }

    fn show_some(
        &mut self,
        changes: impl Iterator<Item = Change>,
        (segment, start): (&Segment, u64),
        topics: &mut Vec<TopicName>,
    ) {
        let shared = Arc::clone(&self.shared);
        let mut view = shared.view_mut();
        let mut index = segment.index_mut();
        let mut known: Option<u32> = None;
        for change in changes {
            let (event, at, id) = match change {
                Change::Event(event, at, id) => (event, start + at as u64, id),
                Change::Forget(topic, answer) => {
                    drop(index);
                    let dropped = self.forget(&mut view, segment, &topic);
                    index = segment.index_mut();
                    if let Some(answer) = answer {
                        drop(answer.send(Ok(dropped)));
                    }
                    topics.push(topic);
                    known = None;
                    continue;
                }
            };
            let id = id.or_else(|| view.topics.id(&event.topic));
            let id = id.unwrap_or_else(|| {
                let id = view.topics.number(&event.topic);
                index.name(id, &event.topic);
                id
            });
            if known.replace(id) != Some(id) {
                topics.push(event.topic.clone());
            }
            index.push(entry(segment, &event, id, at));
            if event.kind == fanfare_hub::event::Kind::End {
                index.end(id, event.seq);
            }
            let topic = view.push(id, event);
            if topic.is_some_and(|topic| is_bounded(&topic.retention)) {
                self.bounded.push(id);
            }
        }
    }
}

/// Answers with errors, which may differ for who asks for an event a second time.
fn refuse(group: &mut Group, error: impl Fn(bool) -> AppendError) {
    let mut told = Told::default();
    for (answer, receipt) in group.answers.drain(..) {
        told.tell(answer, Err(error(receipt.is_replayed)));
    }
    told.wake();
    for change in group.changes.drain(..) {
        if let Change::Forget(_, Some(answer)) = change {
            drop(answer.send(Err(error(false))));
        }
    }
}

fn entry(segment: &Segment, event: &Event, topic: u32, at: u64) -> Entry {
    // Segments are far smaller than what 32 bits can count.
    let number = u32::try_from(event.seq.0 - segment.base.0).unwrap_or(u32::MAX);
    Entry {
        number,
        offset: u32::try_from(at).unwrap_or(u32::MAX),
        len: u32::try_from(event.frame.len()).unwrap_or(u32::MAX),
        topic,
        time: event.time,
    }
}
