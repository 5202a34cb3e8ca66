//! What a segment holds of each topic, packed: a start has the rows of all segments at hand at
//! once, up to a hundred thousand of each.

use super::TopicRow;

/// Rows in the order of their topics, at 6 to 10 bytes each instead of 24.
#[derive(Debug, Default)]
pub(crate) struct TopicRows(Vec<u8>);

impl TopicRows {
    /// Packs rows that are sorted by their topics.
    pub(super) fn pack(rows: &[TopicRow]) -> Self {
        let mut packed = Vec::with_capacity(rows.len() * 8);
        let mut before = 0;
        for row in rows {
            put(&mut packed, u64::from(row.topic - before));
            put(&mut packed, u64::from(row.count));
            put(&mut packed, row.bytes);
            put(&mut packed, u64::from(row.first));
            put(&mut packed, u64::from(row.last.wrapping_sub(row.first)));
            before = row.topic;
        }
        packed.shrink_to_fit();
        Self(packed)
    }

    /// The rows, one after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TopicRow> + '_ {
        let mut rest = &*self.0;
        let mut topic = 0;
        std::iter::from_fn(move || {
            topic += take(&mut rest)?;
            let count = take(&mut rest)?;
            let bytes = take_wide(&mut rest)?;
            let first = take(&mut rest)?;
            Some(TopicRow {
                topic,
                count,
                bytes,
                first,
                last: first.wrapping_add(take(&mut rest)?),
            })
        })
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn put(packed: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        packed.push(number as u8 | 0x80);
        number >>= 7;
    }
    packed.push(number as u8);
}

fn take_wide(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take(rest: &mut &[u8]) -> Option<u32> {
    u32::try_from(take_wide(rest)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_packed() {
        let row = |topic, count, bytes, first, last| TopicRow {
            topic,
            count,
            bytes,
            first,
            last,
        };
        let rows = [
            row(0, 1, 127, 0, 0),
            row(1, 128, 128, 5, 700_000),
            row(u32::MAX, u32::MAX, u64::MAX, u32::MAX, u32::MAX),
        ];
        let packed = TopicRows::pack(&rows);
        assert_eq!(packed.iter().collect::<Vec<_>>(), rows);
    }
}
