//! SQLite: one transaction for a group, write-ahead log, `synchronous=FULL`.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, params};

use super::Store;

/// How SQLite is set up, beyond what durability asks for.
#[derive(Clone, Copy)]
pub enum Pages {
    /// As it comes: pages of 4 KiB, the log copied back after 1,000 of them.
    Default,
    /// Pages of 16 KiB, copied back after 64 MiB: fewer pages for a large group, more bytes for a
    /// small one.
    Large,
}

pub struct Sqlite(Connection);

impl Sqlite {
    pub fn open(folder: &Path, pages: Pages) -> Result<Self> {
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
             CREATE TABLE events (seq INTEGER PRIMARY KEY, event BLOB NOT NULL);"
        ))?;
        Ok(Self(connection))
    }
}

impl Store for Sqlite {
    fn commit(&mut self, first: u64, values: &[Vec<u8>]) -> Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2)")?;
            for (seq, value) in (first..).zip(values) {
                insert.execute(params![i64::try_from(seq)?, value])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
