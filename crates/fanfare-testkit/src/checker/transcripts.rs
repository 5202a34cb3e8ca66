//! What subscribers saw against the history at the end: aborted, seam, nonmonotonic, and the order
//! in which they saw it.

use std::collections::HashMap;

use fanfare_hub::{EventId, Selector, Seq, TopicName};

use super::Report;
use super::publishes::Published;
use crate::journal::{Entry, Journal, Kept, Name, Transcript};

/// Compares every event stream with the part of the history that it asked for.
pub(super) fn check(journal: &Journal, published: &Published<'_>, report: &mut Report) {
    let mut parts: HashMap<&[String], Vec<&Kept>> = HashMap::new();
    for transcript in &journal.transcripts {
        let part = parts
            .entry(&transcript.selection)
            .or_insert_with(|| part(&transcript.selection, published.kept));
        let mut reader = Reader {
            published,
            transcript,
            part,
            next: 0,
            position: None,
        };
        if let Some(asked) = transcript.asked {
            reader.go_to(asked.seq);
        }
        for entry in &transcript.entries {
            reader.take(*entry, report);
        }
    }
    let mut last = Seq::ZERO;
    for kept in published.kept {
        if kept.id.seq <= last {
            let id = kept.id;
            report
                .nonmonotonic
                .add(|| format!("the history has {id} after {last}"));
        }
        last = kept.id.seq;
    }
}

/// The events of a selection, oldest first.
fn part<'a>(selection: &[String], kept: &'a [Kept]) -> Vec<&'a Kept> {
    let selectors = selection.iter().filter_map(|one| Selector::parse(one).ok());
    let selectors: Vec<_> = selectors.collect();
    let selects = |topic: &str| {
        let topic = TopicName::parse(topic);
        topic.is_ok_and(|topic| selectors.iter().any(|one| one.matches(&topic)))
    };
    let mut chosen: HashMap<&str, bool> = HashMap::new();
    let is_chosen = |kept: &&'a Kept| {
        let topic = kept.topic.as_str();
        *chosen.entry(topic).or_insert_with(|| selects(topic))
    };
    kept.iter().filter(is_chosen).collect()
}

/// Goes through an event stream and the history side by side.
struct Reader<'a> {
    published: &'a Published<'a>,
    transcript: &'a Transcript,
    part: &'a [&'a Kept],
    /// Everything of `part` before this one has been compared.
    next: usize,
    /// Where the stream stands.
    position: Option<Seq>,
}

impl Reader<'_> {
    fn go_to(&mut self, position: Seq) {
        self.position = Some(position);
        self.next = self.part.partition_point(|kept| kept.id.seq <= position);
    }

    fn take(&mut self, entry: Entry, report: &mut Report) {
        match entry {
            // Who asked for a position gets what follows it, wherever the hub says to start.
            Entry::Start(id) => {
                if self.position.is_none() {
                    self.go_to(id.seq);
                }
            }
            Entry::Gap(id) => {
                report.gaps += 1;
                self.go_to(id.seq);
            }
            Entry::Seen(id, name) => {
                report.seen += 1;
                self.see(id, name, report);
            }
        }
    }

    fn see(&mut self, id: EventId, name: Option<Name>, report: &mut Report) {
        let selection = &self.transcript.selection;
        if self.position.is_some_and(|position| id.seq <= position) {
            let position = self.position;
            report
                .nonmonotonic
                .add(|| format!("{id} came at {position:?} on {selection:?}"));
            return;
        }
        let missed = self.part[self.next..].partition_point(|kept| kept.id.seq < id.seq);
        if missed > 0 && self.position.is_some() {
            let first = self.part[self.next];
            report.seam.add(|| {
                format!(
                    "{missed} events from {first:?} on are missing before {id} on {selection:?}"
                )
            });
        }
        self.next += missed;
        self.position = Some(id.seq);
        match self
            .part
            .get(self.next)
            .filter(|kept| kept.id.seq == id.seq)
        {
            Some(kept) if kept.name == name => self.next += 1,
            expected => {
                let expected = expected.copied();
                self.next += usize::from(expected.is_some());
                self.contradicts((id, name), expected, report);
            }
        }
    }

    /// An event that the history does not have in this place.
    fn contradicts(
        &self,
        (id, name): (EventId, Option<Name>),
        expected: Option<&Kept>,
        report: &mut Report,
    ) {
        let selection = &self.transcript.selection;
        match name.map(|name| (name, self.published.find(name))) {
            None => report
                .ghost
                .add(|| format!("{id} on {selection:?} has a text that nobody published")),
            Some((_, None)) if id.seq < self.published.head => {}
            Some((name, None)) => report
                .aborted
                .add(|| format!("{name} was seen as {id} on {selection:?}")),
            Some((name, Some(kept))) => report.order.add(|| {
                format!("{name} was seen as {id} on {selection:?}, where the history has {expected:?}; it is {kept:?}")
            }),
        }
    }
}
