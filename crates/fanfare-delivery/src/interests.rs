//! Who follows which topic, among the streams of one shard. An event costs as much as there are
//! followers of its topic; coming and going cost as much as one follows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fanfare_hub::pattern_index::PatternIndex;
use fanfare_hub::{Selection, TopicName};

use crate::tape::{Room, Tape};

/// The number of a topic that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TopicNumber(u32);

/// What one stream follows, and where it stands in the lists.
pub(crate) enum Interest {
    /// One topic, and the place in the list of those who follow nothing else.
    One(TopicNumber, u32),
    /// Several topics, or patterns.
    Many(Box<Many>),
}

/// What a stream follows that follows more than one topic.
pub(crate) struct Many {
    pub(crate) selection: Arc<Selection>,
    /// Its topics, each with the place in the list.
    topics: Vec<(TopicNumber, u32)>,
    /// Events of the present feed that are still to be sent to it, by their number there.
    pub(crate) due: Vec<u32>,
}

/// One topic that somebody follows.
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    /// The slots of those who follow this topic and nothing else.
    pub(crate) ones: Vec<u32>,
    /// The slots of those who follow more, each with the number of this topic among theirs.
    manys: Vec<(u32, u32)>,
    /// What was sent lately, for those whose sockets were full.
    pub(crate) tape: Option<Box<Tape>>,
    /// The number of its sweep under way, or of none.
    pub(crate) sweep: Option<u32>,
}

/// All topics and patterns that somebody follows.
#[derive(Default)]
pub(crate) struct Interests {
    numbers: HashMap<TopicName, TopicNumber>,
    topics: Vec<Topic>,
    free: Vec<TopicNumber>,
    patterns: PatternIndex<HashSet<u32>>,
    /// What all tapes take.
    tapes_room: Room,
}

/// A stream whose place in a list changed, because another one left.
pub(crate) struct Moved {
    pub(crate) slot: u32,
    /// Which of its topics, when it follows several.
    nth: Option<u32>,
    place: u32,
}

impl Moved {
    /// Tells the stream.
    pub(crate) fn apply(&self, interest: &mut Interest) {
        match (interest, self.nth) {
            (Interest::One(_, place), None) => *place = self.place,
            (Interest::Many(many), Some(nth)) => {
                if let Some((_, place)) = many.topics.get_mut(nth as usize) {
                    *place = self.place;
                }
            }
            _ => debug_assert!(false, "a list holds one kind of stream"),
        }
    }
}

/// Lists have no more places than there are connections.
fn place_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl Interests {
    /// Adds a stream to the lists.
    pub(crate) fn add(&mut self, slot: u32, selection: &Arc<Selection>) -> Interest {
        if let Some(name) = selection.single() {
            let number = self.number(name);
            let ones = &mut self.topics[number.0 as usize].ones;
            ones.push(slot);
            return Interest::One(number, place_of(ones.len() - 1));
        }
        let mut topics = Vec::with_capacity(selection.topics.len());
        for (nth, name) in selection.topics.iter().enumerate() {
            let number = self.number(name);
            let manys = &mut self.topics[number.0 as usize].manys;
            manys.push((slot, place_of(nth)));
            topics.push((number, place_of(manys.len() - 1)));
        }
        for pattern in &selection.patterns {
            self.patterns.entry(pattern).insert(slot);
        }
        Interest::Many(Box::new(Many {
            selection: Arc::clone(selection),
            topics,
            due: Vec::new(),
        }))
    }

    /// Takes a stream out of the lists; `moved` hears of those whose places change.
    pub(crate) fn remove(&mut self, slot: u32, interest: &Interest, mut moved: impl FnMut(Moved)) {
        match interest {
            Interest::One(number, place) => {
                let ones = &mut self.topics[number.0 as usize].ones;
                let removed = ones.swap_remove(*place as usize);
                debug_assert_eq!(removed, slot, "a stream knows its place");
                if let Some(&slot) = ones.get(*place as usize) {
                    let (nth, place) = (None, *place);
                    moved(Moved { slot, nth, place });
                }
                self.leave(*number);
            }
            Interest::Many(many) => {
                for &(number, place) in &many.topics {
                    let manys = &mut self.topics[number.0 as usize].manys;
                    let removed = manys.swap_remove(place as usize);
                    debug_assert_eq!(removed.0, slot, "a stream knows its place");
                    if let Some(&(slot, nth)) = manys.get(place as usize) {
                        let nth = Some(nth);
                        moved(Moved { slot, nth, place });
                    }
                    self.leave(number);
                }
                for pattern in &many.selection.patterns {
                    self.patterns.retain(pattern, |slots| {
                        slots.remove(&slot);
                        !slots.is_empty()
                    });
                }
            }
        }
    }

    /// The number of a topic, which gets one if it had none.
    fn number(&mut self, name: &TopicName) -> TopicNumber {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let topic = Topic {
            name: name.clone(),
            ones: Vec::new(),
            manys: Vec::new(),
            tape: None,
            sweep: None,
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.topics[number.0 as usize] = topic;
                number
            }
            None => {
                self.topics.push(topic);
                TopicNumber(place_of(self.topics.len() - 1))
            }
        };
        self.numbers.insert(name.clone(), number);
        number
    }

    /// Forgets a topic that nobody follows any more, and that is not being swept.
    pub(crate) fn leave(&mut self, number: TopicNumber) {
        let topic = &mut self.topics[number.0 as usize];
        if topic.ones.is_empty() && topic.manys.is_empty() && topic.sweep.is_none() {
            topic.tape = None;
            if self.numbers.remove(&topic.name).is_some() {
                self.free.push(number);
            }
        }
    }

    /// The topic of that name, if somebody follows it.
    pub(crate) fn find(&self, name: &TopicName) -> Option<TopicNumber> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn topic(&self, number: TopicNumber) -> &Topic {
        &self.topics[number.0 as usize]
    }

    pub(crate) fn topic_mut(&mut self, number: TopicNumber) -> &mut Topic {
        &mut self.topics[number.0 as usize]
    }

    /// One more stream may want what is sent to the topic from now on.
    pub(crate) fn keep_tape(&mut self, number: TopicNumber) {
        let room = &self.tapes_room;
        let tape = &mut self.topics[number.0 as usize].tape;
        tape.get_or_insert_with(|| Box::new(Tape::new(room)))
            .wanted_by += 1;
    }

    /// The tapes that are kept.
    pub(crate) fn tapes(&mut self) -> impl Iterator<Item = &mut Tape> {
        self.topics
            .iter_mut()
            .filter_map(|topic| topic.tape.as_deref_mut())
    }

    /// The slots of those who follow the topic among others, some maybe twice.
    pub(crate) fn manys(
        &self,
        number: Option<TopicNumber>,
        name: &TopicName,
        mut found: impl FnMut(u32),
    ) {
        if let Some(number) = number {
            let manys = self.topic(number).manys.iter();
            manys.for_each(|(slot, _)| found(*slot));
        }
        self.patterns.matching(name, |slots| {
            slots.iter().for_each(|slot| found(*slot));
        });
    }
}

