//! What is logged: to standard error, in colours where a person reads it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Logs what passes the filter from now on.
pub(crate) fn start(filter: &str) {
    // A log in a file is read by programs, which take escape sequences for text.
    let has_colours = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(has_colours)
        .init();
}
