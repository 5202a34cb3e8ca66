//! Reads an event stream from stdin and prints each event, and each reconnection time, as JSON.
//! `--chunk N` feeds the decoder N bytes at a time (default: 65536).

use std::{
    env,
    error::Error,
    io::{self, BufWriter, Read, Write},
};

use fanfare_sse::{Decoded, Decoder};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let chunk_bytes = chunk_bytes(env::args().skip(1))?;
    let mut stream = io::stdin().lock();
    let mut chunk = vec![0; chunk_bytes];
    let mut decoder = Decoder::new().without_comments();
    let mut out = BufWriter::new(io::stdout().lock());
    loop {
        let filled = fill(&mut stream, &mut chunk)?;
        if filled == 0 {
            return Ok(());
        }
        let mut written = Ok(());
        decoder.feed(&chunk[..filled], |decoded| {
            if written.is_ok() {
                written = print(decoded, &mut out);
            }
        });
        written?;
        // A live stream is read event by event.
        out.flush()?;
    }
}

fn chunk_bytes(mut args: impl Iterator<Item = String>) -> Result<usize, Box<dyn Error>> {
    match (args.next().as_deref(), args.next(), args.next()) {
        (None, ..) => Ok(64 * 1024),
        (Some("--chunk"), Some(bytes), None) => match bytes.parse()? {
            0 => Err("--chunk must be at least 1".into()),
            bytes => Ok(bytes),
        },
        _ => Err("usage: decode [--chunk BYTES] < STREAM".into()),
    }
}

/// Reads once; the chunk is what the pipe gives, up to its length.
fn fill(stream: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn print(decoded: Decoded<'_>, out: &mut impl Write) -> io::Result<()> {
    match decoded {
        Decoded::Event(event) => {
            let line = json!({"event": event.event, "data": event.data, "id": event.id});
            writeln!(out, "{line}")
        }
        Decoded::Retry(retry) => writeln!(out, "{}", json!({ "retry": retry })),
        Decoded::TooLarge {
            max_event_bytes, ..
        } => {
            eprintln!("dropped an event of more than {max_event_bytes} bytes");
            Ok(())
        }
        _ => Ok(()),
    }
}
