//! `cargo xtask acme`: certificates from a real authority, which is Pebble on this machine.
//!
//! The authority looks at the hub as the real ones do, makes certificates of half a minute, and
//! goes away at the end. What a client sees is asked with curl.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::hub::{Build, Programs};
use super::record::Record;
use crate::command::{ask, on_path, words};
use crate::test::Outcome;

/// Nothing to choose but where the result goes.
#[derive(Args)]
pub(crate) struct Options {
    /// Write what was found to `docs/results/acme.md`.
    #[arg(long)]
    pub(crate) record: bool,
    #[arg(skip)]
    pub(crate) build: Build,
}

const FOLDER: &str = "target/acme";
const PEBBLE: &str = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3";
/// Where the authority is reached, where it tells its root, and where it looks at the hub.
const PORTS: [u16; 3] = [14_310, 14_311, 14_312];
/// How long a certificate is worth something: it is renewed when a third of that is left.
const VALID_S: u64 = 30;
/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often one looks.
const POLL: Duration = Duration::from_millis(200);

const ABOUT: &str = "# Certificates from an authority

[Pebble](https://github.com/letsencrypt/pebble) is the authority, with certificates of 30 s, and refuses every tenth nonce, as it does by itself.
The hub proves over its own port that it has the domain (tls-alpn-01), takes the certificate up, renews it while a stream is open, and starts again with the one that it kept when the authority is gone.";

/// Processes that end with the campaign.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it is gone already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The short version is the only one.
pub(crate) fn short() -> Result<Outcome> {
    if !on_path("go") {
        let why = "Go is missing, with which the authority is built (https://go.dev/dl)";
        return Ok(Outcome::NotRun(why.to_owned()));
    }
    ensure!(
        run(&Options {
            record: false,
            build: Build::Debug,
        })?,
        "no certificate came"
    );
    Ok(Outcome::Passed)
}

/// Has certificates made, and says whether all went well.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let programs = options.build.make()?;
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    let bin = fs::canonicalize(folder)?.join("bin");
    println!("$ go install {PEBBLE}");
    ask(words("go install")
        .arg(PEBBLE)
        .env("GOBIN", &bin)
        .env("GOFLAGS", "-mod=mod"))?;
    let data = folder.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    prepare(folder)?;
    let mut scene = Scene::new(programs, folder, data);
    let authority = Running(authority(&bin.join("pebble"), folder)?);
    let hub = scene.first()?;
    scene.renewed()?;
    drop((authority, hub));
    scene.kept()?;
    if options.record {
        Record {
            name: "acme",
            about: ABOUT,
            command: "cargo xtask acme --record".to_owned(),
            found: scene
                .lines
                .iter()
                .map(|line| format!("- {line}\n"))
                .collect(),
        }
        .write()?;
    }
    Ok(true)
}

/// What happens one after the other, and what was seen.
struct Scene {
    programs: Programs,
    folder: PathBuf,
    data: PathBuf,
    /// What the certificates are held against.
    root: PathBuf,
    lines: Vec<String>,
}

impl Scene {
    fn new(programs: Programs, folder: &Path, data: PathBuf) -> Self {
        Self {
            programs,
            folder: folder.to_path_buf(),
            data,
            root: folder.join("root.pem"),
            lines: Vec::new(),
        }
    }

    fn tell(&mut self, line: String) {
        println!("{line}");
        self.lines.push(line);
    }

    /// A hub without a certificate gets one.
    fn first(&mut self) -> Result<Running> {
        let ask = |port: u16, path: &str| {
            let url = format!("https://localhost:{port}/{path}");
            curl(&self.folder.join("authority.pem"), &[&url])
        };
        let [directory, management, _] = PORTS;
        wait("the authority's root", || {
            let pem = ask(management, "roots/0")?;
            fs::write(&self.root, &pem)?;
            Ok(pem.contains("BEGIN CERTIFICATE"))
        })?;
        // A hub that finds nobody there comes again a minute later.
        wait("the authority", || {
            Ok(ask(directory, "dir")?.contains("newOrder"))
        })?;
        let began = Instant::now();
        let hub = Running(hub(self.programs, &self.folder, &self.data)?);
        self.is_live()?;
        let took = began.elapsed().as_secs_f64();
        self.tell(format!("first certificate: {took:.1} s after the start"));
        Ok(hub)
    }

