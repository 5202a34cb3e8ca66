//! The connections of a shard, by number. A number that was given out once is not given out again,
//! so that what arrives late for a connection that is gone finds nobody.

/// Names one connection of a shard: its slot, and how often the slot was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) slot: u32,
    use_of_slot: u32,
}

impl Token {
    pub(crate) fn to_u64(self) -> u64 {
        u64::from(self.use_of_slot) << 32 | u64::from(self.slot)
    }

    pub(crate) fn from_u64(number: u64) -> Self {
        let low = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
        Self {
            slot: low(number),
            use_of_slot: low(number >> 32),
        }
    }
}

/// Entries by token.
pub(crate) struct Table<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    /// Bytes that an entry takes in the table.
    pub(crate) const SLOT_BYTES: usize = size_of::<(u32, Option<T>)>();

    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Adds an entry, which is made knowing its token.
    ///
    /// # Panics
    /// With four billion entries; descriptors end long before.
    pub(crate) fn insert(&mut self, entry: impl FnOnce(Token) -> T) -> Token {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = u32::try_from(self.slots.len());
            #[expect(clippy::expect_used, reason = "a process has fewer descriptors")]
            let slot = slot.expect("fewer than four billion connections");
            self.slots.push((0, None));
            slot
        });
        let (use_of_slot, entry_of_slot) = &mut self.slots[slot as usize];
        let token = Token {
            slot,
            use_of_slot: *use_of_slot,
        };
        *entry_of_slot = Some(entry(token));
        token
    }

    pub(crate) fn entry_mut(&mut self, token: Token) -> Option<&mut T> {
        let (use_of_slot, entry) = self.slots.get_mut(token.slot as usize)?;
        entry.as_mut().filter(|_| *use_of_slot == token.use_of_slot)
    }

    /// What the slot holds now.
    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.1.as_mut()
    }

    /// The token of what the slot holds now.
    pub(crate) fn token(&self, slot: u32) -> Token {
        let use_of_slot = self.slots.get(slot as usize).map_or(0, |(uses, _)| *uses);
        Token { slot, use_of_slot }
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<T> {
        let (use_of_slot, entry) = self.slots.get_mut(token.slot as usize)?;
        if *use_of_slot != token.use_of_slot {
            return None;
        }
        let entry = entry.take()?;
        *use_of_slot = use_of_slot.wrapping_add(1);
        self.free.push(token.slot);
        Some(entry)
    }

    /// The tokens of all entries.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let used = self.slots.iter().enumerate();
        let used = used.filter(|(_, (_, entry))| entry.is_some());
        used.filter_map(|(slot, (uses, _))| {
            Some(Token {
                slot: u32::try_from(slot).ok()?,
                use_of_slot: *uses,
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_finds_nobody() {
        let mut table = Table::new();
        let first = table.insert(|_| 'a');
        assert_eq!(table.remove(first), Some('a'));
        let second = table.insert(|_| 'b');
        assert_eq!(first.slot, second.slot);
        assert_eq!(table.entry_mut(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.entry_mut(second), Some(&mut 'b'));
        assert_eq!(Token::from_u64(second.to_u64()), second);
        assert_eq!(table.tokens(), [second]);
    }
}
