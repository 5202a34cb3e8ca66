//! Compares decoders of `text/event-stream` in one run: rounds are interleaved, so that whatever
//! else the machine does hits all of them, and the median of the rounds is printed.
//!
//! `cargo run --release --manifest-path bench/decoder/Cargo.toml` prints the tables; `-- ROUNDS
//! FILTER` changes the number of rounds, or keeps only the inputs whose name holds the filter.

mod clock;
mod encoders;

use std::{env, hint::black_box, process::Command};

use clock::CpuTime;
use decoder_bench::{
    decoders::{ALL, Decode},
    inputs::{self, Input},
};

const ROUNDS_DEFAULT: usize = 51;
/// Rounds of a decoder that needs long for the stream once: time by the square needs no fine clock.
const ROUNDS_OF_SLOW: usize = 3;
const SLOW_SECONDS: f64 = 0.25;
/// One measurement repeats the stream until it took about this long, far above the clock's grain.
const MEASUREMENT_SECONDS: f64 = 0.001;

fn main() {
    let mut args = env::args().skip(1);
    let rounds = args.next().map_or(ROUNDS_DEFAULT, |rounds| {
        rounds.parse().expect("ROUNDS is a number")
    });
    let filter = args.next().unwrap_or_default();
    let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
    println!("Decoding, MB/s, median of {rounds} interleaved rounds.\n");
    println!("| input | chunks | {} |", names.join(" | "));
    println!("|---|---|{}", "---:|".repeat(names.len()));
    for input in inputs::all()
        .iter()
        .filter(|input| input.name.contains(&filter))
    {
        for (how, chunk_bytes) in input.chunkings() {
            let cells = compare(input, chunk_bytes, rounds);
            println!("| {} | {how} | {} |", input.name, cells.join(" | "));
        }
    }
    if filter.is_empty() {
        encoders::print(rounds);
        println!("\nDecoding, allocations for an event.\n");
        count_allocations();
    }
}

/// Runs the other binary of this package, whose allocator would slow this one.
fn count_allocations() {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let run = [
        "run",
        "--quiet",
        "--release",
        "--bin",
        "allocations",
        "--manifest-path",
        manifest,
    ];
    let status = Command::new(cargo)
        .args(run)
        .status()
        .expect("cargo started this binary");
    assert!(status.success(), "counting allocations failed: {status}");
}

/// Measures all decoders on one input; the fastest is set in bold.
fn compare(input: &Input, chunk_bytes: usize, rounds: usize) -> Vec<String> {
    let repeats = ALL.map(|(_, decode)| repeats(decode, input, chunk_bytes));
    let mut speeds = ALL.map(|_| Vec::new());
    for round in 0..rounds {
        for (at, (_, decode)) in ALL.iter().enumerate() {
            match repeats[at] {
                Ok(0) if round < ROUNDS_OF_SLOW => {
                    speeds[at].push(speed(*decode, input, chunk_bytes, 1));
                }
                Ok(0) | Err(_) => {}
                Ok(repeats) => speeds[at].push(speed(*decode, input, chunk_bytes, repeats)),
            }
        }
    }
    let medians = speeds.map(|mut speeds| median(&mut speeds));
    let best = medians.iter().copied().fold(0.0, f64::max);
    let shown = medians
        .iter()
        .zip(&repeats)
        .map(|(speed, repeats)| match repeats {
            Err(why) => why.clone(),
            Ok(_) if *speed == best => format!("**{speed:.0}**"),
            Ok(_) if *speed < 10.0 => format!("{speed:.1}"),
            Ok(_) => format!("{speed:.0}"),
        });
    shown.collect()
}

/// Checks that the decoder finds what it must, and says how often to repeat it for one measurement;
/// zero stands for a slow one.
fn repeats(decode: Decode, input: &Input, chunk_bytes: usize) -> Result<usize, String> {
    let start = CpuTime::now();
    let found = decode(input.stream, chunk_bytes)?;
    if found != input.expected {
        return Err(format!("wrong: {found:?}"));
    }
    let seconds = start.elapsed_seconds();
    Ok(if seconds > SLOW_SECONDS {
        0
    } else {
        (MEASUREMENT_SECONDS / seconds).ceil() as usize
    })
}

fn speed(decode: Decode, input: &Input, chunk_bytes: usize, repeats: usize) -> f64 {
    let start = CpuTime::now();
    for _ in 0..repeats {
        black_box(decode(black_box(input.stream), black_box(chunk_bytes)).ok());
    }
    (input.stream.len() * repeats) as f64 / 1e6 / start.elapsed_seconds()
}

fn median(speeds: &mut [f64]) -> f64 {
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).copied().unwrap_or_default()
}
