//! A certificate that is replaced while streams are open.

use std::fs;

use crate::folder::DataFolder;
use crate::program::Program;

/// A certificate for this machine and its key, in PEM.
fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn a_new_certificate_is_shown_and_no_stream_is_dropped() {
    let folder = DataFolder::new();
    fs::create_dir_all(folder.path()).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: &str| fs::write(path(name), text).unwrap();
    let (first, second) = (made(), made());
    for (name, text) in [
        ("cert", &first.0),
        ("key", &first.1),
        ("first", &first.0),
        ("second", &second.0),
    ] {
        write(name, text);
    }
    let (cert, key) = (path("cert"), path("key"));
    let args = [
        "serve",
        "--open",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ];
    let mut hub = Program::start("", &args);
    let line = hub.line();
    let server = line
        .strip_prefix("Fanfare is listening on ")
        .unwrap()
        .to_owned();
    let publish = |trusted: &str, text: &str| {
        let args = ["pub", "chat", text];
        Program::start_trusting(&server, Some(&path(trusted)), &args)
            .finish()
            .code
    };
    let follow = ["sub", "chat", "--no-retry"];
    let mut reader = Program::start_trusting(&server, Some(&path("first")), &follow);
    reader.says("following");
    // Half of a change is none.
    write("cert", &second.0);
    hub.signal("HUP");
    hub.says("everything stays as it was");
    assert_eq!(publish("first", "1"), Some(0));
    write("key", &second.1);
    hub.signal("HUP");
    hub.says("were read anew");
    assert_eq!(publish("second", "2"), Some(0));
    assert_ne!(publish("first", "3"), Some(0));
    assert_eq!([reader.line(), reader.line()], ["1", "2"]);
}
