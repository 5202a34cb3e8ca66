//! The `fanfare` binary: runs a hub, publishes to one, subscribes to one, puts a load on one.

mod access;
mod acme;
#[cfg(target_os = "linux")]
mod bench;
mod check;
mod cli;
mod config;
mod dev;
mod files;
mod health;
mod https;
mod hub_arg;
mod jwks;
mod keys;
mod ledger;
mod limit;
mod logging;
mod options;
mod publish;
mod reference;
mod running;
mod serve;
mod subscribe;
mod tls;
mod token;

use std::process::ExitCode;
use std::time::Duration;

use self::cli::Command;

/// A hub allocates on one thread what it frees on another, small and often, and keeps some for
/// long: the system's allocator spends a sixth of a publish on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the drain leaves, of the 10 s that container runtimes give, for the log to close.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let (cli, read) = cli::read().unwrap_or_else(|trouble| trouble.exit());
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
            Command::Check(check) => check.run(&read),
            Command::Pub(publish) => publish.run().await,
            Command::Sub(subscribe) => subscribe.run().await,
            Command::Token(token) => token.run(),
            Command::Health(health) => health.run().await,
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
