//! What is measured: each server with its recommended configuration.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result};
use fanfare_bench::cores::Cores;
use fanfare_bench::{Publish, Subscribe, Target};

use crate::servers::{Place, Server, spawn_talking};

/// One server, in one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    CursorFloor,
    OneSendFloor,
    Fanfare,
    FanfareDisk,
}

impl Peer {
    pub const ALL: [Self; 4] = [
        Self::CursorFloor,
        Self::OneSendFloor,
        Self::Fanfare,
        Self::FanfareDisk,
    ];

    /// What it is called on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::CursorFloor => "floor-cursor",
            Self::OneSendFloor => "floor-one-send",
            Self::Fanfare => "fanfare",
            Self::FanfareDisk => "fanfare-disk",
        }
    }

    /// What it is called in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::CursorFloor => "floor, cursors",
            Self::OneSendFloor => "floor, one send each",
            Self::Fanfare => "Fanfare",
            Self::FanfareDisk => "Fanfare, durable",
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
    pub fn start(self, place: &Place, cores: Cores) -> Result<Server> {
        let dir = place.dir.join(self.word());
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let started = match self {
            Self::CursorFloor => plain(
                Command::new(place.programs.join("floor")).arg("cursor"),
                cores,
            ),
            Self::OneSendFloor => plain(
                Command::new(place.programs.join("floor")).arg("one-send"),
                cores,
            ),
            Self::Fanfare => plain(fanfare(place).arg("--memory"), cores),
            Self::FanfareDisk => plain(fanfare(place).arg("--data").arg(&dir), cores),
        };
        started.with_context(|| format!("starting {}", self.name()))
    }
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
    Ok(Server::new(child, target(address)))
}

fn target(address: SocketAddr) -> Target {
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
