//! The command line as a whole.

use anyhow::{Result, bail};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

#[cfg(target_os = "linux")]
use crate::bench;
use crate::config::{self, Read, Trouble};
use crate::{check, dev, health, publish, serve, subscribe, token};

/// A push server for the web: publish with one POST, and every browser that holds an EventSource
/// open receives it.
#[derive(Parser)]
#[command(
    name = "fanfare",
    version,
    propagate_version = true,
    after_help = "Start here:
  fanfare dev                        a hub with its playground, on this machine only
  fanfare sub chat                   follow a topic
  fanfare pub chat 'Hello, world'    publish to it
  fanfare bench                      what it can take; also other servers
Each command has its own --help with examples."
)]
pub(crate) struct Cli {
    /// What to log, such as `info`, `debug` or `fanfare_http=debug,warn`
    #[arg(
        long,
        global = true,
        env = "FANFARE_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(crate) log: String,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Dev(dev::Dev),
    Serve(serve::Serve),
    Check(check::Check),
    Pub(publish::Publish),
    Sub(subscribe::Subscribe),
    Token(token::Token),
    Health(health::HealthCheck),
    #[cfg(target_os = "linux")]
    Bench(bench::Bench),
}

/// Reads the command line, and what belongs to it.
pub(crate) fn read() -> Result<(Cli, Read), Trouble> {
    let args: Vec<_> = std::env::args_os().collect();
    let read = config::read(Cli::command(), &args)?;
    let cli = Cli::from_arg_matches(&read.matches)?;
    Ok((cli, read))
}

/// Reads the options of a hub that runs once more, from wherever they came.
pub(crate) fn options_anew() -> Result<serve::Serve> {
    match read()?.0.command {
        Command::Serve(serve) => Ok(serve),
        _ => bail!("this is no hub"),
    }
}
