//! The four inputs, made by rule so that every run reads the same bytes.

use std::fmt::Write;

/// One stream and what any decoder must find in it.
pub struct Input {
    pub name: &'static str,
    pub stream: &'static [u8],
    pub expected: Tally,
}

impl Input {
    /// The chunk sizes to read it in, each with its name.
    pub fn chunkings(&self) -> [(&'static str, usize); 2] {
        [("whole", self.stream.len()), ("10 bytes", 10)]
    }
}

/// What a decoder found; all of them must find the same.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Dispatched events.
    pub events: u64,
    /// Bytes of their data.
    pub data_bytes: u64,
    /// Sum of the first and the last byte of each data.
    pub ends: u64,
    /// Bytes of their event types, `message` when there is none.
    pub type_bytes: u64,
}

impl Tally {
    /// Takes one event; an empty type is the default one.
    pub fn count(&mut self, event: &str, data: &str) {
        let data = data.as_bytes();
        let ends = [data.first(), data.last()].into_iter().flatten();
        self.events += 1;
        self.data_bytes += data.len() as u64;
        self.ends += ends.map(|byte| u64::from(*byte)).sum::<u64>();
        self.type_bytes += if event.is_empty() {
            "message".len()
        } else {
            event.len()
        } as u64;
    }
}

/// Each about a megabyte, so that it stays in the second-level cache as a socket's buffer would.
const STREAM_BYTES: usize = 1 << 20;

pub fn all() -> Vec<Input> {
    vec![
        input(
            "9-byte events",
            |n, data| write!(data, "{}", n % 10).unwrap(),
            None,
        ),
        input("300-byte JSON", json, None),
        input("40 KiB events", large, None),
        input("LLM token deltas", token_delta, Some("content_block_delta")),
    ]
}

fn input(
    name: &'static str,
    write_data: impl Fn(usize, &mut String),
    event: Option<&str>,
) -> Input {
    let mut stream = String::new();
    let mut expected = Tally::default();
    for n in 0.. {
        let mut data = String::new();
        write_data(n, &mut data);
        if let Some(event) = event {
            writeln!(stream, "event: {event}").unwrap();
        }
        write!(stream, "data: {data}\n\n").unwrap();
        expected.count(event.unwrap_or_default(), &data);
        if stream.len() >= STREAM_BYTES {
            break;
        }
    }
    Input {
        name,
        stream: Vec::leak(stream.into_bytes()),
        expected,
    }
}

fn json(n: usize, data: &mut String) {
    let padding = "the quick brown fox jumps over the lazy dog, again and again and again, ";
    write!(
        data,
        r#"{{"id":{n},"topic":"orders/{}","state":"shipped","total":{}.50,"text":"{padding}{padding}"#,
        n % 97,
        n % 1000,
    )
    .unwrap();
    while data.len() < 298 {
        data.push('x');
    }
    data.push_str("\"}");
}

/// Base64 of nothing in particular, as images and embeddings travel.
fn large(n: usize, data: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = n as u32 + 1;
    for _ in 0..40 * 1024 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        data.push(char::from(ALPHABET[(state >> 26) as usize]));
    }
}

/// The shape in which large language models stream: a named event with a little JSON.
fn token_delta(n: usize, data: &mut String) {
    const TOKENS: [&str; 8] = [
        " the",
        " event",
        "s",
        " of",
        " a",
        " stre",
        "am",
        " caf\u{e9}",
    ];
    write!(
        data,
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{}"}}}}"#,
        TOKENS[n % TOKENS.len()],
    )
    .unwrap();
}
