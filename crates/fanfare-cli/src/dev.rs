//! `fanfare dev`: an open hub on this machine, with the playground.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use fanfare::{Cors, Server};
use fanfare_playground::{MOUNT, Playground};
use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::options::{HubOptions, listen, stop_signal};
use crate::tls::{self, TlsFiles};

/// Run an open hub with its playground on this machine
///
/// Everybody on this machine, and every page in its browsers, may publish and subscribe. Events are
/// kept in a folder and are there again after a restart.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fanfare dev                              then open the page that it prints
  fanfare dev --listen 127.0.0.1:0         on any free port
  fanfare dev --memory                     forget everything at the end
  fanfare dev --tls                        over TLS, with a certificate made for it
  curl -d 'Hello' http://127.0.0.1:4000/chat      publish
  curl -N http://127.0.0.1:4000/chat              subscribe")]
pub(crate) struct Dev {
    /// Address to listen on; loopback only
    #[arg(
        long,
        env = "FANFARE_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4000"
    )]
    listen: SocketAddr,

    /// Speak TLS on that address, with the given certificate or one made for it
    #[arg(long)]
    tls: bool,

    /// Address of the TLS twin, over which the playground shows HTTP/2 [default: 127.0.0.1:4443, or
    /// any free port when that is taken]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "tls")]
    tls_listen: Option<SocketAddr>,

    #[command(flatten)]
    tls_files: TlsFiles,

    #[command(flatten)]
    hub: HubOptions,
}

/// The listeners of a development hub.
struct Doors {
    /// For people and programs.
    main: (TcpListener, Option<Arc<ServerConfig>>),
    /// TLS beside a plain main door.
    twin: Option<(TcpListener, Arc<ServerConfig>)>,
}

impl Dev {
    pub(crate) async fn run(self) -> Result<()> {
        let stop = stop_signal()?;
        let doors = self.open_doors().await?;
        let (url, tls_origin) = doors.addresses()?;
        let hub = self.hub.hub()?;
        println!("Fanfare is listening on {url}");
        if doors.twin.is_some() {
            println!("… and on {tls_origin}");
        }
        if !self.hub.quiet {
            greet(&url, &self.hub.keeping());
        }
        let playground = Playground::new(hub.clone()).tls_origin(tls_origin);
        let server = Server::new(hub)
            .cors(Cors::AnyOrigin)
            .mount(MOUNT, playground)
            .home(MOUNT);
        let mut listeners = vec![doors.main];
        listeners.extend(doors.twin.map(|(listener, tls)| (listener, Some(tls))));
        server.serve_all(listeners, stop).await;
        Ok(())
    }

    async fn open_doors(&self) -> Result<Doors> {
        if !self.listen.ip().is_loopback() {
            bail!(
                "`fanfare dev` is open to everybody and listens on loopback only, not on {}: use `fanfare serve`",
                self.listen
            );
        }
        let main = listen(self.listen, "--listen")?;
        let tls = match self.tls_files.load()? {
            Some(certificate) => tls::config(certificate),
            None => tls::self_made()?,
        };
        if self.tls {
            return Ok(Doors {
                main: (main, Some(tls)),
                twin: None,
            });
        }
        let twin = match self.tls_listen {
            Some(address) => listen(address, "--tls-listen")?,
            None => {
                let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 4443));
                match listen(usual, "--tls-listen") {
                    Ok(twin) => twin,
                    Err(_taken) => listen((Ipv4Addr::LOCALHOST, 0).into(), "--tls-listen")?,
                }
            }
        };
        Ok(Doors {
            main: (main, None),
            twin: Some((twin, tls)),
        })
    }
}

impl Doors {
    /// The URL of the hub, and an origin with TLS that is not the same one: two names for one
    /// address are two origins.
    fn addresses(&self) -> Result<(String, String)> {
        let main = self.main.0.local_addr()?;
        Ok(match &self.twin {
            Some((twin, _)) => (
                format!("http://{main}"),
                format!("https://{}", twin.local_addr()?),
            ),
            None => (
                format!("https://{main}"),
                format!("https://localhost:{}", main.port()),
            ),
        })
    }
}

fn greet(url: &str, keeping: &str) {
    let insecure = if url.starts_with("https") { " -k" } else { "" };
    println!(
        "
  Playground   {url}{MOUNT}
  Subscribe    curl{insecure} -N {url}/chat
  Publish      curl{insecure} -d 'Hello, world' {url}/chat

Open to everybody on this machine. {keeping} Ctrl-C stops it.
"
    );
}
