//! SQLite: one transaction for a group, write-ahead log, `synchronous=FULL`.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, params};

use super::{Store, Value};

const BY_SEQ: &str = "CREATE TABLE events (seq INTEGER PRIMARY KEY, event BLOB NOT NULL);";
/// An index of SQLite ends in the key of the table, so that this one is by topic and seq.
const BY_TOPIC: &str = "
    CREATE TABLE events (seq INTEGER PRIMARY KEY, topic INTEGER NOT NULL, event BLOB NOT NULL);
    CREATE INDEX by_topic ON events (topic);";

/// How SQLite is set up, beyond what durability asks for.
#[derive(Clone, Copy)]
pub enum Pages {
    /// As it comes: pages of 4 KiB, the log copied back after 1,000 of them.
    Default,
    /// Pages of 16 KiB, copied back after 64 MiB: fewer pages for a large group, more bytes for a
    /// small one.
    Large,
}

pub struct Sqlite {
    connection: Connection,
    is_by_topic: bool,
}

impl Sqlite {
    pub fn open(folder: &Path, pages: Pages, is_by_topic: bool) -> Result<Self> {
        let connection = Connection::open(folder.join("events.sqlite"))?;
        let (page_bytes, log_pages) = match pages {
            Pages::Default => (4_096, 1_000),
            Pages::Large => (16_384, 4_096),
        };
        // One process alone needs no index of the write-ahead log that it could share.
        connection.execute_batch(&format!(
            "PRAGMA page_size={page_bytes};
             PRAGMA locking_mode=EXCLUSIVE;
             PRAGMA journal_mode=WAL;
             PRAGMA synchronous=FULL;
             PRAGMA wal_autocheckpoint={log_pages};
             {}",
            if is_by_topic { BY_TOPIC } else { BY_SEQ }
        ))?;
        Ok(Self {
            connection,
            is_by_topic,
        })
    }
}

impl Store for Sqlite {
    fn commit(&mut self, first: u64, values: &[Value]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(if self.is_by_topic {
                "INSERT INTO events VALUES (?1, ?2, ?3)"
            } else {
                "INSERT INTO events VALUES (?1, ?2)"
            })?;
            for (seq, value) in (first..).zip(values) {
                let seq = i64::try_from(seq)?;
                if self.is_by_topic {
                    insert.execute(params![seq, value.topic, value.bytes])?;
                } else {
                    insert.execute(params![seq, value.bytes])?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
