//! What is measured: each server with its recommended configuration.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use fanfare_bench::cores::Cores;
use fanfare_bench::{Publish, Subscribe, Target};
use serde::{Deserialize, Serialize};

use crate::servers::{Place, Server, spawn_talking};
use crate::streams::{Certificate, certificate};
use crate::{nchan, pushpin};

/// One server, in one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    CursorFloor,
    OneSendFloor,
    Fanfare,
    FanfareDisk,
    Axum,
    Nchan,
    Pushpin,
    Express,
}

/// What a server is spoken to over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1.
    Plain,
    /// HTTP/2 over TLS.
    Tls,
}

impl Peer {
    pub const ALL: [Self; 8] = [
        Self::CursorFloor,
        Self::OneSendFloor,
        Self::Fanfare,
        Self::FanfareDisk,
        Self::Axum,
        Self::Nchan,
        Self::Pushpin,
        Self::Express,
    ];

    /// What it is called on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::CursorFloor => "floor-cursor",
            Self::OneSendFloor => "floor-one-send",
            Self::Fanfare => "fanfare",
            Self::FanfareDisk => "fanfare-disk",
            Self::Axum => "axum",
            Self::Nchan => "nchan",
            Self::Pushpin => "pushpin",
            Self::Express => "express",
        }
    }

    /// What it is called in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::CursorFloor => "floor, cursors",
            Self::OneSendFloor => "floor, one send each",
            Self::Fanfare => "Fanfare",
            Self::FanfareDisk => "Fanfare, durable",
            Self::Axum => "axum, broadcast",
            Self::Nchan => "Nchan",
            Self::Pushpin => "Pushpin",
            Self::Express => "Express",
        }
    }

    /// Those that a word names; `floor` names both.
    pub fn named(word: &str) -> Vec<Self> {
        let is_named = |peer: &Self| {
            peer.word() == word || peer.word().starts_with(&format!("{word}-")) && word == "floor"
        };
        Self::ALL.into_iter().filter(is_named).collect()
    }

    /// Starts it in an empty folder, on the given cores, and waits until it listens.
    pub fn start(self, place: &Place, cores: Cores, transport: Transport) -> Result<Server> {
        let dir = place.dir.join(self.word());
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        if transport == Transport::Tls {
            return self.start_tls(place, &dir, cores);
        }
        let program = |name: &str| Command::new(place.programs.join(name));
        let started = match self {
            Self::CursorFloor => plain(program("floor").arg("cursor"), cores),
            Self::OneSendFloor => plain(program("floor").arg("one-send"), cores),
            Self::Fanfare => plain(fanfare(place).arg("--memory"), cores),
            Self::FanfareDisk => plain(fanfare(place).arg("--data").arg(&dir), cores),
            Self::Axum => plain(&mut program("axum-hub"), cores),
            Self::Nchan => nchan::start(place, &dir, cores),
            Self::Pushpin => pushpin::start(&dir, cores),
            Self::Express => express(place, cores),
        };
        started.with_context(|| format!("starting {}", self.name()))
    }

    /// Starts it with TLS and HTTP/2.
    fn start_tls(self, place: &Place, dir: &Path, cores: Cores) -> Result<Server> {
        let Certificate { chain, key } = certificate(dir)?;
        match self {
            Self::Fanfare => {
                let mut command = fanfare(place);
                command.arg("--memory").arg("--tls-cert").arg(chain);
                plain(command.arg("--tls-key").arg(key), cores)
            }
            Self::Axum => {
                let mut command = Command::new(place.programs.join("axum-hub"));
                plain(command.arg(chain).arg(key), cores)
            }
            _ => bail!("it is not measured with TLS"),
        }
    }
}

/// Brings Express in the version of the lock file.
pub fn install_express(place: &Place) -> Result<()> {
    let folder = place.sources.join("express");
    if folder.join("node_modules").exists() {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"])
        .current_dir(folder);
    let status = npm.status().context("npm brings Express")?;
    ensure!(status.success(), "npm could not bring Express");
    Ok(())
}

fn fanfare(place: &Place) -> Command {
    let mut command = Command::new(&place.fanfare);
    command.args(["serve", "--open", "--quiet", "--listen", "127.0.0.1:0"]);
    command.args(["--log", "warn"]);
    command
}

/// A server that takes any body at any path.
fn plain(command: &mut Command, cores: Cores) -> Result<Server> {
    let (child, address) = spawn_talking(command, cores)?;
    let history = "/bench-{topic}?history=all".to_owned();
    Ok(Server::new(child, target(address)).with_history(history))
}

/// Express with the message board of the tutorials, as it runs in production.
fn express(place: &Place, cores: Cores) -> Result<Server> {
    let mut command = Command::new("node");
    command.arg("server.js").env("NODE_ENV", "production");
    command.current_dir(place.sources.join("express"));
    let (child, address) = spawn_talking(&mut command, cores)?;
    let mut target = target(address);
    target.subscribe.path = "/addClient".to_owned();
    target.publish.path = "/message".to_owned();
    target.publish.headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    target.publish.body = r#"{"message":"{payload}"}"#.to_owned();
    Ok(Server::new(child, target))
}

pub fn target(address: SocketAddr) -> Target {
    let host = address.to_string();
    Target {
        subscribe: Subscribe {
            address,
            host: host.clone(),
            path: "/bench-{topic}".to_owned(),
            headers: Vec::new(),
        },
        publish: Publish {
            address,
            host,
            method: "POST".to_owned(),
            path: "/bench-{topic}".to_owned(),
            headers: Vec::new(),
            body: "{payload}".to_owned(),
        },
    }
}
