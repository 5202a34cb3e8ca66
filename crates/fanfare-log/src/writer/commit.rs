//! Making a group durable, then visible, then known to those who wait.

use std::io;
use std::mem;
use std::sync::Arc;

use fanfare_hub::{AppendError, Durability, Event, TopicName};

use super::Writer;
use super::retain::is_bounded;
use super::stage::Change;
use crate::answer::Told;
use crate::index::Entry;
use crate::record::{EVENT_HEADER, HEADER};
use crate::shared::Trouble;

/// How a group ended that could not be made durable.
enum Failed {
    /// Nothing of it is on disk, and nothing of it ever will be.
    NotStored(String),
    /// It may be on disk or not.
    Uncertain(String),
}

impl Writer {
    /// Makes what was staged durable and visible, and answers.
    pub(super) fn commit(&mut self) {
        if self.group.buf.is_empty() {
            return self.answer();
        }
        let result = self.store();
        match result {
            Ok(()) => {
                self.show();
                self.answer();
            }
            Err(failed) => self.fail(&failed),
        }
        self.group.clear();
    }

    /// Writes the group, and behind it a header of zeros, so that what a recycled file still holds
    /// does not look like its continuation.
    fn store(&mut self) -> Result<(), Failed> {
        let records = self.group.buf.len();
        self.group.buf.resize(records + HEADER, 0);
        let written = self.segment.file.write_at(&self.group.buf, self.at);
        self.group.buf.truncate(records);
        if let Err(error) = written {
            return Err(self.erase(&error));
        }
        if self.shared.durability == Durability::Disk
            && let Err(error) = self.segment.file.sync()
        {
            // The kernel may have dropped the pages and call them clean, so that a second sync
            // would succeed and mean nothing: it is never retried.
            let reason = format!("a sync failed ({error}): restart the hub once the disk is sound");
            self.shared
                .set_trouble(Some(Trouble::Poisoned(reason.clone())));
            return Err(Failed::Uncertain(reason));
        }
        Ok(())
    }

    /// A write failed half-way: before its publishers may hear that nothing was stored, what is
    /// there of it has to be gone for good. All of it: a later record that stayed would look like
    /// the continuation of what is written before it next.
    fn erase(&self, error: &io::Error) -> Failed {
        let file = &self.segment.file;
        let zeros = vec![0; self.group.buf.len() + HEADER];
        let erased = file.write_at(&zeros, self.at).and_then(|()| file.sync());
        match erased {
            Ok(()) => Failed::NotStored(format!("a write failed ({error})")),
            Err(second) => {
                let reason = format!(
                    "a write failed ({error}), and so did undoing it ({second}): restart the hub once the disk is sound"
                );
                self.shared
                    .set_trouble(Some(Trouble::Poisoned(reason.clone())));
                Failed::Uncertain(reason)
            }
        }
    }

    /// Takes back what was staged.
    fn fail(&mut self, failed: &Failed) {
        self.next = self.durable.next();
        self.last_time = self.shared.view().last_time();
        let error = match failed {
            Failed::NotStored(reason) => AppendError::Unavailable(reason.clone()),
            Failed::Uncertain(reason) => AppendError::Uncertain(reason.clone()),
        };
        tracing::error!(%error, "the log could not store events");
        let mut told = Told::default();
        for (answer, _) in self.group.answers.drain(..) {
            told.tell(answer, Err(error.clone()));
        }
        told.wake();
        for change in self.group.changes.drain(..) {
            if let Change::Forget(_, Some(answer)) = change {
                drop(answer.send(Err(error.clone())));
            }
        }
    }

    /// Makes the group visible.
    fn show(&mut self) {
        let start = self.at;
        self.at += self.group.buf.len() as u64;
        self.durable = self.next.previous();
        self.show_keys();
        let mut topics: Vec<TopicName> = Vec::new();
        let changes = mem::take(&mut self.group.changes);
        let mut events = changes.into_iter().peekable();
        while events.peek().is_some() {
            // Between two locks readers get in, however large the group is.
            let run = events.by_ref().take(1_024);
            self.show_some(run, start, &mut topics);
        }
        self.shared.set_durable(self.durable);
        if let Some(observer) = self.shared.observer() {
            topics.sort_unstable();
            topics.dedup();
            topics.iter().for_each(|topic| observer.visible(topic));
        }
    }

    fn show_keys(&mut self) {
        if self.group.keys.is_empty() {
            return;
        }
        let mut rows: Vec<_> = self.group.keys.drain().map(|(_, row)| row).collect();
        rows.sort_unstable_by_key(|row| row.seq);
        let mut index = self.segment.index_mut();
        let mut keys = self.shared.keys_mut();
        for row in rows {
            index.key(row.clone());
            keys.remember(row);
        }
    }

    fn show_some(
        &mut self,
        changes: impl Iterator<Item = Change>,
        start: u64,
        topics: &mut Vec<TopicName>,
    ) {
        let shared = Arc::clone(&self.shared);
        let mut view = shared.view_mut();
        let mut index = self.segment.index_mut();
        let mut known: Option<u32> = None;
        for change in changes {
            let (event, at, id) = match change {
                Change::Event(event, at, id) => (event, start + at as u64, id),
                Change::Forget(topic, answer) => {
                    drop(index);
                    let dropped = self.forget(&mut view, &topic);
                    index = self.segment.index_mut();
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
            index.push(self.entry(&event, id, at));
            if event.kind == fanfare_hub::event::Kind::End {
                index.end(id, event.seq);
            }
            let topic = view.push(id, event);
            if topic.is_some_and(|topic| is_bounded(&topic.retention)) {
                self.bounded.push(id);
            }
        }
    }

    fn entry(&self, event: &Event, topic: u32, at: u64) -> Entry {
        // Segments are far smaller than what 32 bits can count.
        let number = u32::try_from(event.seq.0 - self.segment.base.0).unwrap_or(u32::MAX);
        Entry {
            number,
            offset: u32::try_from(at).unwrap_or(u32::MAX),
            len: u32::try_from(event.frame.len()).unwrap_or(u32::MAX),
            topic,
            time: event.time,
        }
    }

    fn answer(&mut self) {
        let mut told = Told::default();
        for (answer, receipt) in self.group.answers.drain(..) {
            told.tell(answer, Ok(receipt));
        }
        told.wake();
    }
}

/// Bytes of an event on disk besides its frame; stated here so that the room it takes is counted
/// with the same number that writes it.
pub(super) const EVENT_ROOM: usize = EVENT_HEADER + 4;
