//! A slow decoder that follows the text of the specification sentence by sentence; the fuzz target
//! uses it too. It sees the whole stream at once.

/// What a stream means, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Event {
        event: String,
        data: String,
        id: String,
        retry: Option<u64>,
    },
    Retry(u64),
    Comment(String),
    TooLarge,
}

/// Reads a whole stream; returns what is seen and the last event id.
///
/// The limit is counted in decoded text, so it says the same as the decoder only where the stream
/// is UTF-8 or the limit is out of reach.
pub(crate) fn read(stream: &[u8], id_before: &str, max_event_bytes: usize) -> (Vec<Seen>, String) {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let mut block = Block {
        last_event_id: id_before.to_owned(),
        max_event_bytes,
        ..Block::default()
    };
    for line in lines(text) {
        block.line(&line);
    }
    (block.seen, block.last_event_id)
}

/// Splits at CRLF, LF and CR; what follows the last line end is not a line.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' => {
                characters.next_if_eq(&'\n');
                lines.push(std::mem::take(&mut line));
            }
            '\n' => lines.push(std::mem::take(&mut line)),
            other => line.push(other),
        }
    }
    lines
}

#[derive(Default)]
struct Block {
    seen: Vec<Seen>,
    last_event_id: String,
    /// The id to commit at the blank line; the specification's "last event ID buffer".
    id: Option<String>,
    data: String,
    event: String,
    retry: Option<u64>,
    data_lines: usize,
    bytes: usize,
    is_too_large: bool,
    max_event_bytes: usize,
}

impl Block {
    fn line(&mut self, line: &str) {
        if line.is_empty() {
            return self.dispatch();
        }
        if let Some(comment) = line.strip_prefix(':') {
            let comment = comment.strip_prefix(' ').unwrap_or(comment);
            if comment.len() <= self.max_event_bytes {
                self.seen.push(Seen::Comment(comment.to_owned()));
            }
            return;
        }
        match line.split_once(':') {
            Some((name, value)) => self.field(name, value.strip_prefix(' ').unwrap_or(value)),
            None => self.field(line, ""),
        }
    }

    fn field(&mut self, name: &str, value: &str) {
        match name {
            "event" => {
                self.count(value.len());
                self.event = value.to_owned();
            }
            "data" => {
                self.count(value.len() + usize::from(self.data_lines > 0));
                self.data_lines += 1;
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if value.len() > self.max_event_bytes => self.give_up(),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" if value.len() <= self.max_event_bytes => self.retry(value),
            _ => {}
        }
    }

    fn retry(&mut self, value: &str) {
        if value.is_empty() || value.chars().any(|character| !character.is_ascii_digit()) {
            return;
        }
        let digits = value.trim_start_matches('0');
        let most = 9_007_199_254_740_991;
        // Up to 18 digits fit a u64 whatever they are.
        let retry = if digits.is_empty() {
            0
        } else {
            digits.parse().unwrap_or(most)
        };
        self.retry = Some(retry.min(most));
        self.seen.push(Seen::Retry(retry.min(most)));
    }

    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes > self.max_event_bytes {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        if !self.is_too_large {
            self.is_too_large = true;
            self.seen.push(Seen::TooLarge);
        }
    }

    fn dispatch(&mut self) {
        if let Some(id) = self.id.take() {
            self.last_event_id = id;
        }
        let mut data = std::mem::take(&mut self.data);
        let event = std::mem::take(&mut self.event);
        let retry = self.retry.take();
        let is_too_large = std::mem::take(&mut self.is_too_large);
        self.data_lines = 0;
        self.bytes = 0;
        if data.is_empty() || is_too_large {
            return;
        }
        assert_eq!(data.pop(), Some('\n'), "each data line appends a LF");
        let event = if event.is_empty() {
            "message".to_owned()
        } else {
            event
        };
        self.seen.push(Seen::Event {
            event,
            data,
            id: self.last_event_id.clone(),
            retry,
        });
    }
}
