//! What the driver asks of a protocol: reading requests, wording answers, and taking connections
//! that are not for the driver.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use fanfare_hub::{AppendError, Batch, Cursor, Gap, Joining, Lease, Receipt, Timestamp, TopicName};

/// A protocol in front of the hub. Called by all shards at once, and never waits.
pub trait Door: Send + Sync + 'static {
    /// What a connection holds while it is open.
    type Place: Send + 'static;
    /// What a publish holds until it is answered.
    type InFlight: Send + 'static;
    /// What is remembered of a subscription until its stream opens.
    type Asked: Send + 'static;

    /// Lets a new connection from there in, or not.
    fn let_in(&self, peer: IpAddr) -> Option<Self::Place>;

    /// Looks at the bytes that came on a connection and were not taken yet.
    fn knock(&self, place: &Self::Place, unread: &[u8]) -> Knock<Self>;

    /// Words the answer to a publish.
    fn stored(
        &self,
        topic: &TopicName,
        result: Result<Receipt, AppendError>,
        answer: &mut Vec<u8>,
    ) -> Stay;

    /// Words the start of an event stream.
    fn opening(&self, asked: Self::Asked, cursor: &Cursor, place: &mut Self::Place) -> Opening;

    /// Words a gap.
    fn gap(&self, gap: &Gap) -> Bytes;

    /// The time by which leases end.
    fn now(&self) -> Timestamp;

    /// Changes whenever leases may end before their time.
    fn generation(&self) -> u64;

    /// Words the last block of a stream whose lease is worth nothing any more; `None` while it is
    /// worth something.
    fn lapse(&self, lease: &Lease) -> Option<Bytes>;

    /// Words the last block of a stream that the hub ends.
    fn farewell(&self) -> Bytes;

    /// Takes a connection that the driver has no business with.
    fn hand_over(&self, handed: Handed<Self>);

    /// Counts events that were handed to sockets.
    fn delivered(&self, events: u64, bytes: u64);

    /// Hears that no connection can be accepted.
    fn cannot_accept(&self, error: &io::Error);

    /// The times that connections are given.
    fn times(&self) -> Times;
}

/// What bytes on a connection come to.
pub enum Knock<D: Door + ?Sized> {
    /// No whole head yet.
    Incomplete,
    /// A whole head, and not yet all that belongs to it.
    BodyIncomplete,
    /// A publish, which took so many bytes.
    Publish(usize, Batch, D::InFlight),
    /// A subscription. Nothing is expected to follow it.
    Subscribe(Joining, D::Asked),
    /// Something else: the connection is handed over with all that was not taken.
    Elsewhere,
}

/// Whether a connection goes on after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// For the next request.
    Open,
    /// It ends with the answer.
    Closes,
}

/// A connection that leaves the driver.
pub struct Handed<D: Door + ?Sized> {
    /// The socket, which does not block.
    pub socket: TcpStream,
    /// What was read from it and belongs to the next request.
    pub unread: Vec<u8>,
    /// What the connection holds.
    pub place: D::Place,
}

/// The times that connections are given.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From connecting, or from the last answer, to the next whole head.
    pub head: Duration,
    /// Silence on a stream before a heartbeat, spread by a fifth.
    pub heartbeat: Duration,
    /// How long a peer may leave bytes unacknowledged.
    pub peer_silence: Duration,
}

/// The start of an event stream.
pub struct Opening {
    /// The head of the answer, which says that the body is chunked.
    pub head: Vec<u8>,
    /// The first block.
    pub block: Bytes,
    /// What the stream hangs on.
    pub lease: Option<Lease>,
}

/// A stream that comes from elsewhere: its head was worded, and nothing of it was sent.
pub struct Adopted<D: Door + ?Sized> {
    /// The socket, which does not block.
    pub socket: TcpStream,
    /// What is sent before anything else.
    pub opening: Opening,
    /// Where the stream stands.
    pub cursor: Box<Cursor>,
    /// What the connection holds.
    pub place: D::Place,
}
