//! How much each client may take: connections and event streams at once, events in a second.
//!
//! A client is known by its address and by the subject of its tokens. A token without a subject is
//! one that serves many, and is not counted.

mod bodies;
mod counts;
mod rates;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use fanfare_hub::{Lease, Limits};
use http::HeaderMap;

pub(crate) use self::bodies::Held;
pub(crate) use self::counts::Slot;

use self::bodies::Bodies;
use self::counts::Counts;
use self::rates::Rates;
use crate::address::{Proxies, counted};
use crate::problem::Problem;

/// What each has open and took lately.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    addresses: Counts,
    subjects: Counts,
    /// Of those who have no token.
    address_rates: Rates,
    subject_rates: Rates,
    bodies: Bodies,
    /// Makes numbers of subjects. Secret, so that nobody finds two with the same one.
    hasher: RandomState,
}

/// Who is charged with what a request takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Payer {
    /// By which its event streams are counted; what connects directly is counted by connections.
    proxied: Option<u64>,
    /// By which its events are counted.
    publishes: Option<Publishes>,
    subject: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Publishes {
    ForAddress(u64),
    ForSubject(u64),
}

/// What an event stream holds while it is open.
#[derive(Debug)]
pub(crate) struct Slots {
    _address: Option<Slot>,
    _subject: Option<Slot>,
}

impl Quotas {
    /// Takes in one more connection from this address, unless it has as many as it may.
    /// Connections of proxies are not counted: their clients' event streams are.
    pub(crate) fn connect(
        &self,
        peer: IpAddr,
        proxies: &Proxies,
        limits: &Limits,
    ) -> Result<Option<Slot>, AddressFull> {
        match counted(peer) {
            Some(key) if !proxies.trusts(peer) => {
                let slot = self.addresses.open(key, limits.address_connections_max);
                slot.map(Some).ok_or(AddressFull)
            }
            _ => Ok(None),
        }
    }

    /// Finds out who is charged.
    pub(crate) fn payer(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        proxies: &Proxies,
        lease: Option<&Lease>,
    ) -> Payer {
        let subject = lease.and_then(|lease| lease.credential.subject.as_deref());
        let subject = subject.map(|subject| self.hasher.hash_one(subject));
        let client = peer.map(|peer| proxies.client(peer, headers));
        let address = client.and_then(counted);
        let publishes = match (lease, subject) {
            (None, _) => address.map(Publishes::ForAddress),
            (Some(_), subject) => subject.map(Publishes::ForSubject),
        };
        Payer {
            proxied: address.filter(|_| peer.is_some_and(|peer| proxies.trusts(peer))),
            publishes,
            subject,
        }
    }

    /// Opens one more event stream; `None` when nobody is charged with it.
    pub(crate) fn open_stream(
        &self,
        payer: &Payer,
        limits: &Limits,
    ) -> Result<Option<Box<Slots>>, Problem> {
        let open = |counts: &Counts, key: Option<u64>, max, of| {
            let slot = key.map(|key| counts.open(key, max).ok_or((max, of)));
            slot.transpose()
        };
        let (addresses, subjects) = (limits.address_connections_max, limits.subject_streams_max);
        let address = open(&self.addresses, payer.proxied, addresses, "address");
        let subject = open(&self.subjects, payer.subject, subjects, "subject");
        match (address, subject) {
            (Ok(None), Ok(None)) => Ok(None),
            (Ok(address), Ok(subject)) => Ok(Some(Box::new(Slots {
                _address: address,
                _subject: subject,
            }))),
            (Err((max, of)), _) | (_, Err((max, of))) => Err(Problem::too_many_streams(max, of)),
        }
    }

    /// A body of which nothing has come.
    pub(crate) fn hold_body(&self) -> Held {
        self.bodies.hold()
    }

    /// Takes so many events.
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn take_events(
        &self,
        payer: &Payer,
        events: usize,
        limits: &Limits,
    ) -> Result<(), Duration> {
        let (rates, key, per_s) = match payer.publishes {
            None => return Ok(()),
            Some(Publishes::ForAddress(key)) => {
                (&self.address_rates, key, limits.address_events_per_s)
            }
            Some(Publishes::ForSubject(key)) => {
                (&self.subject_rates, key, limits.subject_events_per_s)
            }
        };
        match per_s {
            0 => Ok(()),
            per_s => rates.take(key, events as u64, per_s, Instant::now()),
        }
    }
}

/// An address has as many connections as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressFull;
