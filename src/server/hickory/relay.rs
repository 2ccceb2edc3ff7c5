//! Connections for HTTPS, on their way to hickory-server.
//!
//! hickory-server takes any number of connections, and has no time-out before the first request. So clients connect to an
//! accept loop of ours, with the bounds of all streams and with PROXY headers, and their octets are relayed over loopback
//! to a listener that hickory-server has for itself. It knows a connection by the relay's port, and no other connection
//! to that listener gets an answer.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::SockRef;
use tokio::io::{AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::handler::Peer;
use crate::incidents::Incident;
use crate::server::bind;
use crate::server::proxy::{Sender, Told};
use crate::server::stream::Accepted;

/// Octets that are relayed at a time, in each direction.
const BUFFER: usize = 8192;

/// The way to one listener of hickory-server.
#[derive(Debug)]
pub(in crate::server) struct Relay {
    /// Where hickory-server listens.
    pub(super) listener: TcpListener,
    address: SocketAddr,
    /// By the port of the relay's side.
    connections: Mutex<HashMap<u16, Arc<Relayed>>>,
}

/// A connection that is relayed.
#[derive(Debug)]
pub(super) struct Relayed {
    pub(super) peer: Peer,
    /// Requests that have come and are not answered.
    waiting: AtomicUsize,
    /// Told of each answer.
    answered: Notify,
}

/// A request that is being answered.
pub(super) struct Waiting(Arc<Relayed>);

impl Relay {
    /// A listener on a free port of loopback.
    ///
    /// # Errors
    /// There is no port, or no file for it.
    pub(in crate::server) fn new() -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        // Its connections have what it has; hickory-server sets nothing.
        let _ = SockRef::from(&listener).set_tcp_nodelay(true);
        bind::bound_buffers(&SockRef::from(&listener));
        let address = listener.local_addr()?;
        Ok(Arc::new(Self { listener, address, connections: Mutex::default() }))
    }

    /// Relays a connection of which `octets` were read already, until it ends, or too long goes by without an answer.
    ///
    /// # Errors
    /// Either side fails.
    pub(in crate::server) async fn carry(
        &self,
        mut client: TcpStream,
        mut accepted: Accepted,
        sender: Sender,
        octets: &[u8],
    ) -> io::Result<()> {
        if accepted.is_refused() {
            // Nothing that it could say would help it, unlike over TLS, where it may have a key.
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut server = TcpStream::connect(self.address).await.inspect_err(|error| {
            accepted.serving.incidents.report(Incident::AcceptError, error.raw_os_error(), || error);
        })?;
        let _ = server.set_nodelay(true);
        bind::bound_buffers(&SockRef::from(&server));
        let origin = accepted.origin;
        let told = Told::new(&accepted.serving.published.load(), sender);
        let peer = Peer { address: origin.peer, sender, told, local: origin.local };
        let relayed = Arc::new(Relayed { peer, waiting: AtomicUsize::new(0), answered: Notify::new() });
        // Before anything is sent there: the first request is to find it.
        let _listed = self.list(server.local_addr()?.port(), relayed.clone());
        server.write_all(octets).await?;
        let copy = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER);
        tokio::pin!(copy);
        loop {
            tokio::select! {
                biased;
                copied = &mut copy => return copied.map(|_| ()),
                () = relayed.answered.notified() => {
                    // Nothing else renews it, as over TCP.
                    accepted.patience.renew();
                    accepted.place.answered(relayed.is_waiting());
                }
                // Who waits for an answer is not idle.
                () = accepted.patience.end(), if !relayed.is_waiting() => return Ok(()),
            }
        }
    }

    /// The connection that comes from an address, as hickory-server sees it.
    pub(super) fn find(&self, address: SocketAddr) -> Option<Arc<Relayed>> {
        let is_relay = address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.lock().get(&address.port()).filter(|_| is_relay).cloned()
    }

    fn list(&self, port: u16, relayed: Arc<Relayed>) -> Listed<'_> {
        self.lock().insert(port, relayed);
        Listed { relay: self, port }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u16, Arc<Relayed>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relayed {
    /// Notes a request that has come; it is answered when what is returned is dropped.
    pub(super) fn request(self: Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The relay is to look whether it still has to wait.
        self.answered.notify_one();
        Waiting(self)
    }

    fn is_waiting(&self) -> bool {
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
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.answered.notify_one();
    }
}

/// A connection in the list of its relay.
struct Listed<'a> {
    relay: &'a Relay,
    port: u16,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.relay.lock().remove(&self.port);
    }
}
