//! Streams of messages (RFC 7766): an accept loop that bounds connections, and a task for each connection.
//!
//! `accept` knows sockets. `header` reads what a proxy says in front of a stream, before anything else on the raw socket.
//! `connection` answers what comes through any stream, whatever carries it, and `patience` says how long it waits.

mod accept;
mod connection;
mod header;
mod patience;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::permits::Permits;
use crate::respond::Responder;
use crate::view::{CountedClient, Transport};

pub(super) use accept::serve;

/// Octets that are read at a time, unless a message is longer.
const READ: usize = 8192;

/// What all stream listeners share.
#[derive(Debug)]
pub(super) struct Connections {
    permits: Arc<Permits<CountedClient>>,
    idle_timeout: Duration,
    /// Those that no connection uses at this moment: there come to be as many as threads that serve connections.
    responders: Mutex<Vec<Responder>>,
}

/// Where a connection comes from, and what carries it.
#[derive(Clone, Copy, Debug)]
struct Origin {
    peer: SocketAddr,
    /// The address of this host that the peer asked.
    local: Option<IpAddr>,
    transport: Transport,
}

impl Connections {
    /// Bounds on connections, in all and for each client, and how long one may go without a request. The last tenth of
    /// all is for clients without a connection.
    pub(super) fn new(most: usize, most_each: usize, idle_timeout: Duration) -> Self {
        Self { permits: Permits::with_reserve(most, most_each, most / 10), idle_timeout, responders: Mutex::default() }
    }

    /// Lends a responder to work that does not wait.
    fn with_responder<T>(&self, work: impl FnOnce(&mut Responder) -> T) -> T {
        let responders = || self.responders.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = responders().pop();
        let mut responder = unused.unwrap_or_else(Responder::new);
        let result = work(&mut responder);
        responders().push(responder);
        result
    }
}
