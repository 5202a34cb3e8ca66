//! `fanfare bench`: puts a load on any server of event streams, and checks what comes back.

mod advice;
mod endpoint;
mod outcome;
mod progress;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use fanfare_bench::scenario::{FanOut, Publishing, Setting};
use fanfare_bench::{PAYLOAD_BYTES_MIN, Publish, Subscribe, Target, descriptors, usage};

use self::endpoint::{Endpoint, field};
use self::outcome::Outcome;
use self::progress::ProgressLine;

/// Measure a server of event streams
///
/// Opens subscribers, publishes events, and checks for each subscriber that every event came once
/// and in order. Latency counts from when an event was due, so that a server that falls behind
/// cannot hide it. Works with whatever streams events over HTTP/1.1: Fanfare, Nchan, your own.
/// Exits with an error when an event is lost, repeated, out of order or refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fanfare bench                                    a hub on this machine: how much can it take?
  fanfare bench --subscribers 10000 --rate 50      how late is an event, at 50 a second?
  fanfare bench --pid \"$(pgrep -x fanfare)\"        what does it cost the server?
  fanfare bench --subscribers 1000 --topics 1000   a topic for each subscriber
  fanfare bench --json | jq .latency_ms.p99        for scripts

  # Nchan: subscribers and publishers have paths of their own
  fanfare bench http://127.0.0.1:8080/sub/x --publish-url http://127.0.0.1:8080/pub/x

  # a server that wants JSON and credentials
  fanfare bench http://127.0.0.1:3000/events --publish-url http://127.0.0.1:3000/send \\
    --header 'Authorization: Bearer abc' --publish-header 'Content-Type: application/json' \\
    --body '{\"text\":\"{payload}\"}'

Server and load share a machine's cores: near 1 core, the load is what limits, and it says so.")]
pub(crate) struct Bench {
    /// What subscribers GET; `{topic}` in it is the topic, which is also the path when it has none
    #[arg(
        value_name = "URL",
        env = "FANFARE_SERVER",
        default_value = "http://127.0.0.1:4000"
    )]
    url: String,

    /// Where events are published [default: the same URL]
    #[arg(long, value_name = "URL")]
    publish_url: Option<String>,

    /// The topic [default: bench]
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// Spread subscribers and events over so many topics, named `bench-000000` and so on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    topics: u32,

    /// Subscribers that are held open
    #[arg(long, short = 's', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: u32,

    /// Subscribers that connect at the same time, until all are there
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    connecting: u32,

    /// Events a second; without it, as many as the server takes
    #[arg(long, short = 'r', value_name = "N", value_parser = rate)]
    rate: Option<f64>,

    /// Publish requests in flight: at all times, or with --rate at most
    #[arg(long, short = 'c', value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,

    /// How long is measured, such as `10` or `2m`
    #[arg(long, short = 'd', value_name = "TIME", default_value = "5", value_parser = seconds)]
    seconds: Duration,

    /// How long events are published before that
    #[arg(long, value_name = "TIME", default_value = "1", value_parser = seconds)]
    warmup: Duration,

    /// Bytes of `{payload}`: filling, and the time and number by which an event is known again
    #[arg(long, short = 'b', value_name = "N", default_value_t = 100)]
    bytes: usize,

    /// The body of a publish, or `@FILE`. In it `{payload}` is the payload, `{n}` the number of the
    /// event, `{time}` when it was due (hexadecimal nanoseconds), `{topic}` the number of its topic
    #[arg(long, value_name = "TEMPLATE", default_value = "{payload}")]
    body: String,

    /// The method of a publish
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    method: String,

    /// A header field of all requests, such as `Authorization: Bearer abc`; repeatable
    #[arg(long, short = 'H', value_name = "FIELD", value_parser = field)]
    header: Vec<(String, String)>,

    /// A header field of publish requests alone, such as `Content-Type: application/json`
    #[arg(long, value_name = "FIELD", value_parser = field)]
    publish_header: Vec<(String, String)>,

    /// A process of the server, whose CPU time and memory are measured with those of its children;
    /// repeatable
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,

    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,

    /// Leave the progress away
    #[arg(long, short = 'q')]
    quiet: bool,
}

