//! The names on a simulated disk: as the process sees them, and as a crash may leave them.

use std::collections::BTreeMap;

use fastrand::Rng;

/// The names of files, each of which stands for the number of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    /// What happened since the names were synced.
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    /// The file has this name and no other now; another one of that name has none.
    Name(u64, String),
    /// The file has no name any more.
    Remove(u64),
}

impl Names {
    /// All names in their order.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&str, u64)> {
        self.seen.iter().map(|(name, key)| (name.as_str(), *key))
    }

    pub(super) fn key(&self, name: &str) -> Option<u64> {
        self.seen.get(name).copied()
    }

    pub(super) fn create(&mut self, name: &str, key: u64) {
        self.change(Change::Name(key, name.to_owned()));
    }

    pub(super) fn rename(&mut self, key: u64, to: &str) {
        self.change(Change::Name(key, to.to_owned()));
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some(key) = self.key(name) {
            self.change(Change::Remove(key));
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.seen, &change);
        self.changes.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.seen);
        self.changes.clear();
    }

    /// The names after a crash: each change since the last sync happened or not. A third of the
    /// crashes leave the first ones and no later one, as a journal does.
    pub(super) fn crash(&self, rng: &mut Rng) -> Self {
        let mut left = self.durable.clone();
        let first = rng.usize(..=self.changes.len());
        let is_journal = rng.u8(..3) == 0;
        for (number, change) in self.changes.iter().enumerate() {
            let has_happened = match is_journal {
                true => number < first,
                false => rng.bool(),
            };
            if has_happened {
                apply(&mut left, change);
            }
        }
        Self {
            seen: left.clone(),
            durable: left,
            changes: Vec::new(),
        }
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: &Change) {
    let (Change::Name(key, _) | Change::Remove(key)) = change;
    // A file has one name: a rename takes the old one away in the same step.
    names.retain(|_, other| other != key);
    if let Change::Name(key, name) = change {
        names.insert(name.clone(), *key);
    }
}