impl Interest {
    /// What is followed, as the log is asked for it.
    pub(crate) fn selection(&self, interests: &Interests) -> Arc<Selection> {
        match self {
            Self::One(number, _) => Arc::new(Selection {
                topics: vec![interests.topic(*number).name.clone()],
                patterns: Vec::new(),
            }),
            Self::Many(many) => Arc::clone(&many.selection),
        }
    }
}

#[cfg(test)]
mod tests {
    use fanfare_hub::{Limits, Selector};

    use super::*;

    fn selection(texts: &[&str]) -> Arc<Selection> {
        let selectors = texts.iter().map(|text| Selector::parse(text).unwrap());
        Arc::new(Selection::new(selectors, &Limits::default()).unwrap())
    }

    fn found(interests: &Interests, name: &str) -> Vec<u32> {
        let name = TopicName::parse(name).unwrap();
        let number = interests.find(&name);
        let mut slots: Vec<_> =
            number.map_or(Vec::new(), |number| interests.topic(number).ones.clone());
        interests.manys(number, &name, |slot| slots.push(slot));
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    #[test]
    fn whoever_leaves_takes_only_itself_out_of_the_lists() {
        let mut interests = Interests::default();
        let selectors: [&[&str]; 6] = [
            &["a"],
            &["a"],
            &["a", "b"],
            &["b", "a", "x/*"],
            &["x/*"],
            &["x/1", "a"],
        ];
        let mut streams: HashMap<u32, Interest> = (0..)
            .zip(selectors)
            .map(|(slot, texts)| (slot, interests.add(slot, &selection(texts))))
            .collect();
        assert_eq!(found(&interests, "a"), [0, 1, 2, 3, 5]);
        assert_eq!(found(&interests, "x/1"), [3, 4, 5]);
        for (leaves, of_a, of_b, of_x) in [
            (0, vec![1, 2, 3, 5], vec![2, 3], vec![3, 4, 5]),
            (2, vec![1, 3, 5], vec![3], vec![3, 4, 5]),
            (4, vec![1, 3, 5], vec![3], vec![3, 5]),
            (3, vec![1, 5], vec![], vec![5]),
            (5, vec![1], vec![], vec![]),
            (1, vec![], vec![], vec![]),
        ] {
            let interest = streams.remove(&leaves).unwrap();
            interests.remove(leaves, &interest, |moved| {
                moved.apply(streams.get_mut(&moved.slot).unwrap());
            });
            assert_eq!(found(&interests, "a"), of_a);
            assert_eq!(found(&interests, "b"), of_b);
            assert_eq!(found(&interests, "x/1"), of_x);
        }
        assert!(interests.numbers.is_empty() && interests.patterns.is_empty());
    }
}
