//! Peers that vanish without a word: a cable that is pulled, a phone that leaves its network.
//!
//! The peers live in a network of their own, whose link is taken down, so that not one more packet
//! comes from them. That needs namespaces: the test starts itself once more as the root of a user
//! namespace, which any user may do where the system allows it. It waits as long as the hub may
//! take.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::hub::Hub;
use super::request;

/// Set in the process that is inside the namespaces.
const INSIDE: &str = "FANFARE_TEST_IN_NAMESPACE";
const NAME: &str = "bad_input::absent::peers_that_vanish_are_freed_within_a_minute";
/// What the design promises.
const FREED_MAX: Duration = Duration::from_secs(60);
/// The hub's end of the link.
const HUB: &str = "10.231.0.1";

#[test]
fn peers_that_vanish_are_freed_within_a_minute() {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    let mut again = Command::new("unshare");
    // A folder of its own for the names of networks.
    let script = "mount -t tmpfs none /run && exec \"$0\" --exact \"$1\" --nocapture";
    again.args([
        "--user",
        "--map-root-user",
        "--net",
        "--mount",
        "sh",
        "-c",
        script,
    ]);
    again
        .arg(env::current_exe().unwrap())
        .arg(NAME)
        .env(INSIDE, "1");
    let status = again.status();
    assert!(
        status.as_ref().is_ok_and(|status| status.success()),
        "this test needs `unshare`, `ip` and `bash`, and user namespaces with networks of their own \
         (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns); it also \
         fails when the hub does: {status:?}"
    );
}

/// Runs in namespaces where it is root.
fn inside() {
    ip("link set lo up");
    ip("netns add away");
    ip("link add near type veth peer name far netns away");
    ip(&format!("address add {HUB}/24 dev near"));
    ip("link set near up");
    ip("-n away address add 10.231.0.2/24 dev far");
    ip("-n away link set far up");

    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args([
        "serve",
        "--open",
        "--quiet",
        "--listen",
        &format!("{HUB}:0"),
    ]);
    let mut hub = Hub::start(command);
    let _peers = Peers::connect(&hub);
    let open = hub.metric("fanfare_streams");
    assert_eq!(open, 3, "three of the peers are subscribers");
    let before = hub.rss_kib();
    ip("-n away link set far down");
    let start = Instant::now();
    let streams = hub.await_metric("fanfare_streams", 0, FREED_MAX);
    // The last one is that which asks.
    hub.await_metric("fanfare_connections", 1, FREED_MAX.saturating_sub(streams));
    let (streams, all) = (streams.as_secs_f64(), start.elapsed().as_secs_f64());
    let (before, after) = (before as f64 / 1024.0, hub.rss_kib() as f64 / 1024.0);
    println!(
        "| half-open | SSE, NDJSON, WebSocket, half a body, silence | streams freed after {streams:.0} s, all after {all:.0} s | {before:.1} MiB -> {after:.1} MiB |"
    );
    hub.assert_sound();
    assert!(hub.topics().is_empty(), "half a body is no event");
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(
        status.as_ref().is_ok_and(|status| status.success()),
        "ip {arguments}: {status:?}"
    );
}

/// Connections from the other network, held by a shell; killed when dropped.
struct Peers(Child);

impl Peers {
    fn connect(hub: &Hub) -> Self {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        // Each is answered, so that it is known to be open, or is silent by its nature.
        let requests = [
            request("GET", "/a", "", b""),
            request("GET", "/a", "Accept: application/x-ndjson\r\n", b""),
            request("GET", "/a", upgrade, b""),
            request(
                "POST",
                "/a",
                "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-ndjson\r\n",
                b"",
            ),
        ];
        let mut shell = Command::new("ip")
            .args(["netns", "exec", "away", "bash"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut script = String::new();
        let place = format!("/dev/tcp/{HUB}/{}", hub.plain.port());
        for (sent, descriptor) in requests.iter().zip(11..) {
            let text = String::from_utf8_lossy(sent).escape_default().to_string();
            script.push_str(&format!("exec {descriptor}<>{place}; printf '{text}' >&{descriptor}; read -r line <&{descriptor}; echo \"$line\"\n"));
        }
        script.push_str(&format!("exec 20<>{place}; echo silence\n"));
        let mut input = shell.stdin.take().unwrap();
        input.write_all(script.as_bytes()).unwrap();
        let mut said = BufReader::new(shell.stdout.take().unwrap()).lines();
        for wanted in ["200", "200", "101", "100", "silence"] {
            let line = said.next().unwrap().unwrap();
            assert!(line.contains(wanted), "{line}, not {wanted}");
        }
        // The shell reads on, and holds the connections until it is killed.
        shell.stdin = Some(input);
        Self(shell)
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
