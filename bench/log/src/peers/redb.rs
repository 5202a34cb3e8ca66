//! redb: one write transaction for a group, `Durability::Immediate`, one phase (its default).

use std::path::Path;

use anyhow::Result;
use redb::{Database, Durability, TableDefinition};

use super::{Store, Value};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const BY_TOPIC: TableDefinition<'_, (u32, u64), ()> = TableDefinition::new("by topic");

pub struct Redb {
    database: Database,
    is_by_topic: bool,
}

impl Redb {
    pub fn open(folder: &Path, is_by_topic: bool) -> Result<Self> {
        Ok(Self {
            database: Database::create(folder.join("events.redb"))?,
            is_by_topic,
        })
    }
}

impl Store for Redb {
    fn commit(&mut self, first: u64, values: &[Value]) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut events = transaction.open_table(EVENTS)?;
            for (seq, value) in (first..).zip(values) {
                events.insert(seq, value.bytes.as_slice())?;
            }
        }
        if self.is_by_topic {
            let mut by_topic = transaction.open_table(BY_TOPIC)?;
            for (seq, value) in (first..).zip(values) {
                by_topic.insert((value.topic, seq), ())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