    /// Another certificate is there in time, and no stream ends for it.
    fn renewed(&mut self) -> Result<()> {
        let topic = url("chat");
        let stream = self.folder.join("stream");
        let mut reader = words("curl --silent --no-buffer --cacert");
        reader.arg(&self.root).arg(&topic);
        reader.stdout(File::create(&stream)?).stdin(Stdio::null());
        let _reader = Running(reader.spawn()?);
        let has = |text: &str| Ok(fs::read_to_string(&stream)?.contains(text));
        wait("the stream", || has("id:"))?;
        let (first, began) = (serial(&self.root)?, Instant::now());
        wait("another certificate", || Ok(serial(&self.root)? != first))?;
        let took = began.elapsed().as_secs_f64();
        curl(&self.root, &["--data", "still here", &topic])?;
        wait("the event on the old stream", || has("data: still here"))?;
        self.tell(format!("renewed: {took:.1} s later, of {VALID_S}"));
        self.tell("a stream from before got what was published afterwards".to_owned());
        Ok(())
    }

    /// A hub that starts when the authority is gone has the certificate from before.
    fn kept(&mut self) -> Result<()> {
        let kept = serial_of(&self.data.join("acme/chain.pem"))?;
        let _hub = Running(hub(self.programs, &self.folder, &self.data)?);
        self.is_live()?;
        let shown = serial(&self.root)?;
        ensure!(
            shown == kept,
            "the kept certificate is not the one that is shown"
        );
        self.tell("started without the authority: the kept certificate is shown".to_owned());
        Ok(())
    }

    fn is_live(&self) -> Result<()> {
        let health = url("-/health/live");
        wait("a certificate", || {
            Ok(curl(&self.root, &[&health])?.contains("live"))
        })
    }
}

fn url(path: &str) -> String {
    format!("https://localhost:{}/{path}", PORTS[2])
}

/// Writes the authority's own certificate, and what it is to do.
fn prepare(folder: &Path) -> Result<()> {
    let certificate = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
        -keyout authority.key -out authority.pem -addext subjectAltName=DNS:localhost \
        -addext basicConstraints=critical,CA:FALSE";
    ask(words(certificate).current_dir(folder))?;
    let [listen, management, hub] = PORTS;
    let config = format!(
        r#"{{"pebble":{{"listenAddress":"127.0.0.1:{listen}","managementListenAddress":"127.0.0.1:{management}","certificate":"authority.pem","privateKey":"authority.key","httpPort":1,"tlsPort":{hub},"retryAfter":{{"authz":1,"order":1}},"profiles":{{"default":{{"description":"short","validityPeriod":{VALID_S}}}}}}}}}"#
    );
    Ok(fs::write(folder.join("pebble.json"), config)?)
}

fn authority(pebble: &Path, folder: &Path) -> Result<Child> {
    let log = File::create(folder.join("pebble.log"))?;
    let mut command = Command::new(pebble);
    command.args(["-config", "pebble.json"]).current_dir(folder);
    command.env("PEBBLE_VA_NOSLEEP", "1").stdin(Stdio::null());
    command.stdout(log.try_clone()?).stderr(log);
    command.spawn().context("cannot start Pebble")
}

fn hub(programs: Programs, folder: &Path, data: &Path) -> Result<Child> {
    let [authority, _, listen] = PORTS;
    let mut command = Command::new(programs.hub());
    command.args(["serve", "--open", "--acme", "localhost", "--listen"]);
    command.arg(format!("127.0.0.1:{listen}"));
    command.arg(format!(
        "--acme-directory=https://localhost:{authority}/dir"
    ));
    command.arg("--data").arg(data);
    command.env("SSL_CERT_FILE", folder.join("authority.pem"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().context("cannot start the hub")
}

/// What curl gets that trusts this certificate alone; nothing where there is no answer.
fn curl(trusted: &Path, args: &[&str]) -> Result<String> {
    let mut curl = words("curl --silent --max-time 5 --cacert");
    let output = curl
        .arg(trusted)
        .args(args)
        .output()
        .context("cannot start curl")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The serial number of the certificate that the hub shows.
fn serial(root: &Path) -> Result<String> {
    let connect = format!("localhost:{}", PORTS[2]);
    let mut client = words("openssl s_client -servername localhost -connect");
    client
        .arg(connect)
        .arg("-CAfile")
        .arg(root)
        .stdin(Stdio::null());
    let shown = root.with_file_name("shown.pem");
    fs::write(&shown, ask(&mut client)?)?;
    serial_of(&shown)
}

fn serial_of(pem: &Path) -> Result<String> {
    ask(words("openssl x509 -noout -serial -in").arg(pem))
}

fn wait(what: &str, mut is_there: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_there()? {
        if began.elapsed() > PATIENCE {
            bail!("{what} never came; see {FOLDER}/pebble.log");
        }
        sleep(POLL);
    }
    Ok(())
}
