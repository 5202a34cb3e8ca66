//! `fanfare-crowd SEED SUBSCRIBERS`: very many subscribers and some publishers as a program that a
//! campaign starts.
//!
//! It takes commands as lines and answers each with one line of JSON:
//!
//! - `start ADDRESS`: lets everybody come, and answers when all are there;
//! - `mark`: the hub is about to be told to stop;
//! - `back`: waits until all were sent away and are back, and says how long each took;
//! - `end FILE`: reads the history, writes the journal to the file, and judges it; ends with 0 when
//!   every count is zero.

use std::path::Path;
use std::process::ExitCode;

use fanfare_testkit::checker::check;
use fanfare_testkit::load::{Crowd, InFlight, orders};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

/// One thread, so that the crowd leaves the other processors to the hub.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Failure> {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().ok_or("no seed")?.parse()?;
    let subscribers = arguments.next().ok_or("no number")?.parse()?;
    let mut lines = orders();
    let mut crowd = None;
    while let Some(line) = lines.recv().await {
        let words: Vec<_> = line.split_whitespace().collect();
        match (words.as_slice(), &mut crowd) {
            (["start", address], None) => {
                crowd = Some(Crowd::start(seed, subscribers, address.parse()?).await);
                println!("{}", json!({ "subscribers": subscribers }));
            }
            (["mark"], Some(crowd)) => {
                crowd.mark();
                println!("{}", json!({}));
            }
            (["back"], Some(crowd)) => println!("{}", crowd.back().await.to_json()),
            (["end", file], Some(_)) => {
                let crowd = crowd.take().ok_or("nobody came")?;
                let (journal, in_flight) = crowd.finish().await;
                journal.write(Path::new(file))?;
                let report = check(&journal);
                let mut json = report.to_json();
                json["in_flight"] = in_flight.into_iter().map(InFlight::to_json).collect();
                println!("{json}");
                return Ok(match report.is_clean() {
                    true => ExitCode::SUCCESS,
                    false => ExitCode::FAILURE,
                });
            }
            _ => return Err(format!("no such command: {line:?}").into()),
        }
    }
    Ok(ExitCode::SUCCESS)
}
