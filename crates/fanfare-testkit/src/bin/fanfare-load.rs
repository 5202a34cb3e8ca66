//! `fanfare-load`: the load and the checker as a program that a campaign starts.
//!
//! It takes commands as lines and answers each with one line of JSON:
//!
//! - `round ADDRESS`: loads the hub there until it is gone, or until the line `stop`;
//! - `end ADDRESS FILE`: reads the history, writes the journal to the file, and judges it; ends
//!   with 0 when every count is zero; `end ADDRESS FILE trimmed` when the hub trims;
//! - `check FILE`: judges a journal that was kept.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use fanfare_testkit::checker::{Report, check};
use fanfare_testkit::journal::Journal;
use fanfare_testkit::load::{Load, orders};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error>;

/// One thread, so that the load leaves the other processors to the hub.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Failure> {
    let seed = std::env::args().nth(1).unwrap_or_default();
    let mut load = Some(Load::new(seed.parse().unwrap_or_default()));
    let mut lines = orders();
    while let Some(line) = lines.recv().await {
        let words: Vec<_> = line.split_whitespace().collect();
        match (words.as_slice(), &mut load) {
            (["round", address], Some(load)) => {
                let address: SocketAddr = address.parse()?;
                let stop = CancellationToken::new();
                let round = async {
                    let round = load.round(address, &stop).await;
                    stop.cancel();
                    println!("{}", round.to_json());
                };
                tokio::join!(round, until_stop(&mut lines, &stop));
            }
            (["end", address, file, rest @ ..], load) => {
                let load = load.take().ok_or("the load has ended")?;
                let mut journal = load.finish(address.parse()?).await;
                journal.is_trimmed = *rest == ["trimmed"];
                journal.write(Path::new(file))?;
                return Ok(tell(&check(&journal)));
            }
            (["check", file], _) => return Ok(tell(&check(&Journal::read(Path::new(file))?))),
            _ => return Err(format!("no such command: {line:?}").into()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(report: &Report) -> ExitCode {
    println!("{}", report.to_json());
    match report.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Waits for the line `stop`, or for the end of the round.
async fn until_stop(lines: &mut Receiver<String>, stop: &CancellationToken) {
    // A line that is not `stop` cannot come, because campaigns wait for the answer.
    if stop.run_until_cancelled(lines.recv()).await.is_some() {
        stop.cancel();
    }
}
