//! HTTP/2 frame by frame (RFC 9113), and heads without compression or with too much of it
//! (RFC 7541).

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Kinds of frames (RFC 9113 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
// Flags.
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// The largest frame that a peer takes without having said so (RFC 9113 4.2).
pub(crate) const FRAME_BYTES_MAX: usize = 16 << 10;

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, contents: &[u8]) -> Vec<u8> {
    let len = u32::try_from(contents.len()).unwrap().to_be_bytes();
    let mut frame = len[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(contents);
    frame
}

/// The number of the nth stream of a client.
pub(crate) fn stream(index: u32) -> u32 {
    2 * index + 1
}

/// What a client says first: the preface and its settings, each a number and a value.
pub(crate) fn opening(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut contents = Vec::new();
    for (number, value) in settings {
        contents.extend_from_slice(&number.to_be_bytes());
        contents.extend_from_slice(&value.to_be_bytes());
    }
    [PREFACE, &frame(SETTINGS, 0, 0, &contents)].concat()
}

/// The setting for the window that each stream begins with.
pub(crate) const INITIAL_WINDOW: u16 = 4;

/// A head, every field in full.
pub(crate) fn head(method: &str, path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", method),
        (":scheme", "http"),
        (":authority", "hub.example"),
        (":path", path),
    ] {
        field(&mut block, name, value);
    }
    block
}

/// One field, to be kept in no table.
pub(crate) fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    text(block, name);
    text(block, value);
}

/// One field, to be kept in the table of both sides, where it will be number 62.
pub(crate) fn kept_field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0x40);
    text(block, name);
    text(block, value);
}

/// The newest field of the table, once more, in one byte.
pub(crate) const NEWEST: u8 = 0x80 | 62;

/// A string without Huffman coding; its length is an integer with a prefix of 7 bits.
fn text(block: &mut Vec<u8>, text: &str) {
    let len = text.len();
    if len < 127 {
        block.push(len as u8);
    } else {
        block.push(127);
        let mut rest = len - 127;
        while rest >= 128 {
            block.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend_from_slice(text.as_bytes());
}

/// A GET that is whole.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        stream,
        &head("GET", path),
    )
}

/// A request whose head needs as many frames as it needs; `flags` are those of the first.
pub(crate) fn long_head(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(FRAME_BYTES_MAX).peekable();
    let first = pieces.next().unwrap_or_default();
    let end = |is_last: bool| if is_last { END_HEADERS } else { 0 };
    let mut frames = frame(HEADERS, flags | end(pieces.peek().is_none()), stream, first);
    while let Some(piece) = pieces.next() {
        let flags = end(pieces.peek().is_none());
        frames.extend(frame(CONTINUATION, flags, stream, piece));
    }
    frames
}
