//! Keys that an issuer publishes: fetched, changed, gone for a while.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use std::{fs, thread};

use crate::folder::DataFolder;
use crate::program::{DEADLINE, Program, run};

/// An issuer: a server of one document, with a name for each of its states.
#[derive(Clone)]
struct Issuer {
    document: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<u16>>>,
    url: String,
}

impl Issuer {
    fn start(document: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let issuer = Self {
            document: Arc::new(Mutex::new(document)),
            asked: Arc::default(),
            url,
        };
        let serving = issuer.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serving.answer(stream.unwrap());
            }
        });
        issuer
    }

    fn answer(&self, mut stream: TcpStream) {
        let document = self.document.lock().unwrap().clone();
        let etag = format!("\"{}\"", document.len());
        let lines = BufReader::new(&stream).lines();
        let head: Vec<_> = lines
            .map(Result::unwrap)
            .take_while(|it| !it.is_empty())
            .collect();
        let is_known = head
            .iter()
            .any(|line| *line == format!("if-none-match: {etag}"));
        let (status, body) = match (is_known, document.as_str()) {
            (_, "") => (500, ""),
            (true, _) => (304, ""),
            (false, document) => (200, document),
        };
        self.asked.lock().unwrap().push(status);
        let answer = format!(
            "HTTP/1.1 {status} X\r\nETag: {etag}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).unwrap();
    }

    fn publish(&self, document: String) {
        *self.document.lock().unwrap() = document;
    }

    fn asked(&self) -> Vec<u16> {
        self.asked.lock().unwrap().clone()
    }
}

/// A pair of keys for Ed25519: the private one in a file, the public one in a set.
fn pair(folder: &Path, id: &str) -> (String, String) {
    let private = folder.join(format!("{id}.pem"));
    let openssl = |args: &[&str]| {
        let output = Command::new("openssl").args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let path = private.to_str().unwrap();
    fs::write(&private, openssl(&["genpkey", "-algorithm", "ed25519"])).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&private, mode).unwrap();
    let der = openssl(&["pkey", "-in", path, "-pubout", "-outform", "DER"]);
    let x = base64url(&der[der.len() - 32..]);
    let jwk = format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{x}\",\"kid\":\"{id}\"}}");
    (format!("EdDSA:{id}={path}"), jwk)
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let digit = |bits: &[u8]| {
        let digit = (0..6).fold(0, |digit, at| digit << 1 | bits.get(at).unwrap_or(&0));
        char::from(DIGITS[usize::from(digit)])
    };
    bits.chunks(6).map(digit).collect()
}

#[test]
fn the_keys_of_an_issuer_are_taken_up_and_kept() {
    let folder = DataFolder::new();
    let path = Path::new(folder.path());
    fs::create_dir_all(path).unwrap();
    let (first, first_jwk) = pair(path, "first");
    let (second, second_jwk) = pair(path, "second");
    let (third, _) = pair(path, "third");
    let set = |keys: &[&String]| {
        let keys: Vec<_> = keys.iter().map(|key| key.as_str()).collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
    };
    let issuer = Issuer::start(set(&[&first_jwk]));
    let mut hub = Program::start(
        "",
        &["serve", "--listen", "127.0.0.1:0", "--jwks", &issuer.url],
    );
    let line = hub.line();
    let server = line
        .strip_prefix("Fanfare is listening on ")
        .unwrap()
        .to_owned();
    let publish = |key: &str| {
        let token = run("", &["token", "--key", key, "--publish", "**"], "");
        let file = path.join("token");
        fs::write(&file, token.output).unwrap();
        run(
            &server,
            &["pub", "a", "x", "--token-file", file.to_str().unwrap()],
            "",
        )
    };
    assert_eq!(publish(&first).code, Some(0));
    assert!(
        run(&server, &["pub", "a", "x"], "")
            .errors
            .contains("no_credential")
    );
    assert_eq!(issuer.asked(), [200]);
    // A new key is known once a token names it, and soon at that.
    issuer.publish(set(&[&first_jwk, &second_jwk]));
    let (mut refused, began) = (0, Instant::now());
    while publish(&second).code != Some(0) {
        refused += 1;
        assert!(began.elapsed() < DEADLINE, "the new key never came");
    }
    assert!(refused > 0, "who told the hub of the key?");
    assert_eq!(issuer.asked(), [200, 200], "once for all {refused} refused");
    // A key that nobody published is asked for as seldom, and by the name of what is there.
    let began = Instant::now();
    while issuer.asked().len() < 3 {
        assert!(publish(&third).errors.contains("bad_credential"));
        assert!(began.elapsed() < DEADLINE, "nobody asked for the key");
    }
    assert_eq!(issuer.asked(), [200, 200, 304]);
    assert_eq!(publish(&second).code, Some(0));
    // What cannot be fetched leaves the keys that there are.
    issuer.publish(String::new());
    hub.signal("HUP");
    hub.says("cannot fetch keys");
    assert_eq!(publish(&second).code, Some(0));
    // A key that is taken back opens nothing.
    issuer.publish(set(&[&second_jwk]));
    hub.says("keys of an issuer were fetched");
    assert_eq!(publish(&second).code, Some(0));
    assert!(publish(&first).errors.contains("bad_credential"));
}

#[test]
fn a_hub_whose_issuer_is_away_refuses_tokens_and_passes_none_over() {
    let issuer = Issuer::start(String::new());
    let args = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--everybody-publish",
        "**",
    ];
    let mut hub = Program::start("", &[&args[..], &["--jwks", &issuer.url]].concat());
    let line = hub.line();
    let server = line
        .strip_prefix("Fanfare is listening on ")
        .unwrap()
        .to_owned();
    hub.says("cannot fetch keys");
    assert_eq!(run(&server, &["pub", "a", "x"], "").code, Some(0));
    let folder = DataFolder::new();
    let path = Path::new(folder.path());
    fs::create_dir_all(path).unwrap();
    let (key, jwk) = pair(path, "first");
    let token = run("", &["token", "--key", &key, "--publish", "**"], "");
    let file = path.join("token");
    fs::write(&file, token.output).unwrap();
    let publish = || {
        run(
            &server,
            &["pub", "a", "x", "--token-file", file.to_str().unwrap()],
            "",
        )
    };
    assert!(publish().errors.contains("bad_credential"));
    issuer.publish(format!("{{\"keys\":[{jwk}]}}"));
    hub.says("keys of an issuer were fetched");
    assert_eq!(publish().code, Some(0));
}
