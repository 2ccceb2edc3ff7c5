//! Streams of DNS messages (RFC 7766): an accept loop that bounds connections, and a task for each connection.
//!
//! `accept` handles sockets. `places` bounds connections, by the `standing` of their clients. `header` reads a proxy's header, on
//! the raw socket or within TLS; `tls` completes the handshake. `connection` answers the messages on any stream, and `patience`
//! limits how long it waits.

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

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::incidents::{Incident, Incidents};
use crate::observe::{Counters, Metrics};
use crate::respond::Responder;
use crate::server::Serving;
use crate::server::dnstap::{Dnstap, Tap};
use crate::server::proxy::Sender;
use crate::snapshot::Generation;
use crate::view::Transport;
use patience::Patience;
use places::{Place, Places};
use standing::{Standing, Trust};

pub(super) use accept::{Carrier, serve};
pub(super) use places::closing;

/// Octets read at once, unless a message is longer.
const READ: usize = 8192;

/// The state shared by all stream listeners.
#[derive(Debug)]
pub(super) struct Connections {
    places: Arc<Places>,
    idle_timeout: Duration,
    /// Workers that are not in use; there are as many in all as threads that serve connections.
    workers: Mutex<Vec<Worker>>,
    metrics: Arc<Metrics>,
    dnstap: Arc<Dnstap>,
}

/// The state that connections use in turn.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) responder: Responder,
    pub(super) counters: Arc<Counters>,
    pub(super) tap: Tap,
}

/// The origin of a connection, and its transport.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) peer: SocketAddr,
    /// The address of this host that the peer connected to.
    pub(super) local: Option<IpAddr>,
    pub(super) transport: Transport,
}

/// An accepted connection, apart from its stream.
pub(super) struct Accepted {
    pub(super) origin: Origin,
    /// Its client's standing, as of this generation.
    known: (Generation, Standing),
    pub(super) place: Place,
    pub(super) patience: Patience,
    pub(super) serving: Arc<Serving>,
    pub(super) connections: Arc<Connections>,
}

impl Accepted {
    /// Takes a place for a new connection; `None` if there is none, which is counted. Waits at most until another connection has
    /// closed.
    pub(super) async fn new(
        origin: Origin,
        serving: &Arc<Serving>,
        connections: &Arc<Connections>,
        stop: &CancellationToken,
    ) -> Option<Self> {
        let known = {
            let snapshot = serving.published.load();
            let sender = Sender::direct(origin.peer.ip());
            (snapshot.generation(), Standing::new(serving, &snapshot, origin, sender))
        };
        let Some(place) = connections.places.take(known.1).await else {
            let Origin { peer, transport, .. } = origin;
            tracing::debug!(client = %peer, "refused a connection over {transport}: too many are open");
            let holder = known.1.holder;
            serving.incidents.report(Incident::ConnectionLimit, holder, || format!("of {holder}"));
            return None;
        };
        let patience = Patience::new(connections.idle_timeout, stop.clone());
        Some(Self { origin, known, place, patience, serving: serving.clone(), connections: connections.clone() })
    }

    /// The identification of the connection for [`Connections::started`].
    pub(super) fn ticket(&self) -> (usize, u64) {
        self.place.ticket()
    }

    /// Whether its client is refused, as far as its addresses tell.
    pub(super) fn is_refused(&self) -> bool {
        self.known.1.trust == Trust::Refused
    }
}

impl Connections {
    /// Bounds on connections, in total and for each client, and the idle time-out.
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

    /// Registers the task of a connection, which is aborted if the connection must make room.
    pub(super) fn started<T>(&self, ticket: (usize, u64), task: &JoinHandle<T>) {
        self.places.serve(ticket, task.abort_handle());
    }

    /// The number of open connections.
    pub(super) fn open(&self) -> usize {
        self.places.taken()
    }

    /// The idle time-out.
    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// The idle time-out as sent to clients, in units of 100 milliseconds (RFC 7828 §3.1).
    fn keepalive(&self) -> u16 {
        u16::try_from(self.idle_timeout.as_millis() / 100).unwrap_or(u16::MAX)
    }

    /// Lends a responder and counters for work that does not block.
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
