//! Reading and writing little-endian numbers in what comes from a disk: nothing here can panic.

use fanfare_hub::{Seq, TopicName};

/// Takes fields from the front of some bytes.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `len` bytes; `None` when there are fewer.
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next bytes, as many as the array holds.
    pub(crate) fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        self.take(LEN)?.try_into().ok()
    }

    /// The next byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    /// The next two bytes as a number.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes as a number.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes as a number.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next eight bytes as a seq.
    pub(crate) fn seq(&mut self) -> Option<Seq> {
        self.u64().map(Seq)
    }

    /// A topic name with its length in front.
    pub(crate) fn topic(&mut self) -> Option<TopicName> {
        let len = usize::from(self.u16()?);
        let name = std::str::from_utf8(self.take(len)?).ok()?;
        TopicName::stored(name)
    }
}

/// Writes a topic name with its length in front.
pub(crate) fn put_topic(buf: &mut Vec<u8>, topic: &TopicName) {
    // Names have at most 512 bytes.
    let len = u16::try_from(topic.as_str().len()).unwrap_or(u16::MAX);
    buf.extend_from_slice(&len.to_le_bytes());
    buf.extend_from_slice(topic.as_str().as_bytes());
}