/// A socket takes so much at once; larger events are not what this engine is made for.
const BYTES_MAX: usize = 1 << 20;

impl Bench {
    /// Measures and prints, on this thread.
    pub(crate) fn run(&self) -> Result<()> {
        if !(PAYLOAD_BYTES_MIN..=BYTES_MAX).contains(&self.bytes) {
            bail!(
                "--bytes is {}: give something between {PAYLOAD_BYTES_MIN}, which time and number of an event take, and {BYTES_MAX}",
                self.bytes
            );
        }
        let connections = u64::from(self.subscribers) + u64::from(self.in_flight);
        descriptors::reserve(connections).map_err(advice::explain)?;
        usage::memory(&self.pid)
            .context("--pid: name a running process of the server, and run as its user or root")?;
        let setting = Setting {
            target: self.target()?,
            pids: self.pid.clone(),
            payload_bytes: self.bytes,
            connecting: self.connecting as usize,
            warm_up: self.warmup,
            counted: self.seconds,
        };
        let work = FanOut {
            subscribers: self.subscribers as usize,
            topics: self.topics,
            publishing: self.publishing(),
        };
        let progress = (!self.quiet).then(|| ProgressLine::new(&work, self.seconds));
        let watch = progress.as_ref().map(ProgressLine::watch);
        let figures = work.run_watched(&setting, watch);
        drop(progress);
        let figures = figures.map_err(advice::explain)?;
        if figures.events == 0
            && let Some(refusal) = figures.refusal
        {
            return Err(advice::explain(refusal.into()));
        }
        let outcome = Outcome::of(&work, &setting, figures);
        outcome.print(self.json)?;
        outcome.fault().map_or(Ok(()), |fault| bail!(fault))
    }

    fn publishing(&self) -> Publishing {
        let in_flight = self.in_flight as usize;
        match self.rate {
            Some(per_s) => Publishing::Rate(per_s, in_flight),
            None => Publishing::InFlight(in_flight),
        }
    }

    fn target(&self) -> Result<Target> {
        let topic = self.topic.as_deref();
        let topic = match self.topics {
            1 => topic.unwrap_or("bench").to_owned(),
            // The engine writes the number of the topic in the place of this word.
            _ => format!("{}-{{topic}}", topic.unwrap_or("bench")),
        };
        let has_topic = self.topic.is_some() || self.topics > 1;
        let place = |url: &str| Endpoint::reach(url, &topic, has_topic);
        let subscribe = place(&self.url)?;
        let publish = place(self.publish_url.as_ref().unwrap_or(&self.url))?;
        let body = match self.body.strip_prefix('@') {
            Some(path) => {
                std::fs::read_to_string(path).with_context(|| format!("--body {path}"))?
            }
            None => self.body.clone(),
        };
        Ok(Target {
            subscribe: Subscribe {
                address: subscribe.address,
                host: subscribe.host,
                path: subscribe.path,
                headers: self.header.clone(),
            },
            publish: Publish {
                address: publish.address,
                host: publish.host,
                method: self.method.clone(),
                path: publish.path,
                headers: [&self.header[..], &self.publish_header[..]].concat(),
                body,
            },
        })
    }
}

/// A span of time, in seconds when it has no unit.
fn seconds(text: &str) -> Result<Duration, String> {
    let bare = text.parse().ok().map(Duration::try_from_secs_f64);
    match bare {
        Some(span) => span.map_err(|error| error.to_string()),
        None => humantime::parse_duration(text).map_err(|error| error.to_string()),
    }
}

/// Events a second.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e7 => Ok(rate),
        _ => Err("write a number of events a second, more than 0".to_owned()),
    }
}
