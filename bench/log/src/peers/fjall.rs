//! fjall: one write batch for a group, persisted with `SyncData` in its commit.

use std::path::Path;

use anyhow::Result;
use fjall::config::{CompressionPolicy, FilterPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Store, Value};

pub struct Fjall {
    database: Database,
    events: Keyspace,
    by_topic: Option<Keyspace>,
}

impl Fjall {
    /// The events do not compress and are never asked for by a key that is not there, so that
    /// compression and filters would only cost it time. One thread that flushes, on two cores, was
    /// a third faster than the default.
    pub fn open(folder: &Path, is_by_topic: bool) -> Result<Self> {
        let database = Database::builder(folder)
            .journal_compression(CompressionType::None)
            .worker_threads(1)
            .open()?;
        let plain = || {
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(CompressionPolicy::disabled())
                .filter_policy(FilterPolicy::disabled())
        };
        let events = database.keyspace("events", plain)?;
        let by_topic = is_by_topic.then(|| database.keyspace("by topic", plain));
        Ok(Self {
            by_topic: by_topic.transpose()?,
            database,
            events,
        })
    }
}

impl Store for Fjall {
    fn commit(&mut self, first: u64, values: &[Value]) -> Result<()> {
        let batch = self.database.batch();
        let mut batch = batch.durability(Some(PersistMode::SyncData));
        for (seq, value) in (first..).zip(values) {
            batch.insert(&self.events, seq.to_be_bytes(), value.bytes.as_slice());
            if let Some(by_topic) = &self.by_topic {
                let mut key = [0; 12];
                key[..4].copy_from_slice(&value.topic.to_be_bytes());
                key[4..].copy_from_slice(&seq.to_be_bytes());
                batch.insert(by_topic, key, []);
            }
        }
        batch.commit()?;
        Ok(())
    }
}
