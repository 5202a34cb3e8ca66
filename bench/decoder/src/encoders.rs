//! How fast blocks are written; `sse-stream` is the one peer with an encoder.

use std::hint::black_box;

use fanfare_sse::Block;

use crate::clock::CpuTime;

/// Blocks written for one measurement.
const BLOCKS: usize = 2000;

pub fn print(rounds: usize) {
    println!(
        "\nEncoding, nanoseconds a block (id and data), median of {rounds} interleaved rounds.\n"
    );
    println!("| data | fanfare-sse | sse-stream |\n|---|---:|---:|");
    let json = "x".repeat(300);
    let lines = "a line of thirty characters.\n".repeat(10);
    let large = "x".repeat(40 * 1024);
    for (name, data) in [
        ("1 byte", "1"),
        ("300 bytes", &json),
        ("10 lines", &lines),
        ("40 KiB", &large),
    ] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(nanoseconds(|| fanfare_block(data)));
            theirs.push(nanoseconds(|| sse_stream_block(data)));
        }
        println!(
            "| {name} | {:.0} | {:.0} |",
            super::median(&mut ours),
            super::median(&mut theirs)
        );
    }
}

/// Both give a buffer of their own for each block.
fn fanfare_block(data: &str) {
    let mut out = Vec::new();
    let block = Block {
        id: Some("k3v9q2-1042"),
        data: Some(data),
        ..Block::default()
    };
    fanfare_sse::encode(&block, &mut out).expect("the id is plain");
    black_box(&out);
}

fn sse_stream_block(data: &str) {
    let block = sse_stream::Sse::default().id("k3v9q2-1042").data(data);
    black_box(block.encode().expect("the id is plain"));
}

fn nanoseconds(write: impl Fn()) -> f64 {
    let start = CpuTime::now();
    for _ in 0..BLOCKS {
        write();
    }
    start.elapsed_seconds() * 1e9 / BLOCKS as f64
}
