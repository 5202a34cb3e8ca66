//! The first 4 KiB of a segment file: what it is, where it starts, and which file it was written
//! to.

use fanfare_hub::{Epoch, Seq};

use crate::bytes::Reader;
use crate::storage::Identity;

/// Bytes before the first record: one page, so that rewriting a page of records never touches it.
pub(crate) const HEADER_BYTES: usize = 4096;
/// The format that this code writes. It reads no newer one.
pub(crate) const VERSION: u32 = 1;
/// Tells our files from others.
const MAGIC: &[u8; 8] = b"fanfare\x01";

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The seq of its first event.
    pub(crate) base: Seq,
    /// The epoch in which it was written, which stands in the id lines of its frames.
    pub(crate) epoch: Epoch,
    /// The file it was written to, so that a copy is known as one.
    pub(crate) identity: Identity,
    /// The last seq it stands for, when events were left out on purpose; 0 while it is dense.
    pub(crate) compacted_through: Seq,
}

/// What stands at the start of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A header.
    Header(Header),
    /// The header of a later version.
    Newer(u32),
    /// Nothing that can be read.
    Damaged,
}

impl Header {
    /// The page as it is written.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(HEADER_BYTES);
        page.extend_from_slice(MAGIC);
        page.extend_from_slice(&VERSION.to_le_bytes());
        page.extend_from_slice(&[0; 4]);
        page.extend_from_slice(&self.base.0.to_le_bytes());
        page.extend_from_slice(&self.compacted_through.0.to_le_bytes());
        page.extend_from_slice(&self.identity.inode.to_le_bytes());
        page.extend_from_slice(&self.identity.born_ns.to_le_bytes());
        page.extend_from_slice(self.epoch.as_str().as_bytes());
        page.extend_from_slice(&[0; 2]);
        let crc = crc32c::crc32c(&page);
        page.extend_from_slice(&crc.to_le_bytes());
        page.resize(HEADER_BYTES, 0);
        page
    }

    /// Reads the first page of a file.
    pub(crate) fn parse(page: &[u8]) -> Found {
        let mut fields = Reader(page);
        if fields.take(MAGIC.len()) != Some(MAGIC) {
            return Found::Damaged;
        }
        let header = Self::fields(&mut fields);
        match (fields.u32(), header) {
            (Some(crc), Some((version, header)))
                if crc == crc32c::crc32c(&page[..page.len() - fields.0.len() - 4]) =>
            {
                if version > VERSION {
                    return Found::Newer(version);
                }
                header.map_or(Found::Damaged, Found::Header)
            }
            _ => Found::Damaged,
        }
    }

    fn fields(fields: &mut Reader<'_>) -> Option<(u32, Option<Self>)> {
        let version = fields.u32()?;
        fields.take(4)?;
        let (base, compacted_through) = (fields.seq()?, fields.seq()?);
        let identity = Identity {
            inode: fields.u64()?,
            born_ns: fields.u64()?,
        };
        let epoch = fields.array::<{ Epoch::LEN }>()?;
        fields.take(2)?;
        let epoch = std::str::from_utf8(&epoch).ok().and_then(Epoch::parse);
        let header = epoch.map(|epoch| Self {
            base,
            epoch,
            identity,
            compacted_through,
        });
        Some((version, header))
    }
}

/// The name of the segment that starts with this seq.
pub(crate) fn file_name(base: Seq) -> String {
    format!("{:016x}.seg", base.0)
}

/// The seq that a segment's name stands for; `None` when it is another file.
pub(crate) fn base_of(name: &str) -> Option<Seq> {
    let digits = name.strip_suffix(".seg")?;
    let is_canonical = digits.len() == 16
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_canonical.then(|| u64::from_str_radix(digits, 16).ok().map(Seq))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            base: Seq(77),
            epoch: Epoch::from_entropy(7),
            identity: Identity {
                inode: 12,
                born_ns: 34,
            },
            compacted_through: Seq::ZERO,
        }
    }

    #[test]
    fn a_header_reads_back_and_any_flipped_byte_of_it_is_noticed() {
        let page = header().encode();
        assert_eq!(Header::parse(&page), Found::Header(header()));
        for at in 0..60 {
            let mut page = page.clone();
            page[at] ^= 4;
            assert_eq!(Header::parse(&page), Found::Damaged, "byte {at}");
        }
        assert_eq!(Header::parse(&page[..40]), Found::Damaged);
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut page = header().encode();
        page[8] = 2;
        let crc = crc32c::crc32c(&page[..56]);
        page[56..60].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::parse(&page), Found::Newer(2));
    }

    #[test]
    fn a_file_name_reads_back() {
        assert_eq!(base_of(&file_name(Seq(255))), Some(Seq(255)));
        for other in [
            "ff.seg",
            "00000000000000FF.seg",
            "mark",
            "+0000000000000ff.seg",
        ] {
            assert_eq!(base_of(other), None, "{other}");
        }
    }
}
