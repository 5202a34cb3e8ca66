//! `fanfare check`: what a hub would run by, and what it would take.

use anyhow::Result;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory};
use fanfare::Limits;
use fanfare::memory::{Share, shares};

use crate::cli::Cli;
use crate::config::{self, LIMITS};
use crate::jwks::Published;
use crate::limit::show;
use crate::reference;
use crate::serve::Serve;

/// Check the options of `serve`, wherever they come from
///
/// Reads the command line, the environment and fanfare.toml as `serve` does, and prints what a hub
/// would run by, each limit with its reason, and how much memory the limits come to. Starts
/// nothing; ends with an error if `serve` would.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fanfare check                             what ./fanfare.toml comes to
  fanfare check --config /etc/fanfare.toml
  fanfare check --limit topics_max=1000     and what it would be like with another limit
  fanfare check --reference                 every key that the file may have, as a document")]
pub(crate) struct Check {
    /// Print the reference of all keys, in Markdown, and nothing else
    #[arg(long)]
    reference: bool,

    #[command(flatten)]
    serve: Serve,
}

impl Check {
    pub(crate) fn run(&self, read: &config::Read) -> Result<()> {
        if self.reference {
            print!("{}", reference::document());
            return Ok(());
        }
        let (limits, note) = self.serve.hub.limits_here()?;
        let mut text = String::new();
        self.options(read, &mut text);
        tell_limits(&limits, &mut text);
        self.memory(&limits, &mut text);
        print!("{text}");
        let rules = self.serve.access.rules(&Published::default())?;
        drop((rules, self.serve.cors()?, self.serve.proxies()?));
        self.serve.tls_files.read()?;
        if let Some(note) = note {
            println!("\nNote: {note}.");
        }
        println!("\nAll of this can be used.");
        Ok(())
    }

    /// Each option that says something, with where it comes from.
    fn options(&self, read: &config::Read, text: &mut String) {
        let Some((_, matches)) = read.matches.subcommand() else {
            return;
        };
        let command = Cli::command();
        let check = command.find_subcommand("check");
        let options = check.into_iter().flat_map(|check| check.get_arguments());
        for option in options {
            let (Some(name), Some(values)) = (option.get_long(), values(matches, option)) else {
                continue;
            };
            let source = match matches.value_source(option.get_id().as_str()) {
                Some(ValueSource::EnvVariable) => "environment".to_owned(),
                Some(ValueSource::CommandLine) => match &read.file {
                    Some((path, options)) if options.iter().any(|it| it == name) => {
                        path.display().to_string()
                    }
                    _ => "command line".to_owned(),
                },
                _ => "default".to_owned(),
            };
            text.push_str(&format!("{name:<22} {values:<40} {source}\n"));
        }
    }

    fn memory(&self, limits: &Limits, text: &mut String) {
        let shares = shares(limits, self.serve.hub.history_in_memory());
        let total: u64 = shares.iter().map(Share::bytes).sum();
        text.push_str("\nmemory, at most\n");
        for share in &shares {
            text.push_str(&format!(
                "  {:<20} {:>9} x {:>9} = {:>9}   {}\n",
                share.name,
                share.number,
                human(share.bytes_each),
                human(share.bytes()),
                share.reason
            ));
        }
        text.push_str(&format!("  {:<20} {:>33}\n", "together", human(total)));
    }
}

/// What an option says; nothing where it says nothing.
fn values(matches: &ArgMatches, option: &clap::Arg) -> Option<String> {
    let id = option.get_id().as_str();
    if !option.get_action().takes_values() {
        let is_on = matches.try_get_one::<bool>(id).ok().flatten();
        return is_on.filter(|is_on| **is_on).map(|_| "true".to_owned());
    }
    let values = matches.try_get_raw(id).ok().flatten()?;
    let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
    Some(values.join(", "))
}

fn tell_limits(limits: &Limits, text: &mut String) {
    text.push_str(&format!("\n[{LIMITS}]\n"));
    let mut group = "";
    for bound in Limits::ALL {
        if bound.group != group {
            group = bound.group;
            text.push_str(&format!("# {group}\n"));
        }
        let (value, default) = (bound.of(limits), bound.of(&Limits::default()));
        let note = match value == default {
            true => String::new(),
            false => format!("instead of {}", show(default)),
        };
        let line = format!("{:<26} = {:<12} {note}", bound.name, show(value));
        text.push_str(&format!("{}\n", line.trim_end()));
    }
}

/// Bytes in the unit in which they are short.
fn human(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        10_485_760..10_737_418_240 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}
