//! A connection whose requests hickory-server reads: its client, and its pending requests.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::server::proxy::{Sender, Told};

/// The sender of requests.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) sender: Sender,
    pub(super) told: Told,
    /// The address of this host that it connected to, if known.
    pub(super) local: Option<IpAddr>,
}

/// Maximum octets that a client may send without an answer.
const CREDIT: i64 = 256 << 10;
/// Octets that it may send in addition for each answer: more than a request takes.
const CREDIT_OF_AN_ANSWER: i64 = 2 << 10;

/// A connection.
#[derive(Debug)]
pub(super) struct Connected {
    peer: Peer,
    /// Octets that the client may still send.
    credit: AtomicI64,
    /// Number of pending requests.
    waiting: AtomicUsize,
    /// Notified of each request and each answer.
    answered: Notify,
}

/// A pending request.
pub(super) struct Waiting(Arc<Connected>);

impl Connected {
    pub(super) fn new(peer: Peer) -> Arc<Self> {
        Arc::new(Self { peer, credit: AtomicI64::new(CREDIT), waiting: AtomicUsize::new(0), answered: Notify::new() })
    }

    /// The address of the client.
    pub(super) fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// Records a request; it is answered when the returned value is dropped.
    pub(super) fn request(self: Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The connection's task checks whether it may still be idle.
        self.answered.notify_one();
        Waiting(self)
    }

    /// Waits for the next request or answer.
    pub(super) async fn answered(&self) {
        self.answered.notified().await;
    }

    /// Records octets of the client; `false` if it has sent too many.
    pub(super) fn spend(&self, octets: usize) -> bool {
        let octets = i64::try_from(octets).unwrap_or(i64::MAX);
        self.credit.fetch_sub(octets, Ordering::Relaxed) >= octets
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Waiting {
    pub(super) fn peer(&self) -> &Peer {
        &self.0.peer
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let more = |credit: i64| Some((credit + CREDIT_OF_AN_ANSWER).min(CREDIT));
        let _ = self.0.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.answered.notify_one();
    }
}
