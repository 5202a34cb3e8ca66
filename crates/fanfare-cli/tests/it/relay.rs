//! A TCP relay before a hub whose connections a test can cut, as a broken network does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running relay.
pub(crate) struct Relay {
    /// The URL that leads through it.
    pub(crate) url: String,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    /// Relays every connection to this address.
    pub(crate) fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sockets = Arc::new(Mutex::new(Vec::new()));
        let (address, seen) = (address.to_owned(), sockets.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(&address) else {
                    continue;
                };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || copy(from, to));
                }
                seen.lock().unwrap().extend([near, far]);
            }
        });
        Self { url, sockets }
    }

    /// Cuts all connections, wherever their bytes are.
    pub(crate) fn cut(&self) {
        for socket in self.sockets.lock().unwrap().drain(..) {
            // The other side may have closed it already.
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

/// Copies in pieces of seven bytes, so that a cut falls anywhere within an event.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = [0; 7];
    while let Ok(bytes @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..bytes]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}
