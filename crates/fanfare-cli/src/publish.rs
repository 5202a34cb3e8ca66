//! `fanfare pub`: publishes an argument, a file or a stream that is still being made.

mod input;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use fanfare_client::{
    Loss, NewEvent, Publication, PublishError, Receipt, RetryPolicy, Unreachable,
};
use futures_util::StreamExt;

use crate::hub_arg::HubArg;

/// Publish to a topic
///
/// Without DATA, or with `-`, the event is what is piped in; one line break at its end is dropped.
/// Prints the id of the event that was stored last.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fanfare pub chat 'Hello, world'               one event
  fanfare pub chat < letter.txt                 one event, from a file
  fanfare pub chat --event joined '{\"who\":\"Ada\"}'
  tail -f app.log | fanfare pub logs --stream   each line is an event, as it comes
  curl -N https://example.org/feed | fanfare pub feed --stream=sse
                                                a live event stream, block by block
  fanfare pub chat --end                        ends the topic: subscribers stop for good")]
pub(crate) struct Publish {
    /// The topic, such as `chat` or `orders/42`
    topic: String,

    /// The data of the event; `-` reads standard input
    #[arg(allow_negative_numbers = true)]
    data: Option<String>,

    /// The event type, the name that listeners are registered under
    #[arg(long, value_name = "TYPE")]
    event: Option<String>,

    /// How long subscribers shall wait before they reconnect, such as `2s` or `500ms`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    retry: Option<Duration>,

    /// End the topic after what is published; without DATA, publish nothing
    #[arg(long)]
    end: bool,

    /// Publish standard input as it comes, over one request: each line is an event, or with
    /// `--stream=sse` it is an event stream already
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "lines")]
    stream: Option<StreamForm>,

    /// The same as `--stream=lines`
    #[arg(long, conflicts_with = "stream")]
    lines: bool,

    /// Send the body as this content type, piped input as it comes: of a `text/event-stream` each
    /// block is an event, of an `application/x-ndjson` each line
    #[arg(long = "type", value_name = "MIME", conflicts_with_all = ["stream", "lines", "event", "retry"])]
    content_type: Option<String>,

    /// Store only what was not stored under this key before, so that a script may run twice
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// Print the hub's whole answer as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    hub: HubArg,
}

/// What standard input is, line by line or block by block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StreamForm {
    /// Each line is the data of one event
    Lines,
    /// An event stream (`text/event-stream`), passed through
    Sse,
}

/// A loss in words that say what to change.
pub(crate) fn explain(loss: &Loss) -> String {
    match loss {
        Loss::Unreachable { address, cause }
            if cause.kind() == io::ErrorKind::ConnectionRefused =>
        {
            format!(
                "no hub answers at {address}: start one with `fanfare dev`, or name another with --server"
            )
        }
        Loss::Unreachable { address, cause } => format!("no connection to {address}: {cause}"),
        loss => loss.to_string(),
    }
}

impl Publish {
    /// Publishes, and prints what the hub answers.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let client = self.hub.client()?;
        let publication = self.publication()?;
        let mut publish = match publication {
            Some(publication) => client.publish(&self.topic, publication),
            None => client.end(&self.topic),
        };
        if self.end {
            publish = publish.ending();
        }
        if let Some(key) = self.idempotency_key {
            publish = publish.idempotency_key(key);
        }
        let policy = RetryPolicy {
            unreachable: Unreachable::GiveUp,
            ..RetryPolicy::at_most(4)
        };
        let receipt = publish.retry(policy).await.map_err(|error| match error {
            PublishError::Lost(loss) => anyhow!(explain(&loss)),
            error => anyhow!(error),
        })?;
        print(&receipt, self.json)
    }

    /// What to publish; `None` to end the topic without an event.
    fn publication(&self) -> anyhow::Result<Option<Publication>> {
        let argument = self.data.as_deref().filter(|data| *data != "-");
        let form = self
            .stream
            .or_else(|| self.lines.then_some(StreamForm::Lines));
        match (form, argument) {
            (Some(_), Some(_)) => bail!("--stream reads standard input: leave DATA away"),
            (Some(form), None) => self.streamed(form).map(Some),
            (None, Some(data)) => self.ready(data.to_owned()).map(Some),
            (None, None) if self.end && self.data.is_none() => Ok(None),
            (None, None) => self.piped().map(Some),
        }
    }

    /// One event, or a body of the given content type.
    fn ready(&self, data: String) -> anyhow::Result<Publication> {
        match &self.content_type {
            Some(content_type) => Ok(Publication::body(content_type, data)),
            None => Ok(self.event_of(data)?.into()),
        }
    }

    fn event_of(&self, data: String) -> anyhow::Result<NewEvent> {
        let mut event = NewEvent::new(data);
        if let Some(event_type) = &self.event {
            event = event.event_type(event_type).context("--event")?;
        }
        if let Some(wait) = self.retry {
            event = event.retry(wait);
        }
        Ok(event)
    }

    /// Standard input as one event, or as it comes if it has a content type.
    fn piped(&self) -> anyhow::Result<Publication> {
        if self.data.is_none() && io::stdin().is_terminal() {
            bail!("nothing to publish: give DATA, pipe something in, or write `-` and type it");
        }
        match &self.content_type {
            Some(content_type) => Ok(Publication::stream(content_type, input::pieces())),
            None => Ok(self.event_of(input::whole()?)?.into()),
        }
    }

    /// Standard input as it comes, in either form.
    fn streamed(&self, form: StreamForm) -> anyhow::Result<Publication> {
        match form {
            StreamForm::Lines => {
                let kind = self.event_of(String::new())?;
                let event = move |line: io::Result<String>| Ok(kind.clone().with_data(line?));
                Ok(Publication::try_events(input::lines().map(event)))
            }
            StreamForm::Sse if self.event.is_some() || self.retry.is_some() => {
                bail!(
                    "an event stream brings its own event types and retry: leave --event and --retry away"
                )
            }
            StreamForm::Sse => Ok(Publication::stream("text/event-stream", input::pieces())),
        }
    }
}

/// Prints the id, or the whole receipt.
fn print(receipt: &Receipt, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json {
        serde_json::to_string(receipt)?
    } else {
        receipt.id.clone()
    };
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
