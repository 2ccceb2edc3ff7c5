//! Streams of messages (RFC 7766): an accept loop that bounds connections, and a task for each connection.
//!
//! `accept` knows sockets. `places` bounds connections, by the `standing` of their clients. `header` reads what a proxy says
//! in front of a stream, on the raw socket or within TLS; `tls` shakes hands. `connection` answers what
//! comes through any stream, whatever carries it, and `patience` says how long it waits.

mod accept;
mod connection;
mod header;
mod patience;
mod places;
mod standing;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::incidents::Incidents;
use crate::observe::{Counters, Metrics};
use crate::respond::Responder;
use crate::server::Serving;
use crate::server::dnstap::{Dnstap, Tap};
use crate::snapshot::Generation;
use crate::view::Transport;
use patience::Patience;
use places::{Place, Places};
use standing::{Standing, Trust};

pub(super) use accept::{Carrier, serve};
pub(super) use places::closing;

/// Octets that are read at a time, unless a message is longer.
const READ: usize = 8192;

/// What all stream listeners share.
#[derive(Debug)]
pub(super) struct Connections {
    places: Arc<Places>,
    idle_timeout: Duration,
    /// Those that no connection uses at this moment: there come to be as many as threads that serve connections.
    workers: Mutex<Vec<Worker>>,
    metrics: Arc<Metrics>,
    dnstap: Arc<Dnstap>,
}

/// What one connection at a time uses.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) responder: Responder,
    pub(super) counters: Arc<Counters>,
    pub(super) tap: Tap,
}

/// Where a connection comes from, and what carries it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) peer: SocketAddr,
    /// The address of this host that the peer asked.
    pub(super) local: Option<IpAddr>,
    transport: Transport,
}

/// All that a connection has but its stream.
pub(super) struct Accepted {
    pub(super) origin: Origin,
    /// Its client's standing, and the generation that says so.
    known: (Generation, Standing),
    pub(super) place: Place,
    pub(super) patience: Patience,
    pub(super) serving: Arc<Serving>,
    connections: Arc<Connections>,
}

impl Accepted {
    /// Whether its client is refused whatever it asks, as far as its addresses tell.
    pub(super) fn is_refused(&self) -> bool {
        self.known.1.trust == Trust::Refused
    }
}

impl Connections {
    /// Bounds on connections, in all and for each client, and how long one may go without an answer.
    pub(super) fn new(
        (most, most_each): (usize, usize),
        idle_timeout: Duration,
        incidents: Arc<Incidents>,
        metrics: Arc<Metrics>,
        dnstap: Arc<Dnstap>,
    ) -> Self {
        Self {
            places: Places::new(most, most_each, incidents),
            idle_timeout,
            workers: Mutex::default(),
            metrics,
            dnstap,
        }
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.places.taken()
    }

    /// How long a connection may go without an answer.
    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// What clients are told of that: units of 100 milliseconds (RFC 7828 §3.1).
    fn keepalive(&self) -> u16 {
        u16::try_from(self.idle_timeout.as_millis() / 100).unwrap_or(u16::MAX)
    }

    /// Lends a responder and counters to work that does not wait.
    pub(super) fn with_worker<T>(&self, work: impl FnOnce(&mut Worker) -> T) -> T {
        let workers = || self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = workers().pop();
        let mut worker = unused.unwrap_or_else(|| Worker {
            responder: Responder::new(),
            counters: self.metrics.worker(),
            tap: self.dnstap.tap(),
        });
        let result = work(&mut worker);
        workers().push(worker);
        result
    }
}
