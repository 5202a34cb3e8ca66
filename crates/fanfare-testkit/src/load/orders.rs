//! Standard input line by line, for a program that a campaign tells what to do.

use tokio::sync::mpsc::{Receiver, channel};

/// Lines that may wait; a campaign waits for each answer, so that there are hardly two.
const LINES_MAX: usize = 16;

/// The lines as they come, read by a thread of its own because standard input blocks.
#[must_use]
pub fn orders() -> Receiver<String> {
    let (sender, receiver) = channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
