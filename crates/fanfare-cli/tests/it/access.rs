//! Who may use a hub: what `serve` is told, what `token` makes, and what `pub` and `sub` send.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::folder::DataFolder;
use crate::program::{Exit, Program, run};

/// A folder with a secret that only we can read, and a token file to be filled.
struct Desk {
    folder: DataFolder,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            folder: DataFolder::new(),
        };
        fs::create_dir_all(desk.folder.path()).unwrap();
        desk.write("secret", &"pearl-diver-secret".repeat(3), 0o600);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn key(&self) -> String {
        format!("HS256={}", self.path("secret").display())
    }

    /// Makes a token and keeps it in the file `token`.
    fn token(&self, args: &[&str]) -> String {
        let key = self.key();
        let exit = run("", &[&["token", "--key", &key], args].concat(), "");
        assert_eq!((exit.code, &*exit.errors), (Some(0), ""));
        self.write("token", &exit.output, 0o600)
    }

    fn serve(&self, args: &[&str]) -> (Program, String) {
        let key = self.key();
        let serve = [
            "serve",
            "--key",
            &key,
            "--listen",
            "127.0.0.1:0",
            "--log",
            "trace",
        ];
        let mut hub = Program::start("", &[&serve, args].concat());
        let line = hub.line();
        let server = line
            .strip_prefix("Fanfare is listening on ")
            .unwrap()
            .to_owned();
        (hub, server)
    }
}

fn assert_refused(exit: &Exit, why: &str) {
    assert!(
        exit.code != Some(0) && exit.errors.contains(why),
        "{why}: {exit:?}"
    );
}

#[test]
fn a_token_lets_in_whom_it_names_and_nobody_else() {
    let desk = Desk::new();
    let (hub, server) = desk.serve(&["--everybody-subscribe", "news/**"]);
    assert_refused(&run(&server, &["pub", "chat", "x"], ""), "no_credential");
    assert_refused(
        &run(&server, &["sub", "chat", "--no-retry"], ""),
        "no_credential",
    );
    let token = desk.token(&["--publish", "chat,news/*", "--subscribe", "chat"]);
    let with = |args: &[&str]| run(&server, &[args, &["--token-file", &token]].concat(), "");
    assert_eq!(with(&["pub", "chat", "hello"]).code, Some(0));
    assert_eq!(with(&["pub", "news/today", "dry"]).code, Some(0));
    assert_refused(&with(&["pub", "other", "x"]), "not_granted");
    assert_refused(&with(&["sub", "**", "--no-retry"]), "not_granted");
    let read = with(&["sub", "chat", "--history", "all", "--count", "1"]);
    assert_eq!(read.output, "hello");
    let read = run(
        &server,
        &["sub", "news/*", "--history", "all", "--count", "1"],
        "",
    );
    assert_eq!(read.output, "dry");
    // Nothing of it was said to anybody.
    hub.signal("TERM");
    let exit = hub.ended();
    let token = fs::read_to_string(token).unwrap();
    for said in [&exit.output, &exit.errors] {
        assert!(
            !said.contains(token.trim()) && !said.contains("pearl-diver"),
            "{said}"
        );
    }
    assert!(exit.errors.contains("DEBUG"), "{exit:?}");
}

#[test]
fn a_key_that_is_taken_away_ends_what_hangs_on_it() {
    let desk = Desk::new();
    let (mut hub, server) = desk.serve(&[]);
    let token = desk.token(&["--publish", "**", "--subscribe", "**"]);
    let mut reader = Program::start(
        &server,
        &["sub", "chat", "--no-retry", "--token-file", &token],
    );
    reader.says("following");
    // What is no key changes nothing.
    desk.write("secret", "short", 0o600);
    hub.signal("HUP");
    hub.says("everything stays as it was");
    let publish = || run(&server, &["pub", "chat", "x", "--token-file", &token], "");
    assert_eq!(publish().code, Some(0));
    assert_eq!(reader.line(), "x");
    desk.write("secret", &"another secret of many bytes".repeat(2), 0o600);
    hub.signal("HUP");
    hub.says("were read anew");
    assert_refused(&publish(), "bad_credential");
    reader.says("the token is worth nothing any more");
    assert_refused(&reader.ended(), "the hub ended the stream");
}

