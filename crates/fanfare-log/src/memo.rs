//! The memo: what must be remembered of segments that are gone. Topics whose end outlived its
//! event, the floors below which something is missing, the keys of publishes that may still be
//! retried, and which name each number in the indexes stands for.
//!
//! It is replaced as a whole, and durably so, before a segment is taken away. A memo that cannot be
//! read costs no event: the log then begins a new epoch, in which every earlier id is told a gap.

use std::io;

use fanfare_hub::idempotency::{KeyId, KeyRow};
use fanfare_hub::{Seq, Timestamp, TopicName};

use crate::bytes::{Reader, put_topic};
use crate::storage::Storage;

/// The file of the memo.
pub(crate) const NAME: &str = "memo";
/// Where the next one is written before it takes the name.
pub(crate) const NEXT_NAME: &str = "memo.next";
const MAGIC: &[u8; 8] = b"fanmemo\x01";

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memo {
    /// Everything before this seq may be gone from disk.
    pub(crate) first: Seq,
    /// The newest event of any topic that is gone entirely.
    pub(crate) forgotten: Seq,
    /// Every name that exists or that an index may mention.
    pub(crate) topics: Vec<TopicRow>,
    /// Keys whose events may be gone, oldest first.
    pub(crate) keys: Vec<KeyRow>,
}

/// What is remembered of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicRow {
    pub(crate) id: u32,
    pub(crate) name: TopicName,
    /// Whether the topic existed.
    pub(crate) is_open: bool,
    /// The newest event ever published to it.
    pub(crate) newest: Seq,
    /// The newest event of it that was dropped.
    pub(crate) floor: Seq,
    /// The place of its end.
    pub(crate) ended: Option<Seq>,
}

impl Memo {
    /// A memo that knows nothing but that everything before `first` is gone.
    pub(crate) fn of_nothing(first: Seq) -> Self {
        Self {
            first,
            forgotten: first.previous(),
            ..Self::default()
        }
    }

    /// Replaces the memo in the folder, and waits until that is durable.
    pub(crate) fn write(&self, storage: &dyn Storage) -> io::Result<()> {
        let bytes = self.encode();
        let file = storage.create(NEXT_NAME, bytes.len() as u64)?;
        file.write_at(&bytes, 0)?;
        file.sync()?;
        storage.rename(NEXT_NAME, NAME)?;
        storage.sync_names()
    }

    /// Reads the memo; `None` when it is damaged.
    pub(crate) fn read(storage: &dyn Storage) -> Option<Self> {
        let file = storage.open(NAME).ok()?;
        let len = usize::try_from(file.len().ok()?).ok()?;
        let mut bytes = vec![0; len];
        file.read_at(&mut bytes, 0).ok()?;
        Self::parse(&bytes)
    }

    /// About how many bytes a memo of so many topics and keys takes on disk.
    pub(crate) fn bytes(topics: usize, keys: usize) -> u64 {
        (48 * topics + 80 * keys) as u64
    }

    fn encode(&self) -> Vec<u8> {
        let mut buf = Vec::with_capacity(64 + 48 * self.topics.len() + 80 * self.keys.len());
        buf.extend_from_slice(MAGIC);
        buf.extend_from_slice(&self.first.0.to_le_bytes());
        buf.extend_from_slice(&self.forgotten.0.to_le_bytes());
        buf.extend_from_slice(&(self.topics.len() as u64).to_le_bytes());
        buf.extend_from_slice(&(self.keys.len() as u64).to_le_bytes());
        for topic in &self.topics {
            buf.extend_from_slice(&topic.id.to_le_bytes());
            buf.push(u8::from(topic.is_open));
            buf.extend_from_slice(&topic.newest.0.to_le_bytes());
            buf.extend_from_slice(&topic.floor.0.to_le_bytes());
            // No event has the seq 0.
            buf.extend_from_slice(&topic.ended.unwrap_or(Seq::ZERO).0.to_le_bytes());
            put_topic(&mut buf, &topic.name);
        }
        for key in &self.keys {
            buf.extend_from_slice(key.id.as_bytes());
            buf.extend_from_slice(&key.fingerprint);
            buf.extend_from_slice(&key.seq.0.to_le_bytes());
            buf.extend_from_slice(&key.count.to_le_bytes());
            buf.extend_from_slice(&key.time.0.to_le_bytes());
        }
        let crc = crc32c::crc32c(&buf);
        buf.extend_from_slice(&crc.to_le_bytes());
        buf
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (fields, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        if crc32c::crc32c(fields) != Reader(crc).u32()? {
            return None;
        }
        let mut fields = Reader(fields);
        if fields.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let (first, forgotten) = (fields.seq()?, fields.seq()?);
        let (topics, keys) = (fields.u64()?, fields.u64()?);
        let topics: Option<_> = (0..topics).map(|_| TopicRow::parse(&mut fields)).collect();
        let keys: Option<_> = (0..keys).map(|_| key_row(&mut fields)).collect();
        Some(Self {
            first,
            forgotten,
            topics: topics?,
            keys: keys?,
        })
    }
}

impl TopicRow {
    fn parse(fields: &mut Reader<'_>) -> Option<Self> {
        let (id, is_open) = (fields.u32()?, fields.u8()? == 1);
        let (newest, floor) = (fields.seq()?, fields.seq()?);
        let ended = Some(fields.seq()?).filter(|seq| *seq > Seq::ZERO);
        Some(Self {
            id,
            name: fields.topic()?,
            is_open,
            newest,
            floor,
            ended,
        })
    }
}

fn key_row(fields: &mut Reader<'_>) -> Option<KeyRow> {
    Some(KeyRow {
        id: KeyId::from_bytes(fields.array()?),
        fingerprint: fields.array()?,
        seq: fields.seq()?,
        count: fields.u64()?,
        time: Timestamp(fields.u64()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memo_reads_back_and_damage_is_noticed() {
        let memo = Memo {
            first: Seq(9),
            forgotten: Seq(4),
            topics: vec![TopicRow {
                id: 3,
                name: TopicName::parse("a/b").unwrap(),
                is_open: true,
                newest: Seq(8),
                floor: Seq(7),
                ended: Some(Seq(8)),
            }],
            keys: vec![KeyRow {
                id: KeyId::from_bytes([1; 16]),
                fingerprint: [2; 32],
                seq: Seq(8),
                count: 2,
                time: Timestamp(5),
            }],
        };
        let bytes = memo.encode();
        assert_eq!(Memo::parse(&bytes), Some(memo));
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert_eq!(Memo::parse(&bytes), None, "byte {at}");
            assert_eq!(Memo::parse(&bytes[..at]), None, "cut at {at}");
        }
    }
}
