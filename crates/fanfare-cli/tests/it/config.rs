//! Where options come from, what is wrong with them, and what a running hub takes up.

use std::fs;
use std::path::Path;

use crate::folder::DataFolder;
use crate::program::{Exit, Program, run};

/// A folder with a `fanfare.toml`.
struct Desk(DataFolder);

impl Desk {
    fn new(config: &str) -> Self {
        let desk = Self(DataFolder::new());
        fs::create_dir_all(desk.0.path()).unwrap();
        desk.write(config);
        desk
    }

    fn config(&self) -> String {
        let path = self.0.path().join("fanfare.toml");
        path.to_str().unwrap().to_owned()
    }

    fn write(&self, config: &str) {
        fs::write(self.config(), config).unwrap();
    }

    fn check(&self, args: &[&str]) -> Exit {
        let config = self.config();
        run("", &[&["check", "--config", &config], args].concat(), "")
    }

    fn serve(&self) -> (Program, String) {
        let config = self.config();
        let mut hub = Program::start("", &["serve", "--config", &config]);
        let line = hub.line();
        let server = line.strip_prefix("Fanfare is listening on ").unwrap();
        (hub, server.to_owned())
    }
}

/// The words of the line that begins with this one.
fn line_of<'a>(text: &'a str, first: &str) -> Vec<&'a str> {
    let mut lines = text.lines().map(|line| line.split_whitespace().collect());
    lines
        .find(|words: &Vec<_>| words.first() == Some(&first))
        .unwrap_or_else(|| panic!("no line {first:?} in {text}"))
}

const OPEN: &str = "listen = \"127.0.0.1:0\"\nopen = true\n";

#[test]
fn the_command_line_wins_over_the_file_and_limits_add_up() {
    let desk = Desk::new(&format!(
        "{OPEN}heartbeat = \"10s\"\n[limits]\ntopics_max = 1000\nselectors_max = \"7\"\n"
    ));
    let exit = desk.check(&["--heartbeat", "12s", "--limit", "selectors_max=9"]);
    assert_eq!((exit.code, &*exit.errors), (Some(0), ""));
    let heartbeat = line_of(&exit.output, "heartbeat");
    assert_eq!(heartbeat, ["heartbeat", "12s", "command", "line"]);
    assert_eq!(line_of(&exit.output, "open")[..2], ["open", "true"]);
    assert_eq!(line_of(&exit.output, "topics_max")[2], "1000");
    assert_eq!(line_of(&exit.output, "selectors_max")[2], "9");
    assert_eq!(line_of(&exit.output, "together").len(), 3);
}

#[test]
fn what_is_wrong_with_a_file_is_shown_where_it_stands() {
    for (config, shown) in [
        ("hartbeat = \"1s\"", "did you mean \"heartbeat\"?\n --> "),
        ("hartbeat = \"1s\"", "1 | hartbeat = \"1s\"\n  | ^^^^^^^^"),
        ("frobnicate = 1", "no \"frobnicate\" here; `fanfare check"),
        ("heartbeat = \"1\"", "  |             ^^^"),
        ("heartbeat = { a = 1 }", "text, a number or a list"),
        ("open = \"yes\"", "open is true or false"),
        ("open = ", "fanfare.toml:1:"),
        ("open = true\nopen = true", "fanfare.toml:2:1"),
        ("limits = 1", "limits are a table"),
        ("[limits]\ntopic_max = 1", "did you mean \"topics_max\"?"),
        ("[limits]\ntopics_max = 0", "topics_max cannot be zero"),
        (
            "[limits]\ntopics_max = \"many\"",
            "2 | topics_max = \"many\"\n  |              ^^^^^^",
        ),
        (
            "listen = \"nowhere\"",
            "1 | listen = \"nowhere\"\n  |          ^^^^^^^^^",
        ),
        ("config = \"other.toml\"", "there is no \"config\" here"),
        (
            "trusted-proxy = [\"x\"]\nopen = true",
            "\"x\" is no address",
        ),
        (
            "issuer = \"x\"\nopen = true",
            "--issuer and --audience are about tokens",
        ),
        (
            "tls-cert = \"x\"\nopen = true",
            "give --tls-cert and --tls-key",
        ),
        ("heartbeat = \"9s\"", "no keys are configured"),
        ("jwks = [\"http://login.example/keys\"]", "use https"),
    ] {
        let exit = Desk::new(config).check(&[]);
        assert_ne!(exit.code, Some(0), "{config}");
        assert!(exit.errors.contains(shown), "{config}: {}", exit.errors);
    }
    let exit = run("", &["serve", "--config", "/nowhere/fanfare.toml"], "");
    assert!(exit.errors.contains("cannot read /nowhere/fanfare.toml"));
}

#[test]
fn a_running_hub_takes_up_what_it_can_and_says_what_waits() {
    let desk = Desk::new("listen = \"127.0.0.1:0\"\neverybody-publish = [\"a\"]\n");
    let (mut hub, server) = desk.serve();
    let publish = |topic| run(&server, &["pub", topic, "x"], "");
    assert_eq!(publish("a").code, Some(0));
    assert!(publish("b").errors.contains("no_credential"));
    // Nobody tells the hub of the change.
    desk.write("listen = \"127.0.0.1:1\"\neverybody-publish = [\"b\"]\n[limits]\nevent_bytes_max = 3\ntopics_max = 5\n");
    let line = hub.says("until a restart");
    assert!(line.contains("topics_max, listen"), "{line}");
    assert_eq!(publish("b").code, Some(0));
    assert!(publish("a").errors.contains("no_credential"));
    let exit = run(&server, &["pub", "b", "four"], "");
    assert!(exit.errors.contains("body_too_large"), "{exit:?}");
    // What cannot be read changes nothing.
    desk.write("everybody-publish = 7.5\n");
    hub.says("everything stays as it was");
    assert_eq!(publish("b").code, Some(0));
    // And with the signal, too.
    desk.write("listen = \"127.0.0.1:1\"\neverybody-publish = [\"c\"]\n");
    hub.signal("HUP");
    hub.says("were read anew");
    assert_eq!(publish("c").code, Some(0));
}

#[test]
fn the_reference_is_what_the_program_says() {
    let exit = run("", &["check", "--reference"], "");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/configuration.md");
    let written = fs::read_to_string(&page).unwrap();
    assert!(
        written.trim_end() == exit.output.trim_end(),
        "the reference is old: cargo run -- check --reference > docs/guide/configuration.md"
    );
}
