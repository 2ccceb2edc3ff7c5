//! Relays HTTPS connections to hickory-server.
//!
//! hickory-server accepts any number of connections, has no time-out before the first request, and buffers up to 16 MiB of a
//! request's fields. So clients connect to our accept loop, with the bounds of all streams and with PROXY headers, and a limited
//! number of octets is relayed over loopback to a private listener of hickory-server. That knows a connection by the port of the
//! relay; other connections to it get no answer.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes, join};
use tokio::net::TcpStream;

use super::connected::{Connected, Peer};
use crate::incidents::Incident;
use crate::server::bind;
use crate::server::proxy::{Sender, Told};
use crate::server::stream::Accepted;

/// Octets relayed at once, in each direction.
const BUFFER: usize = 8192;

/// The path to one listener of hickory-server.
#[derive(Debug)]
pub(in crate::server) struct Relay {
    /// The listener of hickory-server.
    pub(super) listener: TcpListener,
    address: SocketAddr,
    /// By the port on the relay's side.
    connections: Mutex<HashMap<u16, Arc<Connected>>>,
}

impl Relay {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// There is no free port or descriptor.
    pub(in crate::server) fn new() -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        // Accepted connections inherit it; hickory-server does not set it.
        let _ = SockRef::from(&listener).set_tcp_nodelay(true);
        bind::bound_buffers(&SockRef::from(&listener));
        let address = listener.local_addr()?;
        Ok(Arc::new(Self { listener, address, connections: Mutex::default() }))
    }

    /// Relays a connection until it ends or has no answer for too long; `octets` were read from it before.
    ///
    /// # Errors
    /// Either side fails.
    pub(in crate::server) async fn carry(
        &self,
        client: TcpStream,
        mut accepted: Accepted,
        sender: Sender,
        octets: &[u8],
    ) -> io::Result<()> {
        if accepted.is_refused() {
            // Unlike over TLS, the client cannot sign with a key, so that no request can be answered.
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
        let relayed = Connected::new(peer);
        // Listed before anything is sent, so that the first request finds it.
        let _listed = self.list(server.local_addr()?.port(), relayed.clone());
        server.write_all(octets).await?;
        let (read, write) = client.into_split();
        let mut client = join(Metered { stream: read, connected: relayed.clone() }, write);
        let copy = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER);
        tokio::pin!(copy);
        loop {
            tokio::select! {
                biased;
                copied = &mut copy => return copied.map(|_| ()),
                () = relayed.answered() => {
                    // Only an answer renews it, as over TCP.
                    accepted.patience.renew();
                    accepted.place.answered(relayed.is_waiting());
                }
                // A client that waits for an answer is not idle.
                () = accepted.patience.end(), if !relayed.is_waiting() => return Ok(()),
            }
        }
    }

    /// The connection from an address, as hickory-server sees it.
    pub(super) fn find(&self, address: SocketAddr) -> Option<Arc<Connected>> {
        let is_relay = address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.lock().get(&address.port()).filter(|_| is_relay).cloned()
    }

    fn list(&self, port: u16, relayed: Arc<Connected>) -> Listed<'_> {
        self.lock().insert(port, relayed);
        Listed { relay: self, port }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u16, Arc<Connected>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The octets of a client, counted against its allowance.
struct Metered<S> {
    stream: S,
    connected: Arc<Connected>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let is_allowed = self.connected.spend(buffer.filled().len() - before);
        Poll::Ready(if is_allowed { Ok(()) } else { Err(io::ErrorKind::QuotaExceeded.into()) })
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
