//! Server-sent events on the wire: writes and reads `text/event-stream` and does nothing else.
//! There is no I/O here: bytes go in, events come out, and the other way round.
//!
//! Modules in reading order:
//!
//! - `encode`: one block or comment to bytes, with the rule for what a field may hold.
//! - `decode`: the public decoder: what it hands out and what it remembers.
//! - `feed`: whole lines: what they mean for the block, and when it is dispatched.
//! - `cut`: where one chunk ends and the next goes on.
//! - `block`: the fields of the open block that had to leave their chunk.
//! - `line`: where a line ends and which field it names.
//!
//! # Examples
//!
//! ```
//! use fanfare_sse::{Block, Decoded, Decoder, encode};
//!
//! let mut wire = Vec::new();
//! encode(&Block { id: Some("7"), data: Some("two\nlines"), ..Block::default() }, &mut wire)?;
//! assert_eq!(wire, b"id: 7\ndata: two\ndata: lines\n\n");
//!
//! let mut decoder = Decoder::new();
//! let mut seen = Vec::new();
//! for chunk in wire.chunks(5) {
//!     decoder.feed(chunk, |decoded| {
//!         if let Decoded::Event(event) = decoded {
//!             seen.push(format!("{} {} {}", event.id, event.event, event.data));
//!         }
//!     });
//! }
//! assert_eq!(seen, ["7 message two\nlines"]);
//! # Ok::<(), fanfare_sse::EncodeError>(())
//! ```

mod block;
mod cut;
mod decode;
mod encode;
mod feed;
mod line;

pub use decode::{Decoded, Decoder, Event, MAX_EVENT_BYTES_DEFAULT};
pub use encode::{Block, EncodeError, check_field, encode, encode_comment, encoded_len};
pub use line::RETRY_MS_MAX;
