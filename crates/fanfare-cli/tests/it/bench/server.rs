//! A server of event streams on a real socket, as plain as can be, which makes one mistake.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The event that the mistake is made with; those before it are greetings.
const FAULTY_EVENT: usize = 40;

/// The mistake, made towards the first subscriber alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// None at all.
    None,
    /// It does not get one event.
    Drop,
    /// It gets one event twice.
    Repeat,
    /// It gets one event after the next.
    Swap,
    /// It is hung up on instead of let in, and let in when it comes again.
    HangUp,
    /// Nobody is let in.
    RefuseSubscribe(u16),
    /// No event is taken.
    RefusePublish(u16),
}

/// A running server.
pub(super) struct Server {
    pub(super) url: String,
    room: Arc<Room>,
}

struct Room {
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    subscribers: Vec<TcpStream>,
    events: usize,
    /// What the first subscriber gets with the next event.
    kept: String,
    has_hung_up: bool,
    heads: Vec<String>,
}

impl Server {
    pub(super) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Mutex::default();
        let room = Arc::new(Room { fault, state });
        let serving = room.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let room = serving.clone();
                std::thread::spawn(move || room.serve(socket));
            }
        });
        Self { url, room }
    }

    /// The heads of all requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.room.state.lock().unwrap().heads.clone()
    }
}

impl Room {
    /// Serves one connection until it ends.
    fn serve(&self, mut socket: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(socket.try_clone().ok()?);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                let read = reader.read_line(&mut head).ok()?;
                (read > 0).then_some(())?;
            }
            self.state.lock().unwrap().heads.push(head.clone());
            if head.starts_with("GET") {
                self.subscribe(socket.try_clone().ok()?)?;
                continue;
            }
            let length = head
                .lines()
                .find_map(|it| it.strip_prefix("Content-Length: "))?;
            let mut body = vec![0; length.parse().ok()?];
            reader.read_exact(&mut body).ok()?;
            let answer = match self.fault {
                Fault::RefusePublish(status) => refusal(status),
                _ => {
                    self.publish(&String::from_utf8(body).ok()?);
                    "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned()
                }
            };
            socket.write_all(answer.as_bytes()).ok()?;
        }
    }

    fn subscribe(&self, mut socket: TcpStream) -> Option<()> {
        if let Fault::RefuseSubscribe(status) = self.fault {
            return socket.write_all(refusal(status).as_bytes()).ok();
        }
        let mut state = self.state.lock().unwrap();
        if self.fault == Fault::HangUp && !std::mem::replace(&mut state.has_hung_up, true) {
            return None;
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        socket.write_all(head.as_bytes()).ok()?;
        state.subscribers.push(socket);
        Some(())
    }

    fn publish(&self, event: &str) {
        let mut state = self.state.lock().unwrap();
        let event = format!("data: {event}\n\n");
        state.events += 1;
        let is_faulty = state.events == FAULTY_EVENT;
        let first = match self.fault {
            Fault::Drop if is_faulty => String::new(),
            Fault::Repeat if is_faulty => event.repeat(2),
            Fault::Swap if is_faulty => {
                state.kept = event.clone();
                String::new()
            }
            _ => event.clone() + &std::mem::take(&mut state.kept),
        };
        for (number, subscriber) in state.subscribers.iter_mut().enumerate() {
            let bytes = if number == 0 { &first } else { &event };
            // Who has hung up misses nothing.
            drop(subscriber.write_all(bytes.as_bytes()));
        }
    }
}

fn refusal(status: u16) -> String {
    format!("HTTP/1.1 {status} No\r\nContent-Length: 12\r\n\r\nnot for you\n")
}
