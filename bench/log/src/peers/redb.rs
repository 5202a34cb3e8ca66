//! redb: one write transaction for a group, `Durability::Immediate`, one phase (its default).

use std::path::Path;

use anyhow::Result;
use redb::{Database, Durability, TableDefinition};

use super::Store;

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");

pub struct Redb(Database);

impl Redb {
    pub fn open(folder: &Path) -> Result<Self> {
        Ok(Self(Database::create(folder.join("events.redb"))?))
    }
}

impl Store for Redb {
    fn commit(&mut self, first: u64, values: &[Vec<u8>]) -> Result<()> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut events = transaction.open_table(EVENTS)?;
            for (seq, value) in (first..).zip(values) {
                events.insert(seq, value.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
