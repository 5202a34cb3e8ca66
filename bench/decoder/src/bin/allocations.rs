//! Prints how many allocations each decoder makes for an event.

use std::hint::black_box;

use decoder_bench::{
    decoders::{ALL, Decode},
    inputs::{self, Input},
};

fn main() {
    let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
    println!("| input | chunks | {} |", names.join(" | "));
    println!("|---|---|{}", "---:|".repeat(names.len()));
    for input in inputs::all() {
        for (how, chunk_bytes) in input.chunkings() {
            let counts = ALL.map(|(_, decode)| allocations_per_event(decode, &input, chunk_bytes));
            println!("| {} | {how} | {} |", input.name, counts.join(" | "));
        }
    }
}

fn allocations_per_event(decode: Decode, input: &Input, chunk_bytes: usize) -> String {
    let used = allocation_counter::measure(|| {
        black_box(decode(input.stream, chunk_bytes).ok());
    });
    format!(
        "{:.2}",
        used.count_total as f64 / input.expected.events as f64
    )
}
