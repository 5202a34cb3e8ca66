//! Part 4: a long replay to one subscriber, beside `cat` of the same bytes through a socket.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use fanfare_hub::Durability;

use crate::effort::Effort;
use crate::fanfare::{self, Fanfare};
use crate::folder::Scratch;
use crate::http::{Stream, find};
use crate::hub::{Hub, drop_caches};
use crate::in_flight;
use crate::payload::{EVENT_BYTES, Random};
use crate::report::{Section, stamp};
use crate::stats::{Spread, number};

const TOPIC: &str = "replayed";
/// The data of the last event; the letters of all others have no space.
const LAST: &str = "and this is the end";
/// Events in flight while the log is made.
const DEPTH: usize = 4_096;
/// Where the end is looked for: the last event, its chunk's end and little more.
const END_BYTES: usize = 64;

pub fn measure(program: &Path, dir: &Path, effort: Effort) -> Result<Section> {
    let scratch = Scratch::new(dir, "replay")?;
    let data = scratch.path().join("log");
    fs::create_dir_all(&data)?;
    make(&data, effort.replay_events)?;
    let same = scratch.path().join("same-bytes");
    let hub = Hub::start(program, &data)?;
    let (bytes, contents) = replay(hub.address, Some(&mut File::create(&same)?))?;
    let mut rows = String::new();
    for is_cold in [false, true] {
        let mut hub_s = Vec::new();
        let mut cat_s = Vec::new();
        for _ in 0..effort.rounds {
            if is_cold && !drop_caches() {
                println!("only root may empty the page cache: no cold replay measured");
                break;
            }
            let begin = Instant::now();
            let (_, again) = replay(hub.address, None)?;
            if again.abs_diff(contents) > END_BYTES as u64 {
                bail!("two replays differ: {again} bytes and {contents}");
            }
            hub_s.push(begin.elapsed().as_secs_f64());
            let begin = Instant::now();
            cat(&same, bytes)?;
            cat_s.push(begin.elapsed().as_secs_f64());
        }
        if hub_s.is_empty() {
            continue;
        }
        let [hub_s, cat_s] = [hub_s, cat_s].map(Spread::of);
        let row = format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            if is_cold { "cold" } else { "warm" },
            hub_s.cell(1.0),
            cat_s.cell(1.0),
            number(hub_s.median / cat_s.median),
            number(effort.replay_events as f64 / hub_s.median / 1e6),
            number(bytes as f64 / hub_s.median / 1e6),
        );
        print!("replay {row}");
        rows.push_str(&row);
    }
    hub.stop()?;
    Ok(Section {
        title: "4. Replay",
        body: format!(
            "{} events of {EVENT_BYTES} bytes to one subscriber over HTTP, against `cat` of a file with the bytes that the hub sent, its output a socket; \
            the same reader counts the bytes of both.\n\
            Wanted: within 2 times.\n\n\
            | page cache | hub, s | cat, s | times | million events/s | MB/s |\n|---|---:|---:|---:|---:|---:|\n{rows}\n{}",
            effort.replay_events,
            stamp(),
        ),
    })
}

fn make(data: &Path, events: u64) -> Result<()> {
    let mut random = Random::new(3);
    let texts: Vec<_> = (0..1_024).map(|_| random.text(EVENT_BYTES)).collect();
    let topics = [TOPIC.to_owned()];
    let open = || fanfare::open(data, Durability::Written, fanfare::keep_everything());
    let mut target = Fanfare::new(open()?, &topics, &texts)?;
    in_flight::append_all(&mut target, DEPTH, events - 1)?;
    drop(target);
    let mut target = Fanfare::new(open()?, &topics, &[LAST.to_owned()])?;
    in_flight::append_all(&mut target, 1, 1)
}

/// The contents of chunks, which a stream may be cut into as it likes (RFC 9112 7.1).
#[derive(Default)]
struct Contents {
    bytes: u64,
    /// What is left of the present chunk.
    left: usize,
    /// The length of the next one, as far as it was seen.
    head: String,
}

impl Contents {
    fn take(&mut self, mut seen: &[u8]) -> Result<()> {
        while let Some((&first, rest)) = seen.split_first() {
            if self.left > 0 {
                let some = self.left.min(seen.len());
                self.left -= some;
                self.bytes += some as u64;
                seen = &seen[some..];
                continue;
            }
            seen = rest;
            match first {
                b'\r' => {}
                // Behind a chunk there is a line end too.
                b'\n' if self.head.is_empty() => {}
                b'\n' => {
                    self.left = usize::from_str_radix(&self.head, 16)?;
                    self.head.clear();
                }
                digit => self.head.push(char::from(digit)),
            }
        }
        Ok(())
    }
}

/// Reads the whole history; answers its bytes without the response's head, and those of the events.
fn replay(address: SocketAddr, mut copy: Option<&mut File>) -> Result<(u64, u64)> {
    let target = format!("{TOPIC}?history=all");
    let mut stream = Stream::open(address, &target, "")?;
    let head = stream.wait_for(b"\r\n\r\n")?;
    if !head.starts_with(b"HTTP/1.1 200") {
        bail!("no replay: {}", String::from_utf8_lossy(&head));
    }
    let mut bytes = 0;
    let mut contents = Contents::default();
    loop {
        let seen = stream.read()?.context("the replay ended early")?;
        let end = &seen[seen.len().saturating_sub(END_BYTES)..];
        let is_over = find(end, LAST.as_bytes()).is_some();
        // The end of an event may come in two pieces; then the first one stays.
        let whole = if is_over {
            0
        } else {
            END_BYTES.min(seen.len())
        };
        let done = seen.len() - whole;
        bytes += done as u64;
        contents.take(&seen[..done])?;
        if let Some(copy) = &mut copy {
            copy.write_all(&seen[..done])?;
        }
        stream.consume(done);
        if is_over {
            return Ok((bytes, contents.bytes));
        }
    }
}

/// Reads the file through a socket that `cat` writes to.
fn cat(file: &Path, bytes: u64) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let reading = thread::spawn(move || -> Result<u64> {
        let mut stream = Stream::plain(std::net::TcpStream::connect(address)?);
        let mut bytes = 0;
        while let Some(seen) = stream.read()? {
            let seen = seen.len();
            bytes += seen as u64;
            stream.consume(seen);
        }
        Ok(bytes)
    });
    let (socket, _) = listener.accept()?;
    let status = Command::new("cat")
        .arg(file)
        .stdout(Stdio::from(OwnedFd::from(socket)))
        .status()?;
    let read = reading.join().ok().context("the reader panicked")??;
    // The last pieces of a replay may be cut differently, by the end of a chunk.
    if !status.success() || read.abs_diff(bytes) > END_BYTES as u64 {
        bail!("cat sent {read} bytes of {bytes}");
    }
    Ok(())
}
