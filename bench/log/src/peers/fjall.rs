//! fjall: one write batch for a group, persisted with `SyncData` in its commit.

use std::path::Path;

use anyhow::Result;
use fjall::config::{CompressionPolicy, FilterPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::Store;

pub struct Fjall {
    database: Database,
    events: Keyspace,
}

impl Fjall {
    /// The events do not compress and are never asked for by a key that is not there, so that
    /// compression and filters would only cost it time. One thread that flushes, on two cores, was
    /// a third faster than the default.
    pub fn open(folder: &Path) -> Result<Self> {
        let database = Database::builder(folder)
            .journal_compression(CompressionType::None)
            .worker_threads(1)
            .open()?;
        let events = database.keyspace("events", || {
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(CompressionPolicy::disabled())
                .filter_policy(FilterPolicy::disabled())
        })?;
        Ok(Self { database, events })
    }
}

impl Store for Fjall {
    fn commit(&mut self, first: u64, values: &[Vec<u8>]) -> Result<()> {
        let batch = self.database.batch();
        let mut batch = batch.durability(Some(PersistMode::SyncData));
        for (seq, value) in (first..).zip(values) {
            batch.insert(&self.events, seq.to_be_bytes(), value.as_slice());
        }
        batch.commit()?;
        Ok(())
    }
}
