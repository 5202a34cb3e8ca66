//! What to change when a load cannot go on.

use anyhow::{Error, anyhow};
use fanfare_bench::descriptors::TooFew;
use fanfare_bench::{Refusal, Role};

/// As much of a server's own words as fits a few lines of a terminal.
const SAID_CHARS_MAX: usize = 240;

/// An error of the engine in words that say what to change.
pub(super) fn explain(error: Error) -> Error {
    if let Some(TooFew { needed, allowed }) = error.downcast_ref() {
        return anyhow!(
            "that takes {needed} open files, and the limit of this process is {allowed}: raise it with `ulimit -n {needed}`, as root or after LimitNOFILE= or /etc/security/limits.conf allow it, or open fewer with --subscribers"
        );
    }
    let Some(refusal) = error.downcast_ref::<Refusal>() else {
        return error;
    };
    let (who, url) = match refusal.of {
        Role::Subscriber => ("a subscriber", "the URL"),
        Role::Publisher => ("a publish", "--publish-url"),
    };
    let advice = match (refusal.status, refusal.of) {
        (300..400, _) => format!("name where it redirects to in {url}"),
        (401 | 403 | 407, _) => {
            "give credentials, such as --header 'Authorization: Bearer …'".into()
        }
        (404 | 410, _) => format!("correct {url}, or the topic in it"),
        (405, Role::Publisher) => format!("correct {url}, or choose a --method"),
        (405, Role::Subscriber) => format!("correct {url}"),
        (400 | 415 | 422, Role::Publisher) => {
            "send what it expects with --body and --publish-header 'Content-Type: …'".into()
        }
        (413, _) => "choose fewer --bytes".into(),
        (429 | 503, Role::Subscriber) => {
            "raise its limit of subscribers, or open fewer with --subscribers".into()
        }
        (429 | 503, Role::Publisher) => {
            "raise its limit, or publish less with --rate or --in-flight".into()
        }
        _ => "its own log may say why".into(),
    };
    anyhow!(
        "the server answered {who} with {}: {advice}{}",
        refusal.status,
        said(&refusal.answer)
    )
}

/// The server's own words, from the body of its answer.
fn said(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let words: Vec<_> = body.split_whitespace().collect();
    match words.join(" ") {
        text if text.is_empty() => text,
        text => {
            let shown: String = text.chars().take(SAID_CHARS_MAX).collect();
            format!("\n  it said: {shown}")
        }
    }
}
