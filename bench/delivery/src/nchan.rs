//! Nchan, in the nginx of the distribution.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use fanfare_bench::Target;
use fanfare_bench::cores::Cores;

use crate::peers::target;
use crate::servers::{Place, Server, spawn, wait_for};

/// Starts nginx with one worker, for one core.
pub fn start(place: &Place, dir: &Path, cores: Cores) -> Result<Server> {
    let address = free_address()?;
    fs::write(dir.join("nginx.conf"), config(&place.nchan_module, address))?;
    let dir = dir.canonicalize()?;
    let mut command = Command::new(&place.nginx);
    command.arg("-p").arg(&dir).arg("-c").arg("nginx.conf");
    let mut child = spawn(&mut command, cores)?;
    wait_for(&mut child, address)?;
    let mut target: Target = target(address);
    target.subscribe.path = "/sub/bench-{topic}".to_owned();
    target.publish.path = "/pub/bench-{topic}".to_owned();
    let history = "/history/bench-{topic}".to_owned();
    Ok(Server::new(child, target).with_history(history))
}

/// An address that nobody listens at.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// Locations as its README has them, with nothing in their way: no access log, connections that
/// are never closed, and enough room for messages.
pub fn config(module: &Path, address: SocketAddr) -> String {
    let module = module.display();
    format!(
        "load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 19900; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    nchan_shared_memory_size 1024m;
    server {{
        listen {address} backlog=4096;
        location ~ ^/pub/([A-Za-z0-9-]+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
            nchan_message_buffer_length 5000;
            nchan_message_timeout 1h;
        }}
        location ~ ^/sub/([A-Za-z0-9-]+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
        }}
        location ~ ^/history/([A-Za-z0-9-]+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message oldest;
        }}
    }}
}}
"
    )
}
