//! slowhttptest, a program of others: it has its own opinion of whether the hub can be reached.

use std::process::Command;

use super::Came;
use crate::trial::Target;

/// The document that the hub has for everybody.
const PATH: &str = "/-/openapi.json";
/// A crowd that is there within 5 s and stays for 25.
const CROWD: &str = "-c 1000 -r 200 -i 10 -l 30 -p 3";

pub(crate) async fn slowhttptest(target: &Target, options: &str) -> Came {
    let mut command = Command::new("slowhttptest");
    command.args(options.split(' ')).args(CROWD.split(' '));
    command.arg("-u");
    let path = if options.starts_with("-B") {
        "/flooded"
    } else {
        PATH
    };
    command.arg(format!("http://{}{path}", target.door.address));
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = match running.await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => return Came::broken("slowhttptest cannot be started"),
    };
    let told = plain(&output);
    // It prints its state every few seconds; the last one counts, and every one must be good.
    let last = |name: &str| {
        let mut lines = told
            .lines()
            .filter_map(|line| line.trim().strip_prefix(name));
        lines
            .next_back()
            .map(|rest| rest.trim_matches([':', ' ']).to_owned())
    };
    let counts: Vec<_> = ["initializing", "pending", "connected", "error", "closed"]
        .into_iter()
        .filter_map(|name| Some(format!("{name} {}", last(name)?)))
        .collect();
    let is_available = !told.contains("service available:   NO");
    let exit = last("Exit status").unwrap_or_default();
    let word = if is_available {
        "available"
    } else {
        "not available"
    };
    Came::seen(format!("{word} throughout; {}; {exit}", counts.join(", ")))
        .ensure(is_available && !counts.is_empty(), || {
            format!("slowhttptest says: {told}")
        })
}

/// Without the colours of a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => {
                // A sequence ends with a letter.
                chars.by_ref().find(char::is_ascii_alphabetic);
            }
            char => plain.push(char),
        }
    }
    plain
}
