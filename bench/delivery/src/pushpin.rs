//! Pushpin of the distribution, with the origin that it holds streams for.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};
use fanfare_bench::cores::Cores;

use crate::nchan::free_address;
use crate::peers::target;
use crate::servers::{Place, Server, spawn, wait_for};

/// Starts the origin in this process and Pushpin's own beside it.
pub fn start(_: &Place, dir: &Path, cores: Cores) -> Result<Server> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let origin = listener.local_addr()?;
    thread::spawn(move || serve_origin(&listener));
    let dir = dir.canonicalize()?;
    let (http, publish) = (free_address()?, free_address()?);
    fs::write(dir.join("routes"), format!("* {origin}\n"))?;
    fs::write(dir.join("pushpin.conf"), config(&dir, http, publish))?;
    let mut command = Command::new("pushpin");
    command.arg("--config").arg(dir.join("pushpin.conf"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawn(&mut command, cores)?;
    wait_for(&mut child, http)?;
    wait_for(&mut child, publish)?;
    let mut target = target(http);
    target.publish.address = publish;
    target.publish.host = publish.to_string();
    target.publish.path = "/publish/".to_owned();
    target.publish.headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    target.publish.body = r#"{"items":[{"channel":"bench-{topic}","formats":{"http-stream":{"content":"data: {payload}\n\n"}}}]}"#.to_owned();
    Ok(Server::new(child, target))
}

/// The defaults of the distribution, in a folder and at ports of our own.
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
message_rate=2500
message_hwm=25000
message_wait=5000
id_cache_ttl=60
connection_subscription_max=20
"
    )
}

/// Tells Pushpin, for each client, to hold its stream on the channel that its path names.
fn serve_origin(listener: &TcpListener) {
    for socket in listener.incoming().flatten() {
        // Pushpin keeps few connections to its origin.
        thread::spawn(move || serve_connection(socket).ok());
    }
}

fn serve_connection(socket: TcpStream) -> Result<()> {
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut socket = socket;
    loop {
        let (mut first, mut line) = (String::new(), String::new());
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let path = first.split(' ').nth(1).context("no path")?;
        let channel = path.trim_start_matches('/');
        write!(
            socket,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nGrip-Hold: stream\r\nGrip-Channel: {channel}\r\nContent-Length: 0\r\n\r\n"
        )?;
    }
}
