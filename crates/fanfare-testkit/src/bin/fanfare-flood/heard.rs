//! What a hub says on an HTTP/2 connection, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::frames::{ACK, DATA, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS};

/// What came back on one connection.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    bytes: Vec<u8>,
    /// The code of GOAWAY, and how long after the beginning it came.
    pub(crate) goaway: Option<(u32, Duration)>,
    /// How long after the beginning the connection was closed.
    pub(crate) closed: Option<Duration>,
    /// Streams reset, by code.
    pub(crate) resets: BTreeMap<u32, u64>,
    /// Heads of answers: those with status 200, and the others.
    pub(crate) ok: u64,
    pub(crate) not_ok: u64,
    /// Bytes of bodies.
    pub(crate) data_bytes: u64,
    /// Acknowledgements of PING and of SETTINGS.
    pub(crate) pongs: u64,
    pub(crate) settings: u64,
}

impl Heard {
    /// Takes in what was read at a moment.
    pub(crate) fn feed(&mut self, bytes: &[u8], at: Duration) {
        self.bytes.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(header) = self.bytes[start..].first_chunk::<9>() {
            let [high, middle, low, kind, flags, ..] = *header;
            let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            let contents = start + 9..start + 9 + len;
            if self.bytes.len() < contents.end {
                break;
            }
            start = contents.end;
            let contents = self.bytes[contents].to_vec();
            self.take(kind, flags, &contents, at);
        }
        self.bytes.drain(..start);
    }

    fn take(&mut self, kind: u8, flags: u8, contents: &[u8], at: Duration) {
        let number = |from: usize| {
            let bytes = contents.get(from..from + 4);
            bytes.map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
        };
        match kind {
            GOAWAY if self.goaway.is_none() => self.goaway = Some((number(4), at)),
            RST_STREAM => *self.resets.entry(number(0)).or_default() += 1,
            DATA => self.data_bytes += contents.len() as u64,
            PING => self.pongs += u64::from(flags & ACK),
            SETTINGS => self.settings += u64::from(flags & ACK),
            // The static table has `:status 200` as number 8; a change of the size of the dynamic
            // table may stand before it.
            HEADERS if contents.iter().find(|byte| *byte >> 5 != 1) == Some(&0x88) => self.ok += 1,
            HEADERS => self.not_ok += 1,
            _ => {}
        }
    }
}