#[test]
fn what_would_let_in_too_many_is_refused_at_the_start() {
    let desk = Desk::new();
    let key = desk.key();
    let (open, short) = (
        desk.write("open", &"x".repeat(50), 0o644),
        desk.write("short", "secret", 0o600),
    );
    let none = key.replace("HS256", "none");
    let (open, short) = (format!("HS256={open}"), format!("HS256={short}"));
    for (args, why) in [
        (&["serve"][..], "no keys are configured"),
        (
            &["serve", "--listen", "0.0.0.0:0"],
            "no keys are configured",
        ),
        (&["serve", "--key", &open], "can be read by others"),
        (&["serve", "--key", &short], "32 bytes at least"),
        (
            &["serve", "--key", "HS256=/nowhere/at/all"],
            "cannot read /nowhere/at/all",
        ),
        (
            &["serve", "--key", "HS256=env:PEARL_DIVER_UNSET"],
            "has no PEARL_DIVER_UNSET",
        ),
        (&["serve", "--key", &none], "is no algorithm"),
        (&["serve", "--key", "secret"], "a key is ALGORITHM=FILE"),
        (&["serve", "--key", &key, "--key", &key], "given twice"),
        (&["serve", "--key", &key, "--open"], "cannot be used with"),
        (
            &["serve", "--everybody-subscribe", "a/**/b"],
            "is no topic or pattern",
        ),
        (&["token", "--key", &key], "nothing"),
        (
            &["token", "--key", &key, "--publish", "/a"],
            "is no topic or pattern",
        ),
        (
            &["token", "--key", &key, "--publish", "a", "--ttl", "0s"],
            "a second at least",
        ),
    ] {
        let exit = run("", args, "");
        assert_refused(&exit, why);
    }
}

/// The way that `fanfare token --help` shows, with OpenSSL.
#[test]
fn a_hub_needs_to_know_nothing_secret() {
    let desk = Desk::new();
    let (private, public) = (desk.path("private.pem"), desk.path("public.pem"));
    let openssl = |args: &[&str]| {
        let status = Command::new("openssl").args(args).output().unwrap();
        assert!(status.status.success(), "{status:?}");
    };
    let (private, public) = (private.to_str().unwrap(), public.to_str().unwrap());
    openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
        private,
    ]);
    openssl(&["pkey", "-in", private, "-pubout", "-out", public]);
    let exit = run(
        "",
        &[
            "token",
            "--key",
            &format!("ES256={private}"),
            "--publish",
            "**",
        ],
        "",
    );
    let token = desk.write("token", &exit.output, 0o600);
    let key = format!("ES256={public}");
    let mut hub = Program::start("", &["serve", "--key", &key, "--listen", "127.0.0.1:0"]);
    let line = hub.line();
    let server = line.strip_prefix("Fanfare is listening on ").unwrap();
    let exit = run(server, &["pub", "a", "x", "--token-file", &token], "");
    assert_eq!(exit.code, Some(0), "{exit:?}");
}

#[test]
fn what_was_revoked_stays_so_after_a_restart() {
    let desk = Desk::new();
    let data = DataFolder::new();
    let folder = ["--data", data.path().to_str().unwrap()];
    let admin = desk.token(&["--admin"]);
    let admin = fs::read_to_string(admin).unwrap();
    let revoke = |server: &str, body: &str| {
        let curl = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--fail-with-body",
                "--data",
                body,
            ])
            .args([
                "--header",
                &format!("Authorization: Bearer {}", admin.trim()),
            ])
            .arg(format!("{server}/-/revoke"))
            .output()
            .unwrap();
        assert!(curl.status.success(), "{curl:?}");
    };
    let publishes = |server: &str, token: &str| {
        let exit = run(server, &["pub", "a", "x", "--token-file", token], "");
        exit.code == Some(0)
    };
    let (hub, server) = desk.serve(&folder);
    revoke(&server, "{\"token\":\"one\"}");
    revoke(&server, "{\"subject\":\"ann\"}");
    let one = desk.token(&["--publish", "**", "--id", "one"]);
    assert!(!publishes(&server, &one));
    drop(hub);
    let (hub, server) = desk.serve(&folder);
    assert!(!publishes(&server, &one));
    let other = desk.token(&["--publish", "**", "--subject", "bob", "--id", "two"]);
    assert!(publishes(&server, &other));
    drop(hub);
    // A file that cannot be read is no reason to take back less.
    fs::write(Path::new(data.path()).join("revoked.json"), "{\"token\"").unwrap();
    let key = desk.key();
    let serve = ["serve", "--key", &key, "--listen", "127.0.0.1:0"];
    assert_refused(
        &run("", &[&serve, &folder[..]].concat(), ""),
        "revoked.json is damaged",
    );
}
