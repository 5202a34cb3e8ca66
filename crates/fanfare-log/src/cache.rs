//! Blocks of segment files in memory, shared by all readers of older events and bounded in bytes.
//!
//! What is read is either part of an index or lies below the end of the visible events; what may
//! still change is never kept.

use std::io;
use std::ops::RangeInclusive;

use bytes::Bytes;
use quick_cache::Weighter;

use crate::storage::StoredFile;

/// Bytes of a block: few enough that one small event costs little to read, many enough that a
/// replay finds dozens of neighbours in each.
pub(crate) const BLOCK_BYTES: u64 = 16 << 10;
/// Bytes that are read in one go. A disk takes little longer for them than for one block.
const READ_BYTES_MAX: u64 = 256 << 10;
/// Bytes that a cached block costs besides its contents: its place in the cache's tables.
const OVERHEAD_BYTES: u64 = 128;

/// A file as the cache reads it.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a dyn StoredFile,
    /// Tells the segment from all others of this run, also from those that had the same file.
    pub(crate) incarnation: u64,
    /// Bytes of the file.
    pub(crate) capacity: u64,
    /// What lies below here does not change any more.
    pub(crate) stable: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    incarnation: u64,
    block: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Bytes> for ByBytes {
    fn weight(&self, _: &Key, block: &Bytes) -> u64 {
        block.len() as u64 + OVERHEAD_BYTES
    }
}

/// Blocks of all segments. Invariant: together they weigh no more than was allowed.
pub(crate) struct Cache {
    blocks: quick_cache::sync::Cache<Key, Bytes, ByBytes>,
}

impl Cache {
    /// A cache of so many bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let blocks = usize::try_from(bytes_max / BLOCK_BYTES).unwrap_or(usize::MAX);
        Self {
            blocks: quick_cache::sync::Cache::with_weighter(blocks.max(1), bytes_max, ByBytes),
        }
    }

    /// Bytes that the blocks weigh now.
    #[cfg(test)]
    pub(crate) fn weight(&self) -> u64 {
        self.blocks.weight()
    }

    /// A range of a file. Shares a block where the range does not span two.
    pub(crate) fn read(&self, source: Source<'_>, at: u64, len: usize) -> io::Result<Bytes> {
        let blocks = self.blocks(source, at, len)?;
        let start = in_block(at);
        if let [block] = &blocks[..] {
            let end = start.saturating_add(len);
            return if end <= block.len() {
                Ok(block.slice(start..end))
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        let mut range = Vec::with_capacity(len);
        gather(&blocks, start, len, &mut range).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(range.into())
    }

    /// The blocks that a range touches, in order. The first one starts at the multiple of
    /// [`BLOCK_BYTES`] below `at`.
    pub(crate) fn blocks(&self, source: Source<'_>, at: u64, len: usize) -> io::Result<Vec<Bytes>> {
        let end = at.checked_add(len as u64);
        // A place that is damaged may claim to be anywhere; what it asks for is not allocated.
        let Some(end) = end.filter(|end| len > 0 && *end <= source.capacity) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let (first, last) = (at / BLOCK_BYTES, (end - 1) / BLOCK_BYTES);
        let mut blocks = Vec::with_capacity(usize::try_from(last - first + 1).unwrap_or_default());
        let mut missing: Option<u64> = None;
        for block in first..=last {
            let incarnation = source.incarnation;
            let known = self.blocks.get(&Key { incarnation, block });
            let Some(known) = known else {
                let from = *missing.get_or_insert(block);
                if (block + 1 - from) * BLOCK_BYTES >= READ_BYTES_MAX {
                    self.fetch(source, from..=block, &mut blocks)?;
                    missing = None;
                }
                continue;
            };
            if let Some(from) = missing.take() {
                self.fetch(source, from..=block - 1, &mut blocks)?;
            }
            blocks.push(known);
        }
        if let Some(from) = missing {
            self.fetch(source, from..=last, &mut blocks)?;
        }
        Ok(blocks)
    }

    /// Reads neighbouring blocks in one go, and keeps those that stay as they are.
    fn fetch(
        &self,
        source: Source<'_>,
        numbers: RangeInclusive<u64>,
        blocks: &mut Vec<Bytes>,
    ) -> io::Result<()> {
        let start = numbers.start() * BLOCK_BYTES;
        let end = ((numbers.end() + 1) * BLOCK_BYTES).min(source.capacity);
        let mut buf = vec![0; usize::try_from(end - start).unwrap_or_default()];
        source.file.read_at(&mut buf, start)?;
        // Each block is a piece of memory of its own, so that one which stays long keeps no more
        // than itself.
        for (block, bytes) in numbers.zip(buf.chunks(in_memory(BLOCK_BYTES))) {
            let bytes = Bytes::copy_from_slice(bytes);
            if (block + 1) * BLOCK_BYTES <= source.stable || source.stable == source.capacity {
                let incarnation = source.incarnation;
                self.blocks
                    .insert(Key { incarnation, block }, bytes.clone());
            }
            blocks.push(bytes);
        }
        Ok(())
    }
}

/// Where in its block a place lies.
pub(crate) fn in_block(at: u64) -> usize {
    in_memory(at % BLOCK_BYTES)
}

/// A number of bytes that surely fit into memory.
fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Copies a range that begins at `start` of the first block and may span several; `None` when the
/// blocks end before it does.
pub(crate) fn gather(blocks: &[Bytes], start: usize, len: usize, into: &mut Vec<u8>) -> Option<()> {
    let mut start = start;
    let mut left = len;
    for block in blocks {
        let some = block.get(start..block.len().min(start.saturating_add(left)))?;
        into.extend_from_slice(some);
        left -= some.len();
        start = 0;
        if left == 0 {
            return Some(());
        }
    }
    None
}
