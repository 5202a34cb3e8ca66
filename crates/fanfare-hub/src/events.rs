//! The events of a slice: shared with everybody who reads them, or just read from storage, one
//! behind the other, so that who passes on their bytes needs none of them by itself.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::event::{Event, Kind, Timestamp};
use crate::position::Seq;
use crate::topic::TopicName;

/// Events in seq order. A slice of events for everybody who looks at them one by one.
#[derive(Clone, Default)]
pub struct Events {
    run: Option<Run>,
    /// Those of the run, made when they are first asked for.
    each: OnceLock<Vec<Arc<Event>>>,
}

/// Events whose frames lie one behind the other, in seq order.
#[derive(Clone, Default)]
pub struct Run {
    /// What is known of each event.
    pub rows: Vec<Row>,
    /// The topics that the rows name.
    pub topics: Vec<TopicName>,
    /// All frames.
    pub frames: Bytes,
}

/// An event without its frame.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its place in the log.
    pub seq: Seq,
    /// When the hub accepted it.
    pub time: Timestamp,
    /// Published, or the end of the topic.
    pub kind: Kind,
    /// Its topic, among those of the run.
    pub topic: usize,
    /// Where its frame ends; it begins where the one before it ends.
    pub end: usize,
}

impl Events {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.run {
            Some(run) => run.rows.len(),
            None => self.iter().len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The frame of each, with its seq.
    pub fn frames(&self) -> impl Iterator<Item = (Seq, &[u8])> {
        let (rows, each) = match &self.run {
            Some(run) => (&*run.rows, &[][..]),
            None => (&[][..], &**self),
        };
        let begins = std::iter::once(0).chain(rows.iter().map(|row| row.end));
        let frames = self.run.as_ref().map_or(&[][..], |run| &run.frames);
        let of_run = begins.zip(rows).map(|(begin, row)| {
            let frame = frames.get(begin..row.end).unwrap_or_default();
            (row.seq, frame)
        });
        of_run.chain(each.iter().map(|event| (event.seq, &*event.frame)))
    }

    /// Some of their frames as they lie in memory: one by one, or all of them in one piece.
    #[must_use]
    pub fn piece(&self, nth: usize) -> Option<&Bytes> {
        match &self.run {
            Some(run) => (nth == 0).then_some(&run.frames),
            None => self.get(nth).map(|event| &event.frame),
        }
    }

    /// All such pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> + Clone {
        (0..).map_while(|nth| self.piece(nth))
    }
}

impl Run {
    fn events(&self) -> Vec<Arc<Event>> {
        let mut start = 0;
        let events = self.rows.iter().map(|row| {
            let frame = self.frames.slice(start..row.end);
            start = row.end;
            Arc::new(Event {
                seq: row.seq,
                time: row.time,
                topic: self.topics[row.topic].clone(),
                kind: row.kind,
                frame,
            })
        });
        events.collect()
    }
}

impl From<Vec<Arc<Event>>> for Events {
    fn from(events: Vec<Arc<Event>>) -> Self {
        Self {
            run: None,
            each: OnceLock::from(events),
        }
    }
}

impl From<Run> for Events {
    fn from(run: Run) -> Self {
        // The frames are those of the rows.
        debug_assert_eq!(run.rows.last().map_or(0, |row| row.end), run.frames.len());
        Self {
            run: Some(run),
            each: OnceLock::new(),
        }
    }
}

impl Deref for Events {
    type Target = [Arc<Event>];

    fn deref(&self) -> &[Arc<Event>] {
        let made = || self.run.as_ref().map(Run::events).unwrap_or_default();
        self.each.get_or_init(made)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
