//! What the binary says of itself, to programs as well as to people.

use crate::program::Program;

#[test]
fn a_log_that_no_terminal_shows_has_no_escape_sequences() {
    let mut hub = Program::start("", &["serve", "--open", "--listen", "127.0.0.1:0"]);
    hub.line();
    hub.signal("TERM");
    let log = hub.ended().errors;
    assert!(log.contains("stopping"), "{log}");
    assert!(!log.contains('\x1b'), "{log:?}");
}

#[test]
fn the_version_names_the_command() {
    let said = Program::start("", &["--version"]).ended().output;
    assert_eq!(
        said.trim_end(),
        concat!("fanfare ", env!("CARGO_PKG_VERSION"))
    );
}
