//! Where figures come from: the commit, the machine, and each server's version and configuration.

use std::fs;
use std::path::Path;
use std::process::Command;

use bench_origin::{commit, machine, said};
use serde::{Deserialize, Serialize};

use crate::peers::Peer;
use crate::servers::Place;
use crate::{nchan, pushpin};

/// When, where and of which commit something was measured.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub commit: String,
    pub date: String,
    pub machine: String,
}

impl Origin {
    pub fn now() -> Self {
        Self {
            commit: commit(),
            date: said("date", &["-u", "+%Y-%m-%d"]),
            machine: machine(),
        }
    }
}

/// A server as it was measured.
#[derive(Clone, Serialize, Deserialize)]
pub struct Configuration {
    pub version: String,
    /// What was done to it, in a sentence.
    pub summary: String,
    /// Its file, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Configuration {
    pub fn of(peer: Peer, place: &Place) -> Self {
        let plain = |version: String, summary: &str| Self {
            version,
            summary: summary.to_owned(),
            file: None,
        };
        match peer {
            Peer::CursorFloor => plain(
                "bench/delivery/src/bin/floor.rs".to_owned(),
                "An epoll loop with cursors, which sends everything since a cursor in one call: no parsing, no limits, no history on disk.",
            ),
            Peer::OneSendFloor => plain(
                "bench/delivery/src/bin/floor.rs".to_owned(),
                "The same loop, with a call for each event and subscriber.",
            ),
            Peer::Fanfare => plain(
                fanfare(place),
                "`fanfare serve --open --memory`, otherwise as it comes.",
            ),
            Peer::FanfareDisk => plain(
                fanfare(place),
                "`fanfare serve --open --data FOLDER`: each event is synced to the disk before it is acknowledged and delivered.",
            ),
            Peer::Axum => plain(
                format!("axum {}", locked("bench/delivery/Cargo.lock", "axum")),
                "The obvious hub, bench/delivery/src/bin/axum-hub.rs: a `tokio::sync::broadcast` of 16,384 events for each topic, and `Sse` over it, built with optimisation.",
            ),
            Peer::Nchan => Self {
                version: nginx(place),
                summary: "The nginx and the Nchan module of the distribution, with the locations of its README, one worker, no access log, connections that are never closed.".to_owned(),
                file: Some(nchan::config(Path::new("ngx_nchan_module.so"), example(80))),
            },
            Peer::Pushpin => Self {
                version: said("pushpin", &["--version"]),
                summary: "The package of the distribution with its own defaults and its test route; folder and ports are ours, and `message_rate` and `message_hwm` are raised from 2,500 and 25,000, which would be all that is measured.".to_owned(),
                file: Some(pushpin::config(Path::new("FOLDER"), example(7999), example(5561))),
            },
            Peer::Express => plain(
                format!("Node {}, Express {}", said("node", &["--version"]), express(place)),
                "The message board of the tutorials, bench/delivery/express/server.js, with `NODE_ENV=production`.",
            ),
        }
    }
}

fn example(port: u16) -> std::net::SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn fanfare(place: &Place) -> String {
    said(&place.fanfare.to_string_lossy(), &["--version"])
}

/// nginx says its version on the wrong stream; that of the module is known to the package.
fn nginx(place: &Place) -> String {
    let output = Command::new(&place.nginx).arg("-v").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    let text = text.unwrap_or_default();
    let nginx = text.rsplit("version: ").next().unwrap_or_default();
    let module = said("dpkg-query", &["-W", "-f=${Version}", "libnginx-mod-nchan"]);
    format!("{nginx}, Nchan {module}")
}

/// The version of a package in a lock file of cargo.
fn locked(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let begin = format!("name = \"{name}\"\nversion = \"");
    let rest = text.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default().to_owned()
}

fn express(place: &Place) -> String {
    let path = place.sources.join("express/package-lock.json");
    let text = fs::read_to_string(path).unwrap_or_default();
    let lock: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let version = &lock["packages"]["node_modules/express"]["version"];
    version.as_str().unwrap_or_default().to_owned()
}
