//! Serving a listener on the delivery shards, which are started when the first one needs them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use fanfare_delivery::Shards;
use tokio::net::TcpListener;

use super::Server;
use super::door::HttpDoor;
use crate::app::Driver;

/// The shards of a server, once they are started; `None` inside when there are to be none.
#[derive(Clone, Default)]
pub(super) struct Lazy(Arc<OnceLock<Option<Arc<Running>>>>);

/// Shards that run, and their door.
struct Running {
    shards: Shards<HttpDoor>,
    door: Arc<HttpDoor>,
}

impl Lazy {
    /// Has no shards be started, unless they were.
    pub(super) fn forgo(&self) {
        self.0.get_or_init(|| None);
    }
}

impl Driver for Running {
    fn stop(&self) {
        self.shards.stop();
    }

    fn drain(&self) {
        self.shards.drain();
    }

    fn abort(&self) {
        self.shards.abort();
    }
}

impl Server {
    /// Accepts connections on the shards until `stop` resolves. Gives the listener back when it has
    /// to be served otherwise.
    pub(super) async fn accept_on_shards(
        &self,
        listener: TcpListener,
        stop: &mut Pin<&mut impl Future<Output = ()>>,
    ) -> Option<TcpListener> {
        let Some(running) = self.shards.0.get_or_init(|| self.start_shards()) else {
            return Some(listener);
        };
        let listening = listener
            .into_std()
            .and_then(|listener| running.shards.listen(listener, &running.door));
        match listening {
            Ok(listening) => {
                stop.as_mut().await;
                running.shards.stop_listening(&listening);
            }
            Err(error) => tracing::error!(%error, "cannot listen"),
        }
        None
    }

    fn start_shards(&self) -> Option<Arc<Running>> {
        let door = Arc::new(HttpDoor::new(self.app.clone(), self.connections.clone()));
        match Shards::start(self.app.hub(), &door) {
            Ok(shards) => {
                let running = Arc::new(Running { shards, door });
                let driver = Arc::downgrade(&running);
                self.app.add_driver(driver);
                Some(running)
            }
            Err(error) => {
                tracing::warn!(%error, "cannot start delivery shards, serving without them");
                None
            }
        }
    }
}
