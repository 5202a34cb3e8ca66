//! `fanfare sub`: follows topics and prints what comes, through lost connections.

mod render;

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use fanfare_client::{Gap, History, RetryPolicy, SubscribeError, Subscriber, Update};
use futures_util::FutureExt;

use crate::hub_arg::HubArg;
use crate::publish::explain;
use render::Render;

/// The cap of the waits between tries. A person is watching, and terminals are no herd.
const RETRY_CAP: Duration = Duration::from_secs(5);

/// Follow topics and print their events
///
/// On a terminal each event is one readable line; piped, its data alone; with --json, all of it.
/// A lost connection is made again, and goes on after the last event. Ends when the topics end.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fanfare sub chat                      from now on
  fanfare sub chat --history 50         the last 50 events first
  fanfare sub 'sensors/*' orders        a pattern and a topic; ** stands for more segments
  fanfare sub orders --json | jq .data  one JSON object a line
  fanfare sub orders --since k3v9q2-7   what came after that event
  fanfare sub deploys --count 1         waits for one event, then exits")]
pub(crate) struct Subscribe {
    /// Topics and patterns: `*` is one segment, `**` at the end one or more
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,

    /// Print one JSON object a line: id, topic, event, data, time (ms since 1970)
    #[arg(long)]
    json: bool,

    /// Start in the past: `all`, the last `50` events, or those of the last `10m`
    #[arg(long, value_name = "HOW-MUCH", conflicts_with = "since")]
    history: Option<History>,

    /// Start after the event with this id; `earliest` is before all of them
    #[arg(long, value_name = "ID")]
    since: Option<String>,

    /// Exit after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Exit with an error when the connection fails, instead of making it again
    #[arg(long)]
    no_retry: bool,

    #[command(flatten)]
    hub: HubArg,
}

/// Where updates go: events to standard output, what happens to the stream to standard error.
struct Printer {
    render: Render,
    out: BufWriter<StdoutLock<'static>>,
    /// What to say when the stream opens for the first time.
    greeting: Option<String>,
    /// Events that are still to be printed, if they are counted.
    left: Option<u64>,
}

impl Subscribe {
    /// Follows until the topics end, the count is reached, or a signal or a closed pipe says stop.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let printer = self.printer();
        match follow(self.subscriber()?, printer).await {
            Err(error) if is_broken_pipe(&error) => Ok(()),
            result => result,
        }
    }

    fn subscriber(&self) -> anyhow::Result<Subscriber> {
        let client = self.hub.client()?;
        let (first, others) = self
            .topics
            .split_first()
            .ok_or_else(|| anyhow!("name a topic"))?;
        let mut subscribe = client.subscribe(first).with_envelopes();
        for topic in others {
            subscribe = subscribe.and(topic);
        }
        if let Some(history) = self.history {
            subscribe = subscribe.history(history);
        }
        if let Some(id) = &self.since {
            subscribe = subscribe.resume_after(id);
        }
        let retries_max = self.no_retry.then_some(0);
        subscribe = subscribe.retry(RetryPolicy {
            retries_max,
            cap: RETRY_CAP,
            ..RetryPolicy::default()
        });
        Ok(subscribe.open()?)
    }

    fn printer(&self) -> Printer {
        let stdout = io::stdout();
        let has_many = self.topics.len() > 1 || self.topics.iter().any(|it| it.contains('*'));
        let render = if self.json {
            Render::Json
        } else if stdout.is_terminal() {
            let has_colours = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
            Render::Pretty {
                has_colours,
                has_topic: has_many,
            }
        } else {
            Render::Plain
        };
        let greeting = format!(
            "following {} at {}",
            self.topics.join(", "),
            self.hub.server()
        );
        let out = BufWriter::new(stdout.lock());
        Printer {
            render,
            out,
            greeting: Some(greeting),
            left: self.count,
        }
    }
}

async fn follow(mut subscriber: Subscriber, mut printer: Printer) -> anyhow::Result<()> {
    let mut stop = Box::pin(stop_signal()?);
    loop {
        let update = match subscriber.next().now_or_never() {
            Some(update) if (&mut stop).now_or_never().is_none() => update,
            Some(_) => None,
            None => {
                // Nothing more is here right now: what was printed must be seen before the wait.
                printer.out.flush()?;
                tokio::select! {
                    () = &mut stop => None,
                    update = subscriber.next() => update,
                }
            }
        };
        let Some(update) = update else { break };
        let update = update.map_err(|error| match error {
            SubscribeError::GaveUp(loss) => anyhow!(explain(&loss)),
            error => anyhow!(error),
        })?;
        printer.print(&update)?;
        if printer.left == Some(0) {
            break;
        }
    }
    Ok(printer.out.flush()?)
}

impl Printer {
    fn print(&mut self, update: &Update) -> io::Result<()> {
        match update {
            Update::Opened => say(&self
                .greeting
                .take()
                .unwrap_or_else(|| "connected again".to_owned())),
            Update::Event(event) => {
                self.render.event(event, &mut self.out)?;
                self.left = self.left.map(|left| left - 1);
            }
            Update::Gap(gap, event) => {
                say(&gap_text(gap));
                self.render.own_event(event, &mut self.out)?;
            }
            Update::End(event) => {
                say(&format!(
                    "{} ended",
                    event.topic.as_deref().unwrap_or("the topic")
                ));
                self.render.own_event(event, &mut self.out)?;
            }
            Update::Lapsed(_) => say("the token is worth nothing any more"),
            Update::TooLarge(bytes) => {
                say(&format!("an event of more than {bytes} bytes was left out"))
            }
            Update::Waiting { wait, why } => {
                // The advice to start a hub is for those who never reached one.
                let why = if self.greeting.is_some() {
                    explain(why)
                } else {
                    why.to_string()
                };
                say(&format!(
                    "{why}; trying again in {:.1} s",
                    wait.as_secs_f64()
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Says something to the person, beside the events.
fn say(text: &str) {
    // Whoever closed standard error does not want to know.
    drop(writeln!(io::stderr(), "fanfare: {text}"));
}

fn gap_text(gap: &Gap) -> String {
    let asked = &gap.asked;
    let reason = match gap.reason.as_str() {
        "trimmed" => format!("events after {asked} are no longer kept"),
        "epoch" => format!("the hub started anew since {asked}, and what it held then is gone"),
        "future" => format!("{asked} lies in the future of this hub"),
        "malformed" | "unknown" => format!("`{asked}` is no event id of this hub"),
        "slow" => "this subscriber was too slow".to_owned(),
        other => other.to_owned(),
    };
    format!("gap: {reason}; events may be missing before the next one")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Completes when the process is asked to stop.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        // Without a console to hear from, the process is stopped by other means.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
