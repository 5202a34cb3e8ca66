//! The `fanfare` binary: runs a hub, publishes to one, subscribes to one, puts a load on one.

mod access;
#[cfg(target_os = "linux")]
mod bench;
mod dev;
mod health;
mod hub_arg;
mod keys;
mod logging;
mod options;
mod publish;
mod serve;
mod subscribe;
mod tls;
mod token;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// A hub allocates on one thread what it frees on another, small and often, and keeps some for
/// long: the system's allocator spends a sixth of a publish on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
struct Cli {
    /// What to log, such as `info`, `debug` or `fanfare_http=debug,warn`
    #[arg(
        long,
        global = true,
        env = "FANFARE_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Dev(dev::Dev),
    Serve(serve::Serve),
    Pub(publish::Publish),
    Sub(subscribe::Subscribe),
    Token(token::Token),
    Health(health::HealthCheck),
    #[cfg(target_os = "linux")]
    Bench(bench::Bench),
}

/// What the drain leaves, of the 10 s that container runtimes give, for the log to close.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.log);
    let runtime = match tokio::runtime::Runtime::new() {
        Err(error) => return fail(&error.into()),
        Ok(runtime) => runtime,
    };
    // A read of standard input cannot be interrupted; the process does not wait for it.
    let is_hub = matches!(cli.command, Command::Dev(_) | Command::Serve(_));
    let wait = if is_hub { CLOSE_WAIT } else { Duration::ZERO };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Dev(dev) => dev.run().await,
            Command::Serve(serve) => serve.run().await,
            Command::Pub(publish) => publish.run().await,
            Command::Sub(subscribe) => subscribe.run().await,
            Command::Token(token) => token.run(),
            Command::Health(health) => health.run(),
            #[cfg(target_os = "linux")]
            Command::Bench(bench) => bench.run(),
        }
    });
    runtime.shutdown_timeout(wait);
    result.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("fanfare: {error:#}");
    ExitCode::FAILURE
}
