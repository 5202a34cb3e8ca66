//! The thread for slow chores, so that no publisher waits for them: sealing, the mark, spare files,
//! and taking away what retention has emptied.

mod compact;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use fanfare_hub::Seq;

use crate::mark::Mark;
use crate::memo::{Memo, TopicRow};
use crate::options::{MARK_INTERVAL, MEMO_SHARE};
use crate::segment::Segment;
use crate::shared::{Shared, Spare};
use crate::storage::StoredFile;
use crate::view::View;
use crate::writer::{SPARE_NAMES, create};

/// What the keeper is asked for.
pub(crate) enum Chore {
    /// Write the index of a segment whose records end here.
    Seal(Arc<Segment>, u64),
    /// Have a file ready for the next segment.
    Prepare,
    /// Take away the oldest segments, if nothing of them is kept.
    Recycle,
    /// Write the last mark and end.
    Close,
}

/// Chores that may wait before the writer does: segments that are not sealed yet hold their index
/// in memory.
pub(crate) const CHORES_MAX: usize = 4;

/// The keeper's own state.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    mark: Mark,
    mark_file: Arc<dyn StoredFile>,
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, mark: Mark, mark_file: Arc<dyn StoredFile>) -> Self {
        Self {
            shared,
            mark,
            mark_file,
        }
    }

    /// Works until it is asked to close.
    pub(crate) fn run(mut self, chores: &Receiver<Chore>) {
        loop {
            match chores.recv_timeout(MARK_INTERVAL) {
                Ok(Chore::Seal(segment, records_end)) => {
                    self.seal(&segment, records_end);
                    self.compact();
                }
                Ok(Chore::Prepare) => self.prepare(),
                Ok(Chore::Recycle) => self.recycle(),
                Err(RecvTimeoutError::Timeout) => self.write_mark(false),
                Ok(Chore::Close) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.close();
    }

    /// Writes down everything that the next start would otherwise have to take on trust.
    fn close(&mut self) {
        if let Err(error) = self.write_memo() {
            tracing::warn!(%error, "what to remember of old segments could not be written");
        }
        self.write_mark(true);
    }

    /// Writes down what is known now, with all segments that there are.
    pub(crate) fn write_memo(&self) -> io::Result<()> {
        let memo = {
            let view = self.shared.view();
            let first = view.segments.first();
            first.map(|first| self.memo(&view, first.base))
        };
        memo.map_or(Ok(()), |memo| memo.write(&*self.shared.storage))
    }

    /// Writes down how far the log is durable, if that is not written already.
    fn write_mark(&mut self, is_closed: bool) {
        let durable = self.shared.durable();
        let floor = self.shared.view().floor;
        let is_same = self.mark.durable == durable && self.mark.floor == floor;
        if is_same && self.mark.is_closed == is_closed {
            return;
        }
        let mark = Mark {
            count: self.mark.count + 1,
            durable,
            floor,
            is_closed,
            ..self.mark
        };
        match mark.write(&*self.mark_file) {
            Ok(()) => self.mark = mark,
            // The next one may be written; until then a start takes more on trust.
            Err(error) => tracing::warn!(%error, "the mark of the log could not be written"),
        }
    }

    /// Writes the index of a segment that is full. Without it the next start reads all records.
    fn seal(&self, segment: &Segment, records_end: u64) {
        if let Err(error) = segment.seal(records_end) {
            tracing::warn!(%error, base = segment.base.0, "the index of a segment could not be written");
        }
    }

    fn prepare(&self) {
        let mut spares = self.shared.spares();
        let (storage, bytes) = (&*self.shared.storage, self.shared.segment_bytes);
        if spares.is_empty() {
            // A disk that has no room is noticed by the writer, when it needs the file.
            spares.extend(create(storage, SPARE_NAMES[0], (bytes, 0)).ok());
        }
    }

    fn recycle(&self) {
        let (dead, memo) = {
            let view = self.shared.view();
            let dead = view.dead_segments();
            let Some(first) = view.segments.get(dead).filter(|_| dead > 0) else {
                return;
            };
            let freed = dead as u64 * self.shared.segment_bytes;
            let memo_bytes = Memo::bytes(view.topics.len(), self.shared.keys().rows().len());
            let is_worth_it = freed >= MEMO_SHARE * memo_bytes || self.shared.trouble().is_some();
            if !is_worth_it {
                return;
            }
            (dead, self.memo(&view, first.base))
        };
        if let Err(error) = memo.write(&*self.shared.storage) {
            tracing::warn!(%error, "old segments stay, because what to remember of them could not be written");
            return;
        }
        let removed = self.shared.view_mut().remove_segments(dead);
        for segment in removed {
            self.put_away(segment);
        }
        if let Err(error) = self.shared.storage.sync_names() {
            tracing::warn!(%error, "the folder could not be synced");
        }
    }

    /// What has to be remembered once everything before `first` is gone.
    fn memo(&self, view: &View, first: Seq) -> Memo {
        let open = view.topics.iter().map(|topic| TopicRow {
            id: topic.id,
            name: topic.name.clone(),
            is_open: true,
            newest: topic.newest,
            floor: topic.floor.through,
            ended: topic.ended,
        });
        // Numbers that nothing on disk will mention are free from then on.
        let closed = view
            .topics
            .closed()
            .filter(|(_, _, newest)| *newest >= first);
        let closed = closed.map(|(id, name, newest)| TopicRow {
            id,
            name: name.clone(),
            is_open: false,
            newest,
            floor: newest,
            ended: None,
        });
        let keys = self.shared.keys();
        Memo {
            first,
            forgotten: view.topics.forgotten.through,
            topics: open.chain(closed).collect(),
            keys: keys.rows().filter(|row| row.seq < first).cloned().collect(),
        }
    }

    /// Keeps the file of a segment that is gone as a spare, or removes it.
    fn put_away(&self, segment: Arc<Segment>) {
        let (storage, name) = (&self.shared.storage, crate::header::file_name(segment.base));
        let capacity = segment.capacity;
        let mut spares = self.shared.spares();
        let is_free = |name: &&str| spares.iter().all(|spare| spare.name != *name);
        let free = SPARE_NAMES.into_iter().find(is_free);
        let free = free.filter(|_| capacity == self.shared.segment_bytes);
        // Somebody may still read it: then the file goes on for those who have it open.
        let sole = free.zip(Arc::try_unwrap(segment).ok());
        let kept = sole.filter(|(spare, _)| storage.rename(&name, spare).is_ok());
        match kept {
            Some((name, segment)) => spares.push(Spare {
                name,
                file: segment.file,
                capacity,
            }),
            None => {
                if let Err(error) = storage.remove(&name) {
                    tracing::warn!(%error, name, "an old segment could not be removed");
                }
            }
        }
    }
}
