//! Where an event stands: `Seq`, `Epoch`, and the event id that carries both over the wire.
//!
//! ```text
//! id: k3v9q2-1042
//!     epoch  seq
//! ```

use std::fmt;

/// Place of an event in the hub-wide order. The first event has 1; 0 stands before every event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The place before the first event.
    pub const ZERO: Self = Self(0);

    /// The next place.
    #[must_use]
    pub fn next(self) -> Self {
        // 2^64 events are 500,000 years at a million a second.
        Self(self.0 + 1)
    }

    /// The place before this one; the place before the first stays where it is.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One incarnation of the order: it changes whenever the log may have lost something, so that an
/// id from before never points to another event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; 6]);

impl Epoch {
    /// Characters of an epoch.
    pub const LEN: usize = 6;
    /// Lower-case base32 without the look-alikes i, l, o and u (Crockford's choice).
    const ALPHABET: &'static [u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    /// Makes an epoch of 30 of the given random bits.
    #[must_use]
    pub fn from_entropy(entropy: u32) -> Self {
        let mut text = [0; Self::LEN];
        for (place, byte) in text.iter_mut().enumerate() {
            *byte = Self::ALPHABET[(entropy >> (5 * place)) as usize & 31];
        }
        Self(text)
    }

    /// Reads an epoch; `None` when the text is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; Self::LEN] = text.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(|byte| Self::ALPHABET.contains(byte))
            .then_some(Self(bytes))
    }

    /// The epoch as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII, so this cannot fail; an empty text would be refused as an id.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// A position as clients hold it: the SSE `id:` field, opaque to them.
///
/// At most 27 characters of `[0-9a-z-]`, so that it travels unharmed as a header (RFC 9110 5.5) and
/// needs no CORS preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    /// The incarnation of the log that the seq belongs to.
    pub epoch: Epoch,
    /// The place within it.
    pub seq: Seq,
}

impl EventId {
    /// Longest text of an id: the epoch, a hyphen, and the 20 digits of `u64::MAX`.
    pub const TEXT_BYTES_MAX: usize = Epoch::LEN + 1 + 20;

    /// Reads an id; `None` when the text is not one of ours.
    ///
    /// Only the one canonical text of a position is accepted: no sign, no leading zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, digits) = text.split_once('-')?;
        let epoch = Epoch::parse(epoch)?;
        let canonical = digits == "0" || !digits.starts_with('0');
        // `u64::from_str` takes a plus sign, hence the look at the digits themselves.
        if !canonical || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let seq = Seq(digits.parse().ok()?);
        Some(Self { epoch, seq })
    }

    /// Writes the text at the end of a buffer and answers where it begins. Every event has its id
    /// written once, and the ways of [`fmt`] take longer than all else that is done with it.
    pub(crate) fn write_at_end(self, buf: &mut [u8]) -> usize {
        let mut start = buf.len();
        let mut rest = self.seq.0;
        loop {
            start -= 1;
            buf[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        start -= 1;
        buf[start] = b'-';
        let epoch_start = start - Epoch::LEN;
        buf[epoch_start..start].copy_from_slice(&self.epoch.0);
        epoch_start
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; Self::TEXT_BYTES_MAX];
        let start = self.write_at_end(&mut text);
        // ASCII throughout; an empty text would be refused as an id.
        f.write_str(std::str::from_utf8(&text[start..]).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        for seq in [0, 1, 1042, u64::MAX] {
            let id = EventId {
                epoch: Epoch::from_entropy(0x2bad_cafe),
                seq: Seq(seq),
            };
            let text = id.to_string();
            assert!(text.len() <= EventId::TEXT_BYTES_MAX);
            assert_eq!(EventId::parse(&text), Some(id));
            let mut buf = [0; EventId::TEXT_BYTES_MAX];
            let start = id.write_at_end(&mut buf);
            assert_eq!(&buf[start..], text.as_bytes());
        }
    }

    #[test]
    fn only_the_canonical_text_is_an_id() {
        for text in [
            "",
            "-",
            "k3v9q2",
            "k3v9q2-",
            "k3v9q2-+5",
            "k3v9q2-05",
            "k3v9q2- 5",
            "K3V9Q2-5",
            "k3v9q-5",
            "k3v9ql-5",
            "k3v9q2-5-6",
            "k3v9q2-18446744073709551616",
            "k3v9q2-\u{665}",
        ] {
            assert_eq!(EventId::parse(text), None, "{text:?}");
        }
    }
}
