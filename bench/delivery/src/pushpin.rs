//! Pushpin of the distribution, which itself plays the origin that it holds streams for.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fanfare_bench::cores::Cores;

use crate::nchan::free_address;
use crate::peers::target;
use crate::servers::{POLL, Server, spawn, wait_for};

/// Its processes do not find each other at each start, and never do later.
const STARTS: usize = 5;

/// Starts Pushpin's processes, with the route that its package comes with.
pub fn start(dir: &Path, cores: Cores) -> Result<Server> {
    let mut started = start_once(dir, cores);
    for _ in 1..STARTS {
        if started.is_ok() {
            break;
        }
        started = start_once(dir, cores);
    }
    started
}

fn start_once(dir: &Path, cores: Cores) -> Result<Server> {
    let dir = dir.canonicalize()?;
    let (http, publish) = (free_address()?, free_address()?);
    fs::write(dir.join("routes"), "* test\n")?;
    fs::write(dir.join("pushpin.conf"), config(&dir, http, publish))?;
    let mut command = Command::new("pushpin");
    command.arg("--config").arg(dir.join("pushpin.conf"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawn(&mut command, cores)?;
    wait_for(&mut child, http)?;
    wait_for(&mut child, publish)?;
    let mut target = target(http);
    target.subscribe.path = "/stream".to_owned();
    target.publish.address = publish;
    target.publish.host = publish.to_string();
    target.publish.path = "/publish/".to_owned();
    target.publish.headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    target.publish.body = r#"{"items":[{"channel":"test","formats":{"http-stream":{"content":"data: {payload}\n\n"}}}]}"#.to_owned();
    let server = Server::new(child, target);
    wait_until_accepted(http)?;
    Ok(server)
}

/// Where they do, it takes a tenth of a second.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

/// Its processes find each other a little later than they listen.
fn wait_until_accepted(http: SocketAddr) -> Result<()> {
    let begin = Instant::now();
    loop {
        let mut socket = TcpStream::connect(http)?;
        socket.write_all(b"GET /stream HTTP/1.1\r\nHost: bench\r\n\r\n")?;
        let mut status = [0; "HTTP/1.1 200".len()];
        if socket.read_exact(&mut status).is_ok() && status.ends_with(b"200") {
            return Ok(());
        }
        ensure!(
            begin.elapsed() < FOUND_WITHIN,
            "its processes do not find each other"
        );
        thread::sleep(POLL);
    }
}

/// The defaults of the distribution, in a folder and at ports of our own. Only its limit of
/// messages a second is raised, or it would be all that is measured.
pub fn config(dir: &Path, http: SocketAddr, publish: SocketAddr) -> String {
    let (dir, http, publish) = (dir.display(), http.port(), publish.port());
    format!(
        "[global]
include={{libdir}}/internal.conf
rundir={dir}
ipc_prefix=bench-
port_offset=0
stats_connection_ttl=120

[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:{http}
logdir={dir}
log_level=1
client_buffer_size=8192
client_maxconn=19000

[proxy]
routesfile={dir}/routes
sig_key=bench
updates_check=off

[handler]
push_in_spec=ipc://{dir}/push-in
push_in_sub_specs=ipc://{dir}/push-in-sub
push_in_http_addr=127.0.0.1
push_in_http_port={publish}
push_in_http_max_headers_size=10000
push_in_http_max_body_size=1000000
stats_spec=ipc://{dir}/stats
command_spec=ipc://{dir}/command
message_rate=1000000
message_hwm=1000000
message_wait=5000
id_cache_ttl=60
connection_subscription_max=20
"
    )
}
